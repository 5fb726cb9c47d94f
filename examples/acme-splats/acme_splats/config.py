"""Options of method:splats and exporter:depth-points; imports no torch."""

import attrs

from radfield_core import Schedule, option


@attrs.frozen(kw_only=True)
class SplatsConfig:
    """Options of method:splats."""

    n_start: int = option(250, help="Gaussians at the start", min=1)
    n_splats: int = option(500, help="Gaussians after the last round of growth", min=1)
    n_rounds: int = option(3, help="rounds of growth, evenly spread over the run", min=0)
    lr: Schedule = option(Schedule.of({"curve": "exponential", "values": [2e-2, 2e-3]}), help="learning rate", min=0)


@attrs.frozen(kw_only=True)
class DepthPointsConfig:
    """Options of exporter:depth-points."""

    stride: int = option(1, help="keep one point of so many", min=1)
