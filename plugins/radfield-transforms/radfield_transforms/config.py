"""Options of dataparser:transforms."""

from __future__ import annotations

from typing import Literal

import attrs

from radfield_core import option


@attrs.frozen(kw_only=True)
class TransformsConfig:
    """A capture described by transforms.json. A file that places itself in a box (aabb_scale) is left in its place."""

    root: str = option(help="folder that holds transforms.json, or the file itself")
    orientation: Literal["none", "up", "vertical", "pca"] | None = option(
        None, help="what becomes +z: the cameras' mean up, the vertical, the flattest direction; unset: up, if no box"
    )
    center: Literal["none", "poses", "focus"] | None = option(
        None,
        help="what becomes the origin: the mean camera, the point that the cameras look at; unset: focus, if no box",
    )
    auto_scale: bool | None = option(
        None, help="scale so that the furthest camera coordinate is 1; unset: yes, if no box"
    )
    holdout: int = option(
        8, help="every so many frames, from the first by name, are for testing if the file names none; "
        "0 trains on all and tests on every 8th",
        min=0,
    )  # fmt: skip
