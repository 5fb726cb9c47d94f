"""Options of the parsers."""

from __future__ import annotations

from typing import Literal

import attrs

from radfield_core import option


@attrs.frozen(kw_only=True)
class BlenderConfig:
    """A NeRF-synthetic folder."""

    root: str = option(help="folder with transforms_{train,val,test}.json")
    pixel_center: float = option(
        0.5, help="where in its cell a pixel is looked through; 0.0 as in the NeRF paper's code", min=0, max=1
    )
    train_skip: int = option(1, help="keep every n-th frame of the training split, from the first; 1: all", min=1)
    val_skip: int = option(1, help="keep every n-th frame of the validation split, from the first; 1: all", min=1)
    test_skip: int = option(1, help="keep every n-th frame of the test split, from the first; 1: all", min=1)


@attrs.frozen(kw_only=True)
class TinyNerfConfig:
    """A tiny NeRF file."""

    root: str = option(help=".npz file with images, poses, focal")
    pixel_center: float = option(
        0.5, help="where in its cell a pixel is looked through; 0.0 as in the notebook", min=0, max=1
    )
    n_train: int = option(100, help="views that train; those after them are held out", min=1)


@attrs.frozen(kw_only=True)
class MultiscaleConfig:
    """A folder in mip-NeRF's multiscale layout."""

    root: str = option(help="folder with metadata.json")
    pixel_center: float = option(0.5, help="where in its cell a pixel is looked through", min=0, max=1)


@attrs.frozen(kw_only=True)
class MultiscaleConversionConfig:
    """How a NeRF-synthetic folder is brought to several scales."""

    n_down: int = option(4, help="scales, full size included", min=1, max=10)
    average: Literal["alpha-weighted", "published"] = option(
        "alpha-weighted",
        help="of 2x2 pixels: colors weighted by alpha, rounded; or as published, without weights, truncated",
    )
