"""Options of the analytic scene."""

from __future__ import annotations

from typing import Literal

import attrs

from radfield_core import option


@attrs.frozen(kw_only=True)
class SyntheticConfig:
    """Options of the analytic scene: number, cameras and quality of its images."""

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
    layout: Literal["round", "forward"] = option(
        "round",
        help='"round" places cameras all around the scene; "forward" makes forward-facing cameras, as NDC requires',
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
