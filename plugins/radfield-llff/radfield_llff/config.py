"""Options of dataparser:llff, and the capabilities of the parser, which depend on the options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import attrs

from radfield_core import PoseOptions, SurfaceOptions, option


@attrs.frozen(kw_only=True)
class LlffConfig(PoseOptions, SurfaceOptions):
    """Options for a folder with poses_bounds.npy and images, images_4 or images_8."""

    own_axes: ClassVar[str] = "DRB"

    root: str = option(help="folder with poses_bounds.npy")
    factor: int | None = option(
        None,
        help="read the folder images_<factor>, or images for 1; by default, the folder with the smallest copies",
        min=1,
    )
    spherify: bool = option(
        False, help="rotate the scene upright, and scale it to the unit sphere; for cameras around an object"
    )
    ndc: bool | None = option(
        None, help="use normalized device coordinates, for forward-facing cameras; default: true unless spherify is set"
    )
    bound_factor: float = option(
        0.75,
        help="scale the scene so that the nearest depth, multiplied by this number, is 1",
        min=0,
        exclusive_min=True,
    )
    validation: Literal["every", "central"] = option(
        "every",
        help='test views: "every" n-th view (see holdout), or only the "central" view, nearest to the mean center',
    )
    holdout: int = option(
        8, help="hold out every n-th image, sorted by name, for testing; 0 trains on all, and tests on every 8th", min=0
    )
    pixel_center: float = option(
        0.5,
        help="position of a ray inside its pixel: 0.5 for the center, 0 for the corner, as in the NeRF paper's code",
        min=0,
        max=1,
    )


def uses_ndc(config: LlffConfig) -> bool:
    """Return True if rays are in normalized device coordinates."""
    return not config.spherify if config.ndc is None else config.ndc


def capabilities(config: LlffConfig) -> tuple[set[str], Mapping[str, set[str]]]:
    """Return the capabilities that the parser provides with these options, and those that it requires."""
    always = {"images", "depths", "normals"}
    return always | {"ndc"} if uses_ndc(config) else always, {}
