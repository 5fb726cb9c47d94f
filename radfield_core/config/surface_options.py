"""Options for data formats that may have depth and normal images. They define what the stored numbers mean."""

from __future__ import annotations

from typing import Literal

import attrs

from radfield_core.config.slots import option


@attrs.frozen(kw_only=True, slots=False)  # a class can inherit from several classes only if they have no slots
class SurfaceOptions:
    """Options for depth and normal images. A dataparser's options may inherit from this class."""

    depth_unit: float | None = option(
        None,
        help="length of one unit of the stored depths, in the unit of the poses; by default 0.001 for whole numbers "
        "(millimeters, if the poses are in meters), and 1 for numbers with a fraction",
        min=0,
        exclusive_min=True,
    )
    depth_along: Literal["axis", "ray"] = option(
        "axis", help='meaning of a depth: distance from the camera along its optical "axis", or along the "ray"'
    )
    normal_axes: Literal["opencv", "opengl", "world"] = option(
        "opencv",
        help='axes of the stored normals: those of the camera, with x right, y down, z forward ("opencv") or x right, '
        'y up, z backward ("opengl"), or those of the poses ("world")',
    )
