"""Options of dataparser:colmap."""

from __future__ import annotations

from typing import Literal

import attrs

from radfield_core import option


@attrs.frozen(kw_only=True)
class ColmapConfig:
    """Options for a folder with photographs and their COLMAP reconstruction."""

    root: str = option(help="folder with images/ and sparse/0")
    images: str = option(
        "images", help="folder of the images, relative to root; images_4, for example, for smaller copies"
    )
    masks: str = option("masks", help="folder of masks, relative to root, if it exists; black pixels are ignored")
    model: str | None = option(
        None, help="folder of the reconstruction, relative to root; unset: the one with the most images"
    )
    orientation: Literal["none", "up", "vertical", "pca", "ground"] = option(
        "ground",
        help="what becomes +z. up: the mean of the cameras' up axes; vertical: the direction most nearly perpendicular "
        "to all their x axes; "
        "pca: the direction in which the camera positions vary least; "
        "ground: the normal of a plane fitted to the lowest points",
    )
    center: Literal["none", "poses", "focus"] = option(
        "focus",
        help="what becomes the origin. poses: the mean camera center; focus: the point that the cameras look at",
    )
    auto_scale: bool = option(True, help="scale so that the largest camera coordinate is 1")
    holdout: int = option(8, help="test on every n-th image by name; 0: train on all, test on every 8th", min=0)


@attrs.frozen(kw_only=True)
class PhotographsConfig:
    """Options for solving the cameras of photographs with COLMAP."""

    max_size: int = option(
        1600, help="longer side in pixels to which photographs are reduced before features are extracted", min=100
    )
    pairs: Literal["auto", "all", "neighbors"] = option(
        "auto",
        help="pairs of photographs that are matched: all, or neighbors by name as in a video; "
        "auto: all for up to 150 photographs, else neighbors",
    )
    seed: int = option(0, help="random seed", min=0)
