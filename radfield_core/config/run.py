"""The options of a run: the parts in its slots, and the preparation, training and evaluation of a scene."""

from __future__ import annotations

from typing import Literal

import attrs

from radfield_core.config.slots import Choice, option, slot


@attrs.frozen(kw_only=True)
class SceneConfig:
    """Preparation of a scene, for data of any format."""

    normalize: Literal["none", "unit_sphere"] = option(
        "none", help="move and scale the scene so that what the cameras look at lies in the unit sphere"
    )
    normalize_margin: float = option(
        1.1, help="radius of the unit sphere over the radius of the content, when normalizing", min=1.0
    )
    radius: float | None = option(
        None,
        help="half the side of the region to model, in scene units; none takes the region from the data",
        min=0,
        exclusive_min=True,
    )
    near: float | None = option(None, help="near limit, in scene units; none takes it from the data", min=0)
    far: float | None = option(
        None, help="far limit, in scene units; none takes it from the data", min=0, exclusive_min=True
    )
    image_cache_mb: int = option(
        1024, help="MiB of decoded images kept in memory; larger sets are mapped from disk", min=16
    )
    skip_bad_images: bool = option(
        False, help="leave out unreadable images, up to 5 % of all images; otherwise they end the run"
    )


@attrs.frozen(kw_only=True)
class TrainerConfig:
    """The training loop."""

    max_steps: int = option(20000, help="optimizer steps after which the run ends", min=1)
    max_seconds: float | None = option(
        None,
        help="seconds of training after which the run ends; evaluation and saving are not counted",
        min=0,
        exclusive_min=True,
    )
    n_rays: int = option(1024, help="rays per step; with target_samples, rays of the first step", min=1)
    target_samples: int | None = option(
        None, help="samples per step; the number of rays is adapted to reach it; none keeps n_rays", min=1
    )
    max_rays: int = option(8192, help="most rays per step, with target_samples", min=1)
    samples_per_chunk: int | None = option(
        None,
        help="samples per micro-batch; gradients of a step's micro-batches are added; none takes one batch per step",
        min=1,
    )
    seed: int = option(0, help="seed of all random numbers", min=0, max=2**32 - 1)
    device: str = option("auto", help="auto, cpu, cuda or cuda:N")
    clip_grad_norm: float | None = option(
        None,
        help="largest norm of the gradient of all parameters; larger gradients are scaled down; none clips nothing",
        min=0,
        exclusive_min=True,
    )
    save_every: int = option(5000, help="steps between checkpoints; the last step is always saved", min=1)
    keep_checkpoints: int = option(2, help="number of good checkpoints that are kept", min=2)
    log_every: int = option(50, help="steps between entries in metrics.jsonl", min=1)
    eval_every: int | None = option(
        None, help="steps between evaluations of a few validation views; none evaluates only at the end", min=1
    )
    eval_views: int = option(4, help="validation views per evaluation during training", min=1)
    max_bad_steps: int = option(
        10, help="steps in a row without a finite loss before training resumes from a checkpoint", min=1
    )


@attrs.frozen(kw_only=True)
class EvalConfig:
    """Rendering and evaluation of whole images."""

    rays_per_chunk: int = option(4096, help="rays that are rendered at once", min=1)


@attrs.frozen(kw_only=True)
class BackgroundConfig:
    """A learned background: everything beyond the far limit, visible where the foreground transmits light."""

    field: Choice = slot("field", help="field of the background")
    sampler: Choice = slot("sampler", help="sampler of the background")


@attrs.frozen(kw_only=True)
class RunConfig:
    """All options of a run. `radfield config show` prints them, and a run stores them as config.toml."""

    method: Choice = slot("method", help="losses and learning rates, and a preset for the options below")
    data: Choice = slot("dataparser", help="format of the images and cameras")
    field: Choice = slot("field", help="the learned function: position to color, and to density or distance")
    sampler: Choice = slot(
        "sampler", default="importance", help="positions along the rays at which the field is evaluated"
    )
    renderer: Choice = slot("renderer", default="volume", help="composites samples to pixels")
    background: BackgroundConfig | None = option(None, help="a learned background behind the foreground")
    scene: SceneConfig = option(attrs.Factory(SceneConfig), help="preparation of the scene")
    trainer: TrainerConfig = option(attrs.Factory(TrainerConfig), help="the training loop")
    eval: EvalConfig = option(attrs.Factory(EvalConfig), help="rendering and evaluation")
