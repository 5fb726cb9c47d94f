"""Options of dataparser:llff, and the capabilities of the parser, which depend on the options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import attrs

from radfield_core import option


@attrs.frozen(kw_only=True)
class LlffConfig:
    """Options for a folder with poses_bounds.npy and images, images_4 or images_8."""

    root: str = option(help="folder with poses_bounds.npy")
    factor: int | None = option(
        None,
        help="read images_<factor>, or images for 1; unset: the first of images_8, images_4, images_2, images",
        min=1,
    )
    spherify: bool = option(
        False, help="for cameras around an object: rotate them upright and scale them to the unit sphere"
    )
    ndc: bool | None = option(
        None, help="use normalized device coordinates, for forward-facing cameras; unset: on unless spherify is set"
    )
    bound_factor: float = option(
        0.75, help="scale the scene so that this times the nearest depth is 1", min=0, exclusive_min=True
    )
    validation: Literal["every", "central"] = option(
        "every", help="test views: every: each holdout-th; central: only the one nearest to the mean camera center"
    )
    holdout: int = option(8, help="test on every n-th image by name; 0: train on all, test on every 8th", min=0)


def uses_ndc(config: LlffConfig) -> bool:
    """Return True if rays are in normalized device coordinates."""
    return not config.spherify if config.ndc is None else config.ndc


def capabilities(config: LlffConfig) -> tuple[set[str], Mapping[str, set[str]]]:
    """Return the capabilities that the parser provides with these options, and the capabilities that it requires."""
    return {"images", "ndc"} if uses_ndc(config) else {"images"}, {}
