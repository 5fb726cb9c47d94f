"""Options of the losses that compare a model with depths and normals. This module imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import attrs

from radfield_core import LossConfig, Schedule, option

Capabilities = tuple[frozenset[str], Mapping[str, frozenset[str]]]


@attrs.frozen(kw_only=True)
class DepthConfig(LossConfig):
    """Depth as a constraint (DS-NeRF, Urban Radiance Fields, MonoSDF)."""

    weight: Schedule = option(
        Schedule.of(0.01), help='weight of the loss; the default is meant for the form "kl"', min=0
    )
    source: Literal["auto", "images", "points"] = option(
        "auto",
        help='"images" compares with depth images, "points" with sparse points, "auto" with depth images if there are '
        "any, else with sparse points",
    )
    form: Literal["auto", "kl", "line_of_sight", "squared", "absolute", "scale_shift"] = option(
        "auto",
        help='"kl" and "line_of_sight" compare the weights on each ray with a normal distribution around the depth; '
        '"squared" and "absolute" compare the mean distance, relative to the depth; "scale_shift" is "squared" after '
        'the best scale and shift for each image, for depths of unknown scale; "auto" is "kl" if the model has samples '
        'on rays, and "absolute" if it has none, as Gaussians',
    )
    share: float = option(
        0.4, help="share of the rays of each step that are drawn through sparse points", min=0.0, max=0.9
    )
    needed: bool = option(
        True, help="refuse data without depth images and sparse points; if false, the loss is 0 for such data"
    )
    min_sigma: float = option(
        0.01,
        help="smallest standard deviation of a depth, as a share of the depth; depth images have this one",
        min=0,
        exclusive_min=True,
    )

    @share.validator
    def _some(self, attribute: object, value: float) -> None:
        if value == 0 and self.source == "points":
            raise ValueError("share is 0, so no ray would show a sparse point; set a larger share")


@attrs.frozen(kw_only=True)
class NormalsConfig(LossConfig):
    """Normals as a constraint (MonoSDF, equations 13 and 14)."""

    weight: Schedule = option(Schedule.of(0.05), help="weight of the loss", min=0)
    cosine: float = option(1.0, help="weight of 1 − cos of the angle, relative to the L1 norm of the difference", min=0)


def depth_capabilities(config: DepthConfig) -> Capabilities:
    """Return what the loss requires of the data: depth images or sparse points, preferably with their observations."""
    words = {"auto": "depths|observations|sparse_points", "images": "depths", "points": "observations|sparse_points"}
    need = words[config.source] if config.needed else f"{words[config.source]}|images"  # all data have images
    return frozenset(), {"data": frozenset({need})}
