"""Options of field:mipnerf, sampler:mip and method:mipnerf. Defaults are the published ones."""

from __future__ import annotations

from typing import Literal

import attrs

from radfield_core import Choice, option, slot


@attrs.frozen(kw_only=True)
class MipNerfFieldConfig:
    """The MLP of mip-NeRF (section 3)."""

    encoding: Choice = slot("encoding", default={"type": "ipe", "max_degree": 16}, help="of intervals as Gaussians")
    direction_encoding: Choice | None = slot(
        "encoding",
        default={"type": "frequency", "n_frequencies": 4},
        optional=True,
        help="of view directions; none leaves a color that does not depend on the view",
    )
    depth: int = option(8, help="hidden layers before the density", min=1)
    width: int = option(256, help="units per hidden layer", min=1)
    skip_layer: int | None = option(
        6, help="hidden layer that sees the encoded interval again, counted from 1: 6 is the sixth", min=2
    )
    color_width: int = option(128, help="units of the layer that sees the view direction", min=1)
    density_activation: Literal["softplus", "relu"] = option("softplus", help="raw density -> density")
    density_bias: float = option(-1.0, help="added to the raw density before its activation")
    density_noise: float = option(
        0.0, help="standard deviation of noise on the raw density in training; the paper: 1 on real scenes", min=0
    )
    rgb_padding: float = option(0.001, help="colors reach this far beyond 0 and 1 before they saturate", min=0)
    disable_integration: bool = option(
        False, help="take intervals as points at their means: the paper's ablation without its encoding"
    )


@attrs.frozen(kw_only=True)
class MipSamplerConfig:
    """Sampling of mip-NeRF (sections 3 and 3.1)."""

    n_samples: int = option(128, help="intervals per ray and level", min=2)
    n_levels: int = option(2, help="levels; each but the first is resampled from the one before", min=1)
    spacing: Literal["linear", "disparity", "log"] = option("linear", help="spacing of the first level's edges")
    resample_padding: float = option(0.01, help="added to the blurred weights before resampling", min=0)
    ray_shape: Literal["auto", "cone", "cylinder"] = option(
        "auto", help="what a pixel's ray is; auto takes cylinders where rays are in NDC, else cones"
    )


@attrs.frozen(kw_only=True)
class MipNerfConfig:
    """Losses and schedule of mip-NeRF (section 3.2 and its configurations)."""

    single_mlp: bool = option(True, help="one network for all levels; false gives the last level its own")
    coarse_loss: float = option(0.1, help="weight of the loss of every level but the last", min=0)
    multiscale_loss: bool = option(True, help="weight pixels by the area that the data says they cover (lossmult)")
    lr: float = option(5e-4, help="learning rate at the start, after the warm-up", min=0, exclusive_min=True)
    lr_final: float = option(5e-6, help="learning rate at the last step", min=0, exclusive_min=True)
    lr_delay_steps: int = option(2500, help="steps of warm-up; 0 starts at the full rate", min=0)
    lr_delay_mult: float = option(0.01, help="factor on the learning rate at the first step", min=0, max=1)
    adam_betas: tuple[float, float] = option((0.9, 0.999), help="decay of Adam's two moments", min=0, max=0.999999)
    adam_eps: float = option(1e-8, help="Adam's epsilon", min=0, exclusive_min=True)
    background: Literal["white", "black", "none"] = option(
        "white", help="color behind the scene in training and evaluation; none for photographs without alpha"
    )
