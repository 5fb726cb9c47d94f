"""The options of a run. They select the parts, and control preparation of the scene, training and evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import attrs

from radfield_core.config.slots import Choice, option, parts, slot
from radfield_core.plugin import MODEL_SLOTS


@attrs.frozen(kw_only=True)
class SceneConfig:
    """Options for the preparation of a scene. They apply to data of every format."""

    normalize: Literal["scale", "object", "unit_sphere", "none"] = option(
        "scale",
        help='"scale" changes lengths if the modeled region is much larger or smaller than in published scenes, so '
        'that methods work alike at every scale; "object" does the same unless the region holds the cameras: then it '
        "moves and scales the scene so that the object that the cameras look at lies in the unit sphere, as surface "
        'methods need; "unit_sphere" moves and scales the scene so that the content in view '
        "lies in the unit sphere",
    )
    normalize_margin: float = option(
        1.1, help='with normalize="unit_sphere", the content gets the radius 1 / normalize_margin', min=1.0
    )
    radius: float | None = option(
        None,
        help='half the side of the modeled cube, or the radius of the modeled sphere; "none" takes it from the data',
        min=0,
        exclusive_min=True,
    )
    near: float | None = option(
        None,
        help='distance where rays start, in scene units (before normalize="scale"); "none" takes it from the data',
        min=0,
    )
    far: float | None = option(
        None,
        help='distance where rays end, in scene units (before normalize="scale"); "none" takes it from the data',
        min=0,
        exclusive_min=True,
    )
    image_cache_mb: int = option(
        1024,
        help="memory for decoded images, in MiB; images that need more are stored in a memory-mapped file",
        min=16,
        continues=True,
    )
    max_missing_share: float = option(
        0.5,
        help="largest share of the listed images that may be missing; missing images are left out",
        min=0,
        max=1,
        continues=True,
    )
    max_bad_share: float = option(
        0.05,
        help="largest share of the images that may be unreadable if skip_bad_images is true",
        min=0,
        max=1,
        continues=True,
    )
    skip_bad_images: bool = option(
        False,
        help="if true, leave out unreadable images, up to max_bad_share; if false, an unreadable image is an error",
        continues=True,
    )


@attrs.frozen(kw_only=True)
class TrainerConfig:
    """Options of the training loop."""

    max_steps: int = option(
        20000, help="the run ends after this number of optimizer steps", min=1, max=10**9, continues=True
    )
    max_seconds: float | None = option(
        None,
        help='the run ends after this many seconds, not counting evaluation and saving; "none" sets no limit',
        min=0,
        exclusive_min=True,
        continues=True,
    )
    clock: Literal["wall", "processor"] = option(
        "wall",
        help='what max_seconds counts: "wall" counts the time that passes; "processor" counts only the time in which '
        "the run computes, so that other programs do not shorten the run",
        continues=True,
    )
    n_rays: int = option(
        1024, help="rays per step; if target_samples is set, this holds only for the first step", min=1, max=2**22
    )
    target_samples: int | None = option(
        None,
        help='target number of samples per step; the number of rays adapts to it; "none" keeps n_rays in every step',
        min=1,
        max=2**31,
    )
    max_rays: int = option(8192, help="largest number of rays per step if target_samples is set", min=1, max=2**22)
    pixels: Literal["all_images", "one_image"] = option(
        "all_images",
        help='where the rays of a step come from: random pixels of all images, or of "one_image", another in each step',
    )
    center: float = option(
        0.5,
        help="in the first center_steps steps, pixels come from the center of each image: this share of its width and "
        "height",
        min=0,
        max=1,
        exclusive_min=True,
    )
    center_steps: int = option(0, help="number of steps that use only the center of each image", min=0, max=10**9)
    samples_per_chunk: int | None = option(
        None,
        help='samples per micro-batch; a step sums the gradients of its micro-batches; "none" makes the step one batch',
        min=1,
        max=2**31,
        continues=True,
    )
    seed: int = option(0, help="seed of all random numbers", min=0, max=2**32 - 1)
    device: str = option("auto", help='"cpu", "cuda" or "cuda:N"; "auto" takes the GPU if there is one', continues=True)
    optimizer: Literal["method", "radam", "sgd"] = option(
        "method",
        help='"method" is the optimizer of the method, such as Adam; "radam" replaces it by RAdam with the same '
        'settings, and "sgd" by gradient descent with momentum, which needs other learning rates',
    )
    momentum: float = option(0.9, help='momentum of the optimizer "sgd"', min=0, max=0.999999)
    restart_after: int = option(
        0,
        help="if the pixels are no better than one constant color after this many steps, begin again with other random "
        "weights, at most 3 times; 0 never begins again",
        min=0,
        max=10**9,
    )
    clip_grad_value: float | None = option(
        None,
        help='limit every number of the gradient to plus or minus this; "none" sets no limit; applied before '
        "clip_grad_norm",
        min=0,
        exclusive_min=True,
    )
    clip_grad_norm: float | None = option(
        None,
        help='scale the gradient down if its norm over all parameters is larger than this; "none" never scales it',
        min=0,
        exclusive_min=True,
    )
    save_every: int = option(
        5000, help="steps between checkpoints; the last step is always saved", min=1, continues=True
    )
    keep_checkpoints: int = option(
        2, help="number of valid checkpoints to keep; older ones are deleted", min=2, continues=True
    )
    keep_best: bool = option(
        False,
        help="if true, also keep the checkpoint with the best PSNR of all evaluations, as RUN/checkpoints/best; "
        "eval_share then has no effect, because only equal evaluations can be compared",
        continues=True,
    )
    log_every: int = option(50, help="steps between entries in metrics.jsonl", min=1, continues=True)
    eval_every: int | None = option(
        None,
        help='steps between evaluations on a few validation views; "none" evaluates only at the end',
        min=1,
        continues=True,
    )
    eval_views: int = option(
        4,
        help="number of validation views in an evaluation, during and after training; 0 turns evaluations off",
        min=0,
        continues=True,
    )
    eval_scale: float = option(
        1.0,
        help="size of the evaluated validation views, divided by the size of the data's images",
        min=0,
        exclusive_min=True,
        max=1,
        continues=True,
    )
    eval_share: float | None = option(
        0.1,
        help="largest share of the training time for evaluations on validation views, but at least 5 seconds; at this "
        'limit, fewer and smaller views are evaluated; "none" sets no limit',
        min=0,
        continues=True,
    )
    picture_every: int = option(
        1000,
        help="steps between pictures of a validation view, which RUN/pictures holds: truth, rendering, depth and "
        "error side by side; one more is made at the end; they take at most 2 % of the training time, or half a "
        "second; 0 makes none",
        min=0,
        max=10**9,
        continues=True,
    )
    max_bad_steps: int = option(
        10,
        help="return to an earlier checkpoint after this many successive steps whose loss is not finite",
        min=1,
        continues=True,
    )


@attrs.frozen(kw_only=True)
class EvalConfig:
    """Options for rendering and evaluating whole images."""

    rays_per_chunk: int = option(
        4096, help="number of rays that are rendered at once", min=1, max=2**22, continues=True
    )
    fit_color: Literal["none", "half"] = option(
        "none",
        help='"half" fits the color map of the run to the left half of each evaluated image, and measures the right '
        'half; "none" measures the whole image with the colors of the scene',
        continues=True,
    )


@attrs.frozen(kw_only=True)
class BackgroundConfig:
    """A learned background. It models everything beyond `far`, and is visible where the foreground is transparent."""

    field: Choice = slot("field", help="learned function of the background, from positions to colors and densities")
    sampler: Choice = slot("sampler", help="chooses the positions along the rays in the background")


@attrs.frozen(kw_only=True)
class RunConfig:
    """All options of a run. `radfield config show` prints the options, and a run stores them in config.toml.

    A method that brings its own model uses only some of the slots in `plugin.MODEL_SLOTS`, such as `field`, or none.
    The other slots are then None.
    """

    method: Choice = slot("method", help="a paper's losses and learning rates, and presets of the options below")
    data: Choice = slot("dataparser", help="format of the images and cameras")
    field: Choice | None = slot(
        "field", help="learned function that maps a position to a color and a density or distance"
    )
    sampler: Choice | None = slot(
        "sampler", default="importance", help="chooses the positions along the rays at which the field is evaluated"
    )
    renderer: Choice | None = slot("renderer", default="volume", help="composites the samples of each ray into a pixel")
    rays: Choice | None = slot(
        "rays", optional=True, help="learned correction of the training cameras, such as of their poses"
    )
    color: Choice | None = slot(
        "color", optional=True, help="map of the rendered colors that is learned for each image, such as its exposure"
    )
    losses: Mapping[str, Choice] = parts(
        "loss", help="a loss that is added to the method's losses, under a name of your choice"
    )
    observers: Mapping[str, Choice] = parts(
        "observer", help="a listener to the training, under a name of your choice, such as a logger", continues=True
    )
    background: BackgroundConfig | None = option(None, help="a learned background behind the foreground")
    scene: SceneConfig = option(attrs.Factory(SceneConfig), help="preparation of the scene")
    trainer: TrainerConfig = option(attrs.Factory(TrainerConfig), help="the training loop")
    eval: EvalConfig = option(attrs.Factory(EvalConfig), help="rendering and evaluation")

    @property
    def unused_slots(self) -> tuple[str, ...]:
        """The slots that the method does not use. They are None, and no config file contains them."""
        used = MODEL_SLOTS if self.method is None else self.method.component.slots
        return tuple(name for name in MODEL_SLOTS if name not in used)
