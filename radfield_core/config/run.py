"""The options of a run: which part fills which slot, and how the scene is prepared, trained and evaluated."""

from __future__ import annotations

from typing import Literal

import attrs

from radfield_core.config.slots import Choice, option, slot


@attrs.frozen(kw_only=True)
class SceneConfig:
    """How core prepares any scene, whatever its format."""

    normalize: Literal["none", "unit_sphere"] = option(
        "none", help="move and scale the scene so that what the cameras look at lies in the unit sphere"
    )
    normalize_margin: float = option(
        1.1, help="radius of the scene over radius of its content when normalizing", min=1.0
    )
    radius: float | None = option(
        None,
        help="half the side of the region to model, in scene units; by default the data's own",
        min=0,
        exclusive_min=True,
    )
    near: float | None = option(None, help="overrides the data's near limit, in scene units", min=0)
    far: float | None = option(None, help="overrides the data's far limit, in scene units", min=0, exclusive_min=True)
    image_cache_mb: int = option(1024, help="decoded images kept in memory, MiB; more are mapped from disk", min=16)
    skip_bad_images: bool = option(
        False, help="leave out images that cannot be read, if they are at most 5 % of all; else they end the run"
    )


@attrs.frozen(kw_only=True)
class TrainerConfig:
    """The training loop."""

    max_steps: int = option(20000, help="optimizer steps after which the run ends", min=1)
    max_seconds: float | None = option(
        None,
        help="seconds of training after which the run ends; evaluation and saving do not count",
        min=0,
        exclusive_min=True,
    )
    n_rays: int = option(1024, help="rays per step; the first value where target_samples is set", min=1)
    target_samples: int | None = option(
        None, help="samples per step that the number of rays follows; unset keeps n_rays", min=1
    )
    max_rays: int = option(8192, help="upper limit of rays per step under target_samples", min=1)
    samples_per_chunk: int | None = option(
        None,
        help="samples per micro-batch: splits a step's rays and accumulates gradients; unset takes all at once",
        min=1,
    )
    seed: int = option(0, help="seed of everything random", min=0, max=2**32 - 1)
    device: str = option("auto", help="auto, cpu, cuda or cuda:N")
    clip_grad_norm: float | None = option(
        None, help="largest norm of all gradients together", min=0, exclusive_min=True
    )
    save_every: int = option(5000, help="steps between checkpoints; one is always saved at the end", min=1)
    keep_checkpoints: int = option(2, help="good checkpoints kept", min=2)
    log_every: int = option(50, help="steps between entries in metrics.jsonl", min=1)
    eval_every: int | None = option(
        None, help="steps between evaluations of a few validation views; unset evaluates at the end", min=1
    )
    eval_views: int = option(4, help="validation views in an evaluation during training", min=1)
    max_bad_steps: int = option(
        10, help="steps in a row without a finite loss before going back to a checkpoint", min=1
    )


@attrs.frozen(kw_only=True)
class EvalConfig:
    """Evaluation and rendering of whole images."""

    rays_per_chunk: int = option(4096, help="rays rendered at once", min=1)


@attrs.frozen(kw_only=True)
class BackgroundConfig:
    """A learned background: what lies beyond the foreground's far end, drawn by what the foreground leaves free."""

    field: Choice = slot("field", help="field of the background")
    sampler: Choice = slot("sampler", help="sampler of the background")


@attrs.frozen(kw_only=True)
class RunConfig:
    """Everything that defines a run. `radfield config show` prints it; a run stores it as config.toml."""

    method: Choice = slot("method", help="losses, schedules and the preset for everything below")
    data: Choice = slot("dataparser", help="where images and cameras come from")
    field: Choice = slot("field", help="what is learned: position -> density or distance, and color")
    sampler: Choice = slot("sampler", default="importance", help="where along the rays the field is asked")
    renderer: Choice = slot("renderer", default="volume", help="samples -> pixels")
    background: BackgroundConfig | None = option(None, help="a learned background behind the foreground")
    scene: SceneConfig = option(attrs.Factory(SceneConfig), help="how the scene is prepared")
    trainer: TrainerConfig = option(attrs.Factory(TrainerConfig), help="the training loop")
    eval: EvalConfig = option(attrs.Factory(EvalConfig), help="evaluation and rendering")
