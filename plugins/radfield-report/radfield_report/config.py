"""Options of observer:report and observer:notebook."""

from __future__ import annotations

import attrs

from radfield_core import option


@attrs.frozen(kw_only=True)
class ReportConfig:
    """Options of observer:report, which writes report.html into the run's folder when training has ended."""

    views: int = option(8, help="largest number of held-out views that the report shows", min=0, max=1000)
    size: int = option(480, help="largest width and height of the views, in pixels", min=16, max=4096)
    seconds: float = option(
        20.0, help="about the longest time that rendering the views may take; it reduces their size", min=0
    )
    mesh: bool = option(False, help="extract the surface, and show it in 3-D, for fields that have one")
    resolution: int = option(192, help="number of grid cells along the surface's longest side", min=8, max=1024)


@attrs.frozen(kw_only=True)
class NotebookConfig:
    """Options of observer:notebook, which shows curves and pictures in a notebook while a run trains there."""

    every: float = option(2.0, help="least time between two updates of the cell, in seconds", min=0.0)
    pictures: bool = option(True, help="show the last evaluated view beside its true image")
