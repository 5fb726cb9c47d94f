"""Options of core's own parts, which are a sampler, a renderer and a loss, and functions that return capabilities.

A capability is something that a part can do. Each function returns the capabilities that a part with the given options
provides, and a dictionary: slot -> the capabilities that the part in this slot must have.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import attrs

from radfield_core.config.losses import LossConfig
from radfield_core.config.schedules import Schedule
from radfield_core.config.slots import option

Capabilities = tuple[frozenset[str], Mapping[str, frozenset[str]]]


@attrs.frozen(kw_only=True)
class ImportanceConfig:
    """Hierarchical sampling (NeRF, section 5.2)."""

    n_samples: int = option(64, help="number of coarse samples per ray, one in each stratum", min=3, max=8192)
    n_importance: int = option(
        128,
        help="number of fine samples per ray, drawn from the coarse weights; 0 means a single level",
        min=0,
        max=8192,
    )
    perturb: bool = option(True, help="in training, draw samples at random positions in their strata")
    spacing: Literal["linear", "disparity", "log"] = option(
        "linear",
        help='quantity in which strata have equal lengths: distance t ("linear"), 1/t ("disparity") or log t ("log")',
    )


@attrs.frozen(kw_only=True)
class VolumeConfig:
    """Volume rendering (NeRF, equation 3)."""

    opaque_far: bool = option(
        False,
        help="treat the last interval of each ray as infinitely long, as NeRF does; this excludes a background model",
    )
    near_distance: float = option(
        0.0,
        help="distance from the camera, in radii of the scene, below which gradients are multiplied by "
        "(t / distance)², so that no specks grow in front of cameras; has no effect if it is 0 or rays are in NDC",
        min=0,
    )


@attrs.frozen(kw_only=True)
class DistortionConfig(LossConfig):
    """Distortion loss (mip-NeRF 360, equation 15)."""

    weight: Schedule = option(Schedule.of(0.01), help="weight of the loss", min=0)
    of: Literal["foreground", "background"] = option(
        "foreground", help='the samples that it applies to; "background" are those of the background model'
    )


def importance_capabilities(config: ImportanceConfig) -> Capabilities:
    """Return the sampler's capabilities. They include "multilevel" only if the sampler draws fine samples."""
    return frozenset({"dense", "multilevel"} if config.n_importance else {"dense"}), {}


def volume_capabilities(config: VolumeConfig) -> Capabilities:
    """Return the renderer's capabilities.

    If `opaque_far` is True, the field must have a density, and the run cannot have a background model.
    """
    if config.opaque_far:
        return frozenset({"opaque_far"}), {"field": frozenset({"density"})}
    return frozenset(), {"field": frozenset({"density|alpha"})}
