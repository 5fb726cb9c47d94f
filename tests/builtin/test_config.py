"""Capabilities of core's own parts follow from their options."""

from __future__ import annotations

from radfield_core.builtin.config import (
    ImportanceConfig,
    VolumeConfig,
    importance_capabilities,
    volume_capabilities,
)


def test_importance_is_multilevel_only_with_fine_samples() -> None:
    assert importance_capabilities(ImportanceConfig()) == ({"dense", "multilevel"}, {})
    assert importance_capabilities(ImportanceConfig(n_importance=0)) == ({"dense"}, {})


def test_an_opaque_far_end_needs_density_and_says_so_to_a_background() -> None:
    assert volume_capabilities(VolumeConfig()) == (frozenset(), {"field": {"density|alpha"}})
    assert volume_capabilities(VolumeConfig(opaque_far=True)) == ({"opaque_far"}, {"field": {"density"}})


def test_defaults_are_those_of_the_paper() -> None:
    """NeRF, section 5.3: 64 coarse and 128 fine samples per ray, stratified."""
    config = ImportanceConfig()
    assert (config.n_samples, config.n_importance, config.perturb, config.spacing) == (64, 128, True, "linear")
