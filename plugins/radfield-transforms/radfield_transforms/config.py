"""Options of dataparser:transforms."""

from __future__ import annotations

from typing import Literal

import attrs

from radfield_core import option


@attrs.frozen(kw_only=True)
class TransformsConfig:
    """Options for captures described by transforms.json.

    If the file defines instant-ngp's box (aabb_scale, scale or offset), its coordinates are kept unless an option
    changes them.
    """

    root: str = option(help="folder with transforms.json, or the file itself")
    orientation: Literal["none", "up", "vertical", "pca"] | None = option(
        None,
        help="what becomes +z. up: the mean of the cameras' up axes; vertical: the direction most nearly perpendicular "
        "to all their x axes; "
        "pca: the direction in which the camera positions vary least; unset: none if the file defines a box, else up",
    )
    center: Literal["none", "poses", "focus"] | None = option(
        None,
        help="what becomes the origin. poses: the mean camera center; focus: the point that the cameras look at; "
        "unset: none if the file defines a box, else focus",
    )
    auto_scale: bool | None = option(
        None,
        help="scale so that the largest camera coordinate is 1; unset: off if the file defines a box, else on",
    )
    holdout: int = option(
        8,
        help="test on every n-th frame by name, if the file lists no splits; 0: train on all, test on every 8th",
        min=0,
    )
