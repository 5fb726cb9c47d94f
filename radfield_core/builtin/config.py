"""Options of sampler:importance and renderer:volume, and what they are capable of under them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import attrs

from radfield_core.config.slots import option

Capabilities = tuple[frozenset[str], Mapping[str, frozenset[str]]]


@attrs.frozen(kw_only=True)
class ImportanceConfig:
    """Hierarchical sampling (NeRF, section 5.2)."""

    n_samples: int = option(64, help="samples per ray of the first level, one in each even part of the way", min=3)
    n_importance: int = option(
        128, help="samples per ray that the second level adds where the first one's weights are; 0: one level", min=0
    )
    perturb: bool = option(True, help="in training, place samples at random within their parts")
    spacing: Literal["linear", "disparity", "log"] = option(
        "linear", help="what the parts of the way are even in: distance, its inverse or its logarithm"
    )


@attrs.frozen(kw_only=True)
class VolumeConfig:
    """Volume rendering (NeRF, equation 3)."""

    opaque_far: bool = option(
        False, help="the last interval of a ray counts as endless, as in NeRF; leaves nothing to a background"
    )


def importance_capabilities(config: ImportanceConfig) -> Capabilities:
    """Several levels only if the second one has samples."""
    return frozenset({"dense", "multilevel"} if config.n_importance else {"dense"}), {}


def volume_capabilities(config: VolumeConfig) -> Capabilities:
    """An opaque far end rules out a background behind it, and is made from a density."""
    if config.opaque_far:
        return frozenset({"opaque_far"}), {"field": frozenset({"density"})}
    return frozenset(), {"field": frozenset({"density|alpha"})}
