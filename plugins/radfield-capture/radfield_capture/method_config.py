"""Options of method:capture."""

from __future__ import annotations

from typing import Literal

import attrs

from radfield_core import Schedule, option


@attrs.frozen(kw_only=True)
class CaptureConfig:
    """Options of the loss and the optimizer of method:capture."""

    loss: Literal["smooth_l1", "mse"] = option("smooth_l1", help="photometric loss")
    background: Literal["none", "black", "white"] = option(
        "black", help='color where no light comes from the scene; "none" is the same as black'
    )
    lr: Schedule = option(
        Schedule.of({"curve": "cosine", "values": [1e-2, 1e-4]}), help="learning rate", min=0, exclusive_min=True
    )
    betas: tuple[float, float] = option((0.9, 0.99), help="Adam's betas", min=0, max=0.999999)
    eps: float = option(1e-15, help="Adam's epsilon", min=0, exclusive_min=True)
    weight_decay: float = option(
        1e-5, help="decoupled weight decay of the networks; encodings have no weight decay", min=0
    )
