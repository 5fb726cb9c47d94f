"""Options of field:nerf, method:nerf and method:tiny-nerf. The defaults are the published values."""

from __future__ import annotations

from typing import Literal

import attrs

from radfield_core import Choice, Schedule, option, slot


@attrs.frozen(kw_only=True)
class NerfFieldConfig:
    """Options of the MLP of NeRF (appendix A, figure 7)."""

    encoding: Choice = slot(
        "encoding", default={"type": "frequency", "n_frequencies": 10}, help="encoding of positions"
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
        5,
        help='hidden layer, counted from 1, that reads the encoded position again, or a list of several; "none" means '
        "no skip connection",
        min=2,
        max=32,
    )
    color_width: int = option(128, help="units of the color layer, which reads the view direction", min=1, max=4096)
    density_activation: Literal["relu", "softplus"] = option(
        "relu", help="activation that turns the raw density into the density"
    )
    density_bias: float = option(
        0.1,
        help="initial bias of the raw density; positive, because a ReLU whose inputs are all negative never learns",
    )
    density_noise: float = option(
        0.0,
        help="standard deviation of the noise added to the raw density in training; the paper uses 1 for real scenes",
        min=0,
    )


@attrs.frozen(kw_only=True)
class PhotometricConfig:
    """Options of the losses and schedules that NeRF and tiny-NeRF share."""

    lr: Schedule = option(
        Schedule.of(5e-4),
        help="initial learning rate; a schedule given here replaces the decay",
        min=0,
        exclusive_min=True,
    )
    lr_decay: float = option(
        0.1, help="factor by which the learning rate changes in lr_decay_steps steps", min=0, exclusive_min=True
    )
    lr_decay_steps: int = option(
        500_000, help="number of steps in which the learning rate changes by the factor lr_decay", min=1
    )
    adam_betas: tuple[float, float] = option((0.9, 0.999), help="Adam's betas", min=0, max=0.999999)
    adam_eps: float = option(1e-8, help="Adam's epsilon", min=0, exclusive_min=True)
    coarse_loss: Schedule = option(Schedule.of(1.0), help="weight of the loss of every level except the last", min=0)
    background: Literal["white", "black", "none"] = option(
        "white", help='background color in training and evaluation; "none" for photographs without an alpha channel'
    )


@attrs.frozen(kw_only=True)
class NerfConfig(PhotometricConfig):
    """Options of NeRF (section 5.3 and the published configurations)."""

    coarse_field: Choice | None = slot(
        "field",
        optional=True,
        help='network of the coarse level, if it differs from that of the fine level, such as a smaller one; "none" '
        "gives both levels networks of the same size",
    )


@attrs.frozen(kw_only=True)
class TinyNerfConfig(PhotometricConfig):
    """Options of tiny-NeRF.

    It has one network. Two defaults differ from those of NeRF: the background is black, and the learning rate is
    constant.
    """

    lr_decay: float = option(
        1.0, help="factor by which the learning rate changes in lr_decay_steps steps", min=0, exclusive_min=True
    )
    background: Literal["white", "black", "none"] = option(
        "black", help='background color in training and evaluation; "none" for photographs without an alpha channel'
    )
