"""Options of dataparser:colmap."""

from __future__ import annotations

from typing import Literal

import attrs

from radfield_core import option


@attrs.frozen(kw_only=True)
class ColmapConfig:
    """A folder with photographs and COLMAP's reconstruction of them."""

    root: str = option(help="folder that holds the images and sparse/0")
    images: str = option(
        "images", help="folder of the images, inside the root; a shrunken copy (images_4) may be named"
    )
    masks: str = option("masks", help="folder of masks, inside the root, whose black pixels are ignored; may be absent")
    model: str | None = option(None, help="folder of the reconstruction, inside the root; by default the largest found")
    orientation: Literal["none", "up", "vertical", "pca", "ground"] = option(
        "ground",
        help="what becomes +z: the cameras' mean up, the vertical, the flattest direction, the ground's normal",
    )
    center: Literal["none", "poses", "focus"] = option(
        "focus", help="what becomes the origin: nothing, the mean camera, the point that the cameras look at"
    )
    auto_scale: bool = option(True, help="scale so that the furthest camera coordinate is 1")
    holdout: int = option(
        8, help="every so many images, from the first by name, are for testing; 0 trains on all and tests on every 8th",
        min=0,
    )  # fmt: skip


@attrs.frozen(kw_only=True)
class PhotographsConfig:
    """How the cameras of photographs are solved."""

    max_size: int = option(
        1600, help="longer side, pixels, that photographs are shrunk to for finding features", min=100
    )
    pairs: Literal["auto", "all", "neighbors"] = option(
        "auto",
        help="which photographs are compared: all with all, or neighbors by name as in a video; auto: all of 150",
    )
    seed: int = option(0, help="seed of everything random", min=0)
