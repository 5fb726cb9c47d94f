"""Options of field:nerf, method:nerf and method:tiny-nerf. Defaults are the published ones."""

from __future__ import annotations

from typing import Literal

import attrs

from radfield_core import Choice, option, slot


@attrs.frozen(kw_only=True)
class NerfFieldConfig:
    """The MLP of NeRF (appendix A, figure 7)."""

    encoding: Choice = slot("encoding", default={"type": "frequency", "n_frequencies": 10}, help="of positions")
    direction_encoding: Choice | None = slot(
        "encoding",
        default={"type": "frequency", "n_frequencies": 4},
        optional=True,
        help="of view directions; none leaves a color that does not depend on the view",
    )
    depth: int = option(8, help="hidden layers before the density", min=1)
    width: int = option(256, help="units per hidden layer", min=1)
    skip_layer: int | None = option(
        5, help="hidden layer that sees the encoded position again, counted from 1: 5 is the fifth", min=2
    )
    color_width: int = option(128, help="units of the layer that sees the view direction", min=1)
    density_activation: Literal["relu", "softplus"] = option("relu", help="raw density -> density")
    density_bias: float = option(
        0.1, help="raw density that a new network adds everywhere: a ReLU that starts below zero never learns"
    )
    density_noise: float = option(
        0.0, help="standard deviation of noise on the raw density in training; the paper: 1 on real scenes", min=0
    )


@attrs.frozen(kw_only=True)
class NerfConfig:
    """Losses and schedule of NeRF (section 5.3 and the paper's configurations)."""

    lr: float = option(5e-4, help="learning rate at the start", min=0, exclusive_min=True)
    lr_decay: float = option(0.1, help="factor on the learning rate after lr_decay_steps", min=0, exclusive_min=True)
    lr_decay_steps: int = option(500_000, help="steps over which the rate falls exponentially by lr_decay", min=1)
    adam_betas: tuple[float, float] = option((0.9, 0.999), help="decay of Adam's two moments", min=0, max=0.999999)
    adam_eps: float = option(1e-8, help="Adam's epsilon", min=0, exclusive_min=True)
    coarse_loss: float = option(1.0, help="weight of the loss of every level but the last", min=0)
    background: Literal["white", "black", "none"] = option(
        "white", help="color behind the scene in training and evaluation; none for photographs without alpha"
    )


@attrs.frozen(kw_only=True)
class TinyNerfConfig(NerfConfig):
    """Losses and schedule of tiny-NeRF: those of NeRF on black, with a constant learning rate."""

    lr_decay: float = option(1.0, help="factor on the learning rate after lr_decay_steps", min=0, exclusive_min=True)
    background: Literal["white", "black", "none"] = option("black", help="color behind the scene")
