"""Options of the analytic scene."""

from __future__ import annotations

from typing import Literal

import attrs

from radfield_core import option


@attrs.frozen(kw_only=True)
class SyntheticConfig:
    """Options of the analytic scene: number, cameras and quality of its images."""

    scene: Literal["still-life", "wires", "crystals", "chrome", "bowls", "globe", "relief", "facade", "room"] = option(
        "still-life",
        help='the scene; "wires" has thin parts, "crystals" sharp edges, "chrome" mirrors, "globe" fine texture, '
        '"relief" fine bumps, and "bowls" are concave; "facade" is seen from the front, and "room" from inside',
    )
    scene_seed: int = option(
        0, help="random seed of the shapes of a scene; the still life has none", min=0, max=2**32 - 1
    )
    resolution: int = option(
        128, help="width and height of the images in pixels; panoramas are twice as wide", min=8, max=4096
    )
    n_train: int = option(100, help="number of training views, spread over the hemisphere", min=1, max=10000)
    n_val: int = option(10, help="number of validation views, spread over the hemisphere", min=1, max=10000)
    n_test: int = option(20, help="number of test views, along one smooth orbit", min=1, max=10000)
    seed: int = option(0, help="random seed of the positions of training and validation cameras", min=0, max=2**32 - 1)
    supersample: int = option(2, help="rays per pixel along each axis", min=1, max=16)
    min_elevation: float = option(
        5.0, help="lowest elevation of training and validation cameras, in degrees; below 0, cameras see the underside",
        min=-80, max=70,
    )  # fmt: skip
    layout: Literal["scene", "round", "forward", "inside"] = option(
        "scene",
        help='"round" places cameras all around the scene; "forward" makes forward-facing cameras, as NDC requires; '
        '"inside" places them in the middle of it, facing outwards; "scene" is the layout that suits the scene',
    )
    lens: Literal["pinhole", "opencv", "opencv_fisheye", "equirectangular"] = option(
        "pinhole",
        help='lens of all cameras; "opencv" and "opencv_fisheye" have clearly visible distortion, and '
        '"equirectangular" takes 360° panoramas from nearby',
    )
    n_points: int = option(
        0,
        help="number of sparse points, triangulated from the training views as a reconstruction does; 0 makes none",
        min=0,
        max=1_000_000,
    )
    point_noise: float = option(
        0.5, help="standard deviation of the pixels from which sparse points are triangulated", min=0, max=100
    )
