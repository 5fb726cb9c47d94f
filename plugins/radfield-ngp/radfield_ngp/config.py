"""Options of method:ngp and field:ngp. The defaults are the published values."""

from __future__ import annotations

from typing import Literal

import attrs

from radfield_core import Choice, Schedule, option, slot


@attrs.frozen(kw_only=True)
class NgpFieldConfig:
    """Options of the two small networks of field:ngp, which have no biases.

    The density network computes density and features. The color network computes color from the features and the view
    direction.
    """

    encoding: Choice = slot("encoding", default="hash", help="encoding of positions")
    direction_encoding: Choice | None = slot(
        "encoding",
        default="sh",
        optional=True,
        help='encoding of view directions; "none" makes colors independent of the view direction',
    )
    appearance_encoding: Choice | None = slot(
        "encoding", optional=True, help="encoding of the image's number, for colors that differ between photographs"
    )
    width: int = option(64, help="units per hidden layer of the density network", min=1, max=4096)
    n_layers: int = option(1, help="number of hidden layers of the density network", min=1, max=32)
    n_features: int = option(
        16, help="number of outputs of the density network; the first output is the raw density", min=1, max=4096
    )
    color_width: int = option(64, help="units per hidden layer of the color network", min=1, max=4096)
    color_layers: int = option(2, help="number of hidden layers of the color network", min=1, max=32)
    density_bias: float = option(-1.0, help="constant added to the raw density before the exponential")
    contraction: Literal["none", "sphere"] = option(
        "none",
        help='contraction of space; "sphere" maps everything outside the scene\'s sphere into a shell around it; NDC '
        "are not contracted, because they are bounded",
    )


@attrs.frozen(kw_only=True)
class NgpConfig:
    """Options of the losses and schedules of method:ngp."""

    loss: Literal["smooth_l1", "mse"] = option("smooth_l1", help="photometric loss")
    background: Literal["random", "random_step", "white", "black"] = option(
        "random",
        help='background color; "random" draws one per pixel and "random_step" one per training step, as '
        "instant-nsr-pl does; both need images with an alpha channel, and are replaced by white in evaluation",
    )
    hit_rays_only: bool = option(
        False, help="average the photometric loss only over rays with an opacity above 0, as instant-nsr-pl does"
    )
    distortion: Schedule = option(
        Schedule.of(0.0), help="weight of the distortion loss; use 1e-3 for unbounded scenes", min=0
    )
    lr: Schedule = option(
        Schedule.of(1e-2),
        help="learning rate; a schedule given here replaces the warm-up and the decay",
        min=0,
        exclusive_min=True,
    )
    betas: tuple[float, float] = option((0.9, 0.99), help="Adam's betas", min=0, max=0.999999)
    eps: float = option(1e-15, help="Adam's epsilon", min=0, exclusive_min=True)
    weight_decay: float = option(
        0.01, help="decoupled weight decay of the networks; encodings have no weight decay", min=0
    )
    warmup_steps: int = option(
        0, help="number of steps in which the learning rate rises linearly from 1 % of lr to lr", min=0
    )
    lr_milestones: tuple[int, ...] = option(
        (10000, 15000, 18000), help="steps at which the learning rate is multiplied by lr_gamma"
    )
    lr_gamma: float = option(
        0.33, help="factor by which the learning rate is multiplied at each milestone", min=0, exclusive_min=True
    )
