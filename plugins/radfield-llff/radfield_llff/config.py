"""Options of dataparser:llff, and what it provides under them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import attrs

from radfield_core import option


@attrs.frozen(kw_only=True)
class LlffConfig:
    """A folder with poses_bounds.npy and images, images_4 or images_8."""

    root: str = option(help="folder that holds poses_bounds.npy")
    factor: int | None = option(
        None, help="reads images_<factor>, or images for 1; by default images_8, images_4, images_2, images", min=1
    )
    spherify: bool = option(False, help="the cameras stand round an object: turns them upright, onto a unit sphere")
    ndc: bool | None = option(
        None, help="normalized device coordinates, for cameras that face forward; unset: unless spherified"
    )
    bound_factor: float = option(
        0.75, help="the scene is scaled by 1 / (this · nearest depth)", min=0, exclusive_min=True
    )
    validation: Literal["every", "central"] = option(
        "every", help="views for testing: every so many, or only the one nearest to the middle of the cameras"
    )
    holdout: int = option(
        8, help="every so many images, from the first by name, are for testing; 0 trains on all", min=0
    )


def uses_ndc(config: LlffConfig) -> bool:
    """Whether rays are given in normalized device coordinates."""
    return not config.spherify if config.ndc is None else config.ndc


def capabilities(config: LlffConfig) -> tuple[set[str], Mapping[str, set[str]]]:
    """What the parser provides and requires under these options."""
    return {"images", "ndc"} if uses_ndc(config) else {"images"}, {}
