"""Options of the parsers and the multiscale converter."""

from __future__ import annotations

from typing import Literal

import attrs

from radfield_core import PoseOptions, option


@attrs.frozen(kw_only=True)
class BlenderConfig(PoseOptions):
    """Options for a NeRF-synthetic folder."""

    root: str = option(help="folder with transforms_{train,val,test}.json")
    pixel_center: float = option(
        0.5,
        help="position of a ray inside its pixel: 0.5 for the center, 0 for the corner, as in the NeRF paper's code",
        min=0,
        max=1,
    )
    train_skip: int = option(1, help="use every n-th frame of the training split; 1 uses all", min=1)
    val_skip: int = option(1, help="use every n-th frame of the validation split; 1 uses all", min=1)
    test_skip: int = option(1, help="use every n-th frame of the test split; 1 uses all", min=1)


@attrs.frozen(kw_only=True)
class TinyNerfConfig(PoseOptions):
    """Options for a tiny NeRF file."""

    root: str = option(help=".npz file with images, poses and focal")
    pixel_center: float = option(
        0.5,
        help="position of a ray inside its pixel: 0.5 for the center, 0 for the corner, as in the notebook",
        min=0,
        max=1,
    )
    n_train: int = option(100, help="number of training views; the remaining views are held out", min=1)


@attrs.frozen(kw_only=True)
class MultiscaleConfig(PoseOptions):
    """Options for a folder in mip-NeRF's multiscale layout."""

    root: str = option(help="folder with metadata.json")
    pixel_center: float = option(
        0.5, help="position of a ray inside its pixel: 0.5 for the center, 0 for the corner", min=0, max=1
    )


@attrs.frozen(kw_only=True)
class MultiscaleConversionConfig:
    """Options for writing a NeRF-synthetic folder at several scales."""

    n_down: int = option(4, help="number of scales, including full size", min=1, max=10)
    average: Literal["alpha-weighted", "published"] = option(
        "alpha-weighted",
        help='how to average 2x2 pixels: "alpha-weighted" weights colors by alpha, and rounds; "published", the way of '
        "mip-NeRF's script, does neither",
    )
