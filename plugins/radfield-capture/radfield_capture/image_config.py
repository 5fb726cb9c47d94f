"""Options of the parts that learn something for each image: color:exposure and encoding:appearance."""

from __future__ import annotations

from typing import Literal

import attrs

from radfield_core import Schedule, option


@attrs.frozen(kw_only=True)
class ExposureConfig:
    """Options of color:exposure."""

    map: Literal["gain", "affine", "bilateral"] = option(
        "gain",
        help='map of each image: "gain" multiplies red, green and blue by a factor each; "affine" is a 3 × 4 matrix; '
        '"bilateral" has an affine map for each cell of a grid over position and brightness',
    )
    space: Literal["linear", "srgb"] = option(
        "srgb", help='values that are mapped: "srgb" values as in the images, or "linear" light, on which exposure acts'
    )
    lr: Schedule = option(
        Schedule.of({"curve": "exponential", "values": [1e-2, 1e-3]}), help="learning rate of the maps", min=0
    )
    grid: tuple[int, int, int] = option(
        (8, 8, 4), help='cells of "bilateral" along the width, the height and the brightness', min=2, max=64
    )
    smoothness: float = option(
        10.0, help='weight of the loss on differences between neighboring cells of "bilateral"', min=0
    )


@attrs.frozen(kw_only=True)
class AppearanceConfig:
    """Options of encoding:appearance."""

    n_features: int = option(8, help="number of features of an image", min=1, max=256)
    std: float = option(0.01, help="standard deviation of the features at the start", min=0)
    lr: Schedule = option(
        Schedule.of({"curve": "exponential", "values": [1e-2, 1e-3]}), help="learning rate of the features", min=0
    )
