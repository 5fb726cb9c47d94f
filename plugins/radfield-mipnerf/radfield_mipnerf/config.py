"""Options of field:mipnerf, sampler:mip and method:mipnerf. The defaults are the published values."""

from __future__ import annotations

from typing import Literal

import attrs

from radfield_core import Choice, Schedule, option, slot


@attrs.frozen(kw_only=True)
class MipNerfFieldConfig:
    """Options of the MLP of mip-NeRF (section 3)."""

    encoding: Choice = slot(
        "encoding", default={"type": "ipe", "max_degree": 16}, help="encoding of the samples' Gaussians"
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
    depth: int = option(8, help="number of hidden layers before the density layer", min=1, max=32)
    width: int = option(256, help="units per hidden layer", min=1, max=4096)
    skip_layer: int | tuple[int, ...] | None = option(
        6,
        help='hidden layer, counted from 1, that reads the encoded Gaussian again, or a list of several; "none" means '
        "no skip connection",
        min=2,
        max=32,
    )
    color_width: int = option(128, help="units of the color layer, which reads the view direction", min=1, max=4096)
    density_activation: Literal["softplus", "relu"] = option(
        "softplus", help="activation that turns the raw density into the density"
    )
    density_bias: float = option(-1.0, help="constant added to the raw density before the activation")
    density_noise: float = option(
        0.0,
        help="standard deviation of the noise added to the raw density in training; the paper uses 1 for real scenes",
        min=0,
    )
    rgb_padding: float = option(0.001, help="amount by which colors may lie below 0 or above 1", min=0)
    disable_integration: bool = option(
        False, help='encode only the mean of each Gaussian, as a point (ablation "w/o IPE" of the paper)'
    )


@attrs.frozen(kw_only=True)
class MipSamplerConfig:
    """Options of mip-NeRF's sampling along rays (sections 3 and 3.1)."""

    n_samples: int = option(128, help="number of intervals per ray on each level", min=2, max=8192)
    n_levels: int = option(
        2,
        help="number of levels; each level after the first is resampled from the weights of the previous level",
        min=1,
        max=16,
    )
    spacing: Literal["linear", "disparity", "log"] = option(
        "linear",
        help="quantity in which the first level's edges are evenly spaced: distance, disparity or log distance",
    )
    resample_padding: float = option(
        0.01, help="constant added to the blurred weights before they are used for resampling", min=0
    )
    ray_shape: Literal["auto", "cone", "cylinder"] = option(
        "auto",
        help='shape that a pixel covers in the scene; "auto" is a cylinder if rays are in NDC, and a cone otherwise',
    )


@attrs.frozen(kw_only=True)
class MipNerfConfig:
    """Options of the losses and schedules of mip-NeRF (section 3.2 and the published configurations)."""

    single_mlp: bool = option(True, help="use one network for all levels; if false, the last level has its own network")
    coarse_loss: Schedule = option(Schedule.of(0.1), help="weight of the loss of every level except the last", min=0)
    multiscale_loss: bool = option(
        True, help="multiply the loss of each pixel by the area of the pixel, if the data states it (lossmult)"
    )
    lr: Schedule = option(
        Schedule.of(5e-4),
        help="learning rate at the start, without the warm-up; a schedule given here replaces the warm-up and decay",
        min=0,
        exclusive_min=True,
    )
    lr_final: float = option(5e-6, help="learning rate at the last step", min=0, exclusive_min=True)
    lr_delay_steps: int = option(2500, help="number of warm-up steps; 0 disables the warm-up", min=0)
    lr_delay_mult: float = option(
        0.01, help="factor by which the learning rate is multiplied at the start of the warm-up", min=0, max=1
    )
    adam_betas: tuple[float, float] = option((0.9, 0.999), help="Adam's betas", min=0, max=0.999999)
    adam_eps: float = option(1e-8, help="Adam's epsilon", min=0, exclusive_min=True)
    background: Literal["white", "black", "none"] = option(
        "white", help='background color in training and evaluation; "none" for photographs without an alpha channel'
    )
