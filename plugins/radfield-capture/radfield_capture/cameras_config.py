"""Options of exporter:cameras."""

from __future__ import annotations

from typing import Literal

import attrs

from radfield_core import option


@attrs.frozen(kw_only=True)
class CamerasConfig:
    """Options of the export of training cameras."""

    files: Literal["all", "transforms", "colmap"] = option(
        "all", help='files to write: "transforms" is transforms.json, "colmap" a COLMAP model in text files'
    )
    max_points: int = option(
        10000, help="largest number of surface points to write, if the data set has any", min=0, max=10_000_000
    )
