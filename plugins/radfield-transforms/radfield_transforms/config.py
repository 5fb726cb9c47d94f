"""Options of dataparser:transforms."""

from __future__ import annotations

from typing import Literal

import attrs

from radfield_core import PoseOptions, SurfaceOptions, option


@attrs.frozen(kw_only=True)
class TransformsConfig(PoseOptions, SurfaceOptions):
    """Options for captures described by transforms.json.

    If the file defines instant-ngp's box (aabb_scale, scale or offset), the coordinates of the file are kept unless an
    option changes them.
    """

    root: str = option(help="folder with transforms.json, or the file itself")
    orientation: Literal["none", "up", "vertical", "pca"] | None = option(
        None,
        help='direction to rotate to +z: "up", the mean of the cameras\' up axes; "vertical", the direction most '
        "nearly perpendicular to all their x axes; "
        '"pca", the direction in which the camera positions vary least; "none" does '
        "not rotate (default: none if the file defines a box, up otherwise)",
    )
    center: Literal["none", "poses", "focus"] | None = option(
        None,
        help='point to move to the origin: "poses", the mean camera center; "focus", the point that the cameras look '
        'at; "none" does not move (default: none if the file defines a box, focus otherwise)',
    )
    auto_scale: bool | None = option(
        None,
        help="scale the scene so that the largest camera coordinate is 1; default: true unless the file defines a box",
    )
    holdout: int = option(
        8,
        help="if the file lists no splits: hold out every n-th frame, sorted by name, for testing; 0 trains on all, "
        "and tests on every 8th",
        min=0,
    )
