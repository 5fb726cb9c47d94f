"""Options of NeuS; defaults are those of the paper's code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import attrs

from radfield_core import Choice, option, slot

Schedule = float | tuple[float, float, float, float]
"""A constant, or [start step, value before, value after, end step] with a linear change between."""

CONTRACT = "a number, or [start step, value before, value after, end step]"


@attrs.frozen(kw_only=True)
class NeuSFieldConfig:
    """The signed distance network, the color network, the sharpness, and the losses that they need."""

    encoding: Choice = slot(
        "encoding",
        default={"type": "frequency", "n_frequencies": 6, "include_input": False},
        help="encoding of positions; the position itself always goes beside it",
    )
    direction_encoding: Choice = slot(
        "encoding", default={"type": "frequency", "n_frequencies": 4}, help="encoding of view directions"
    )
    width: int = option(256, help="units per hidden layer of the distance network", min=2)
    n_layers: int = option(8, help="hidden layers of the distance network", min=1)
    skip_layer: int | None = option(
        4, help="hidden layer that sees the input again, counted from 0: 4 is the fifth", min=1
    )
    n_features: int = option(256, help="features handed to the color network", min=0)
    init_radius: float = option(0.5, help="radius of the first sphere, as a share of the scene's", min=0.01, max=0.99)
    softplus_beta: float = option(100.0, help="sharpness of the softplus between layers", min=0, exclusive_min=True)
    weight_norm: bool = option(True, help="weight normalization of both networks")
    color_width: int = option(256, help="units per hidden layer of the color network", min=1)
    color_layers: int = option(4, help="hidden layers of the color network", min=1)
    unit_normals: bool = option(
        False, help="normalize the gradient before it is used as a normal; the paper's code does not"
    )
    normals: Literal["analytic", "finite_differences"] = option("analytic", help="how gradients by position are found")
    fd_step: Schedule = option(0.005, help=f"distance of the taps, as a share of the scene's radius: {CONTRACT}", min=0)
    init_sharpness: float = option(0.3, help="start of the sharpness: 1/s = exp(10 times this)", min=-1.3, max=1.3)
    anneal_end: int = option(50_000, help="steps over which the cosine is annealed; 0: not at all", min=0)
    eikonal: Schedule = option(0.1, help=f"weight of the eikonal loss: {CONTRACT}", min=0)
    sparsity: Schedule = option(0.0, help=f"weight of the loss on surfaces nobody sees: {CONTRACT}", min=0)
    sparsity_scale: float = option(1.0, help="how fast it falls with distance, per scene radius", min=0)
    curvature: Schedule = option(0.0, help=f"weight of the curvature loss, with finite_differences: {CONTRACT}", min=0)


@attrs.frozen(kw_only=True)
class NeuSSamplerConfig:
    """64 even samples in the scene's sphere, then four times 16 where the surface is."""

    n_samples: int = option(64, help="even samples per ray", min=2)
    n_importance: int = option(64, help="samples added over all rounds", min=0)
    n_rounds: int = option(4, help="rounds of adding", min=1)
    base_sharpness: float = option(64.0, help="1/s of the first round; doubled in each", min=0, exclusive_min=True)
    perturb: bool = option(True, help="in training, shift a ray's even samples together by up to half a sample")


@attrs.frozen(kw_only=True)
class InvertedSphereFieldConfig:
    """The paper's NeRF for the outside: 8 layers on (x/r, 1/r)."""

    encoding: Choice = slot("encoding", default="frequency", help="encoding of (x/r, 1/r)")
    direction_encoding: Choice = slot(
        "encoding", default={"type": "frequency", "n_frequencies": 4}, help="encoding of view directions"
    )
    width: int = option(256, help="units per hidden layer; the color's has half as many", min=2)
    n_layers: int = option(8, help="hidden layers", min=1)
    skip_layer: int | None = option(
        5, help="hidden layer that sees the input again, counted from 0: 5 is the sixth", min=1
    )


@attrs.frozen(kw_only=True)
class InvertedSphereSamplerConfig:
    """Samples from the sphere to infinity."""

    n_samples: int = option(32, help="samples per ray", min=1)
    perturb: bool = option(True, help="in training, place samples at random within their parts")


@attrs.frozen(kw_only=True)
class NeuSConfig:
    """Photometric losses and schedules."""

    loss: Literal["l1", "mse"] = option("l1", help="photometric loss")
    loss_weight: float = option(1.0, help="weight of the photometric loss", min=0)
    mask: float = option(0.0, help="weight of the mask loss; 0.1 with masks", min=0)
    opaque: float = option(0.0, help="weight of the loss that wants rays opaque or free", min=0)
    background: Literal["none", "black", "white", "random"] = option("none", help="behind everything")
    lr: float = option(5e-4, help="learning rate", min=0, exclusive_min=True)
    lr_sharpness: float | None = option(None, help="learning rate of the sharpness; unset: the same", min=0)
    betas: tuple[float, float] = option((0.9, 0.999), help="Adam's decay rates", min=0, max=0.999999)
    eps: float = option(1e-8, help="Adam's epsilon", min=0, exclusive_min=True)
    warmup_steps: int = option(5000, help="steps over which the learning rate rises linearly from 0", min=0)
    lr_final: float = option(0.05, help="last learning rate, as a share of the first", min=0, max=1)
    decay: Literal["cosine", "exponential"] = option("cosine", help="how the learning rate falls after the warm-up")


@attrs.frozen(kw_only=True)
class SlicesConfig:
    """A picture of the signed distance on three planes."""

    resolution: int = option(384, help="width and height of each plane's picture, pixels", min=16, max=4096)


def field_capabilities(config: NeuSFieldConfig) -> tuple[frozenset[str], Mapping[str, frozenset[str]]]:
    """Analytic normals differentiate the encoding twice; finite differences ask it at more points instead."""
    return frozenset(), {"encoding": frozenset({"grad2"})} if config.normals == "analytic" else {}
