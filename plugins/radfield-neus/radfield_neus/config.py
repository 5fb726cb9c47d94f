"""Options of NeuS. The defaults are those of the paper's code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import attrs

from radfield_core import Choice, Schedule, option, slot


@attrs.frozen(kw_only=True)
class NeuSFieldConfig:
    """Options of field:neus: its distance network, color network, sharpness and losses."""

    encoding: Choice = slot(
        "encoding",
        default={"type": "frequency", "n_frequencies": 6, "include_input": False},
        help="encoding of positions; in addition, the network always reads the position itself",
    )
    direction_encoding: Choice | None = slot(
        "encoding",
        default={"type": "frequency", "n_frequencies": 4},
        optional=True,
        help='encoding of view directions; "none" makes colors independent of the view direction',
    )
    appearance_encoding: Choice | None = slot(
        "encoding", optional=True, help="encoding of the image's number, for colors that differ between photographs"
    )
    width: int = option(256, help="units per hidden layer of the distance network", min=2, max=4096)
    n_layers: int = option(8, help="number of hidden layers of the distance network", min=1, max=32)
    skip_layer: int | tuple[int, ...] | None = option(
        4,
        help='hidden layer, counted from 0, that reads the input again, or a list of several; "none": no skip '
        "connection",
        min=1,
        max=32,
    )
    n_features: int = option(
        256, help="number of features passed from the distance network to the color network", min=0, max=4096
    )
    init_radius: float = option(
        0.5,
        help="radius of the initial surface, which is a sphere, as a fraction of the scene's radius",
        min=0.01,
        max=0.99,
    )
    inside_out: bool = option(
        False, help="start with a surface that is seen from inside, for rooms: the distance is positive in the sphere"
    )
    softplus_beta: float = option(
        100.0, help="sharpness beta of the softplus activations in the distance network", min=0, exclusive_min=True
    )
    weight_norm: bool = option(True, help="apply weight normalization to both networks")
    color_width: int = option(256, help="units per hidden layer of the color network", min=1, max=4096)
    color_layers: int = option(4, help="number of hidden layers of the color network", min=1, max=32)
    unit_normals: bool = option(
        False, help="scale gradients to unit length before they are used as normals, unlike the paper's code"
    )
    normals: Literal["analytic", "finite_differences"] = option(
        "analytic", help="method that computes the gradients of the distance"
    )
    fd_step: Schedule | Literal["progressive"] = option(
        Schedule.of(0.005),
        help='step of finite differences, as a fraction of the scene\'s radius; "progressive" is the side of a cell '
        "of the finest level in use, for encodings with a grid",
        min=0,
    )
    init_sharpness: float = option(
        0.3, help="initial value of v, which determines the sharpness 1/s = exp(10 v)", min=-1.3, max=1.3
    )
    max_sharpness: Schedule | None = option(
        None, help='upper limit of the sharpness 1/s, in inverse scene radii; "none" sets no limit', min=1e-6
    )
    anneal_end: int = option(
        50_000,
        help="number of steps in which the cosine between ray and normal is annealed; 0 disables annealing",
        min=0,
    )
    eikonal: Schedule = option(Schedule.of(0.1), help="weight of the eikonal loss", min=0)
    sparsity: Schedule = option(
        Schedule.of(0.0), help="weight of the sparsity loss, which removes surfaces that no camera sees", min=0
    )
    sparsity_scale: float = option(
        1.0, help="rate, per scene radius, at which the sparsity loss decays with the distance from the surface", min=0
    )
    curvature: Schedule = option(
        Schedule.of(0.0), help='weight of the curvature loss, which requires normals="finite_differences"', min=0
    )


@attrs.frozen(kw_only=True)
class NeuSSamplerConfig:
    """Options of sampler:neus, which takes evenly spaced samples, and then adds samples near the surface in rounds."""

    n_samples: int = option(64, help="number of evenly spaced samples per ray", min=2, max=8192)
    n_importance: int = option(
        64, help="total number of samples per ray that the upsampling rounds add near the surface", min=0, max=8192
    )
    n_rounds: int = option(4, help="number of rounds in which samples are added", min=1, max=32)
    base_sharpness: float = option(
        64.0, help="sharpness 1/s in the first round; each further round doubles it", min=0, exclusive_min=True
    )
    early_stop_eps: float = option(
        1e-4,
        help="in rendering, a sample is not evaluated if less than this share of the light reaches it; 0 evaluates all "
        "samples, as the paper's code does",
        min=0,
        max=1,
    )
    perturb: bool = option(
        True, help="in training, shift the evenly spaced samples of each ray randomly by up to half a step"
    )


@attrs.frozen(kw_only=True)
class InvertedSphereFieldConfig:
    """Options of the background's MLP. The MLP reads (x/r, 1/r) for a point x at the distance r from the center."""

    encoding: Choice = slot(
        "encoding",
        default="frequency",
        help="encoding of (x/r, 1/r), where r is the distance from the center in scene radii",
    )
    direction_encoding: Choice = slot(
        "encoding", default={"type": "frequency", "n_frequencies": 4}, help="encoding of view directions"
    )
    appearance_encoding: Choice | None = slot(
        "encoding", optional=True, help="encoding of the image's number, for colors that differ between photographs"
    )
    width: int = option(
        256, help="units per hidden layer; the hidden layer for color has half as many", min=2, max=4096
    )
    n_layers: int = option(8, help="number of hidden layers", min=1, max=32)
    skip_layer: int | tuple[int, ...] | None = option(
        5,
        help='hidden layer, counted from 0, that reads the input again, or a list of several; "none": no skip '
        "connection",
        min=1,
        max=32,
    )


@attrs.frozen(kw_only=True)
class InvertedSphereSamplerConfig:
    """Options of sampler:inverted-sphere, which takes samples outside the scene's sphere."""

    n_samples: int = option(32, help="number of samples per ray", min=1, max=8192)
    perturb: bool = option(True, help="in training, move each sample randomly within its interval")


@attrs.frozen(kw_only=True)
class NeuSConfig:
    """Options of the losses and schedules of method:neus."""

    l1: Schedule = option(Schedule.of(1.0), help="weight of the absolute color error, summed over the channels", min=0)
    mse: Schedule = option(Schedule.of(0.0), help="weight of the squared color error, a mean over the channels", min=0)
    mask: Schedule = option(Schedule.of(0.0), help="weight of the mask loss; use 0.1 for data with masks", min=0)
    opaque: Schedule = option(
        Schedule.of(0.0), help="weight of the loss that makes each ray either opaque or transparent", min=0
    )
    background: Literal["none", "black", "white", "random", "random_step"] = option(
        "none",
        help='background color; "random" draws one per pixel and "random_step" one per training step, as '
        "instant-nsr-pl does; both are replaced by white in evaluation",
    )
    hit_rays_only: bool = option(
        False, help="average the photometric loss only over rays with an opacity above 0, as instant-nsr-pl does"
    )
    lr: Schedule = option(
        Schedule.of(5e-4),
        help="learning rate; a schedule given here replaces the warm-up and the decay",
        min=0,
        exclusive_min=True,
    )
    lr_sharpness: Schedule | None = option(None, help="learning rate of the sharpness; if unset, it is lr", min=0)
    lr_color: Schedule | None = option(None, help="learning rate of the color network; if unset, it is lr", min=0)
    lr_background: Schedule | None = option(None, help="learning rate of the background; if unset, it is lr", min=0)
    weight_decay: float = option(
        0.0,
        help="decoupled weight decay of the networks; encodings have no weight decay; instant-nsr-pl uses 0.01",
        min=0,
    )
    betas: tuple[float, float] = option((0.9, 0.999), help="Adam's betas", min=0, max=0.999999)
    eps: float = option(1e-8, help="Adam's epsilon", min=0, exclusive_min=True)
    warmup_steps: int = option(5000, help="number of steps in which the learning rate rises linearly to lr", min=0)
    warmup_start: float | None = option(
        None,
        help="learning rate of the first step, as a fraction of lr; the paper's code uses 0, and instant-nsr-pl 0.01; "
        "by default, it is 1 / warmup_steps, because with 0 the first step would change nothing",
        min=0,
        max=1,
    )
    lr_final: float = option(0.05, help="final learning rate, as a fraction of lr", min=0, max=1)
    decay: Literal["cosine", "exponential"] = option(
        "cosine", help="shape of the decay of the learning rate after the warm-up"
    )


@attrs.frozen(kw_only=True)
class SlicesConfig:
    """Options of exporter:sdf-slices, which draws the signed distance on three planes."""

    resolution: int = option(384, help="width and height of each plane in pixels", min=16, max=4096)


def field_capabilities(config: NeuSFieldConfig) -> tuple[frozenset[str], Mapping[str, frozenset[str]]]:
    """Return the capabilities that depend on the options: those that the field provides, and those that it requires.

    No provided capability depends on the options. Analytic normals require an encoding with second derivatives.
    """
    return frozenset(), {"encoding": frozenset({"grad2"})} if config.normals == "analytic" else {}
