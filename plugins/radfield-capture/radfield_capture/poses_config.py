"""Options of rays:poses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import attrs

from radfield_core import Schedule, option

Capabilities = tuple[frozenset[str], Mapping[str, frozenset[str]]]


@attrs.frozen(kw_only=True)
class PosesConfig:
    """Options of the learned corrections of camera poses."""

    lr: Schedule = option(
        Schedule.of([[0.1, 0.0, 8e-4, 0.16], [0.16, 8e-4, 1e-5, 1.0]]),
        help="learning rate, in radians for rotations and in mean camera distances for shifts; while it is 0 at the "
        "start, a rough scene forms with the given poses",
        min=0,
    )
    motion: Literal["so3xr3", "se3"] = option(
        "so3xr3",
        help='"so3xr3" corrects rotation and position independently; "se3" takes both from one screw motion',
    )
    pivot: Literal["scene", "camera"] = option(
        "scene", help="point about which a correction turns a camera: the middle of the scene, or the camera itself"
    )
    fix_common: bool = option(True, help="remove movements that all cameras share, which the images cannot determine")
    pull: Schedule = option(
        Schedule.of(0.0), help="weight of a loss that pulls poses to the given ones: the mean squared correction", min=0
    )
    focal: bool = option(False, help="also learn one factor for the focal lengths of all images")


def poses_capabilities(config: PosesConfig) -> Capabilities:
    """Return the capabilities of rays:poses. They include "intrinsics" if focal lengths are learned."""
    return frozenset({"intrinsics"} if config.focal else ()), {}
