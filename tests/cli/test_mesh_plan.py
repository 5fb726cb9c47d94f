"""The plan of `radfield mesh`: the surface suits what is shown, and the quality sets the effort."""

from __future__ import annotations

import pytest

from radfield_core.cli.mesh_plan import Plan, plan_for, seconds_of
from radfield_core.config.layers import compose_data
from radfield_core.errors import UsageError
from radfield_core.plugins.registry import get_registry


def planned(
    *words: str, what: str = "auto", surface: str = "auto", quality: str = "draft", overrides: tuple[str, ...] = ()
) -> Plan:
    """The plan for the synthetic scene, with options of the data."""
    choice, _ = compose_data(get_registry(), "synthetic", ["data.resolution=16", "data.n_train=6", *words])
    return plan_for(get_registry(), choice, "synthetic", what, surface, quality, overrides)


@pytest.mark.parametrize(
    ("what", "surface", "method", "exporter"),
    [
        ("auto", "auto", "neus-fast", "mesh"), ("scene", "auto", "splat-capture", "tsdf"),
        ("auto", "tsdf", "ngp-capture", "tsdf"), ("scene", "neus", "neus-fast", "mesh"),
    ],
)  # fmt: skip
def test_the_surface_suits_what_is_shown(what: str, surface: str, method: str, exporter: str) -> None:
    plan = planned(what=what, surface=surface)
    assert (plan.method, plan.exporter) == (method, exporter)


def test_quality_sets_steps_cells_and_texels() -> None:
    draft, best = planned(), planned(quality="best")
    assert best.max_steps == 10 * draft.max_steps
    assert draft.options[:2] == ("resolution=192", "texture_size=1024")
    assert best.options[:2] == ("resolution=512", "texture_size=4096")


def test_the_number_of_steps_may_be_chosen_and_says_how_long_it_takes() -> None:
    plan = planned(overrides=("trainer.max_steps=100", "trainer.seed=1"))
    assert plan.max_steps == 100 and plan.overrides == ("trainer.seed=1",)
    seconds, one = seconds_of(get_registry(), plan), seconds_of(get_registry(), planned())
    assert seconds is not None and one is not None
    assert seconds / 100 == pytest.approx(one / planned().max_steps)
    assert seconds_of(get_registry(), planned(surface="splat")) is None, "a step takes a whole photograph"
    with pytest.raises(UsageError, match="'many' is not a number of steps"):
        planned(overrides=("trainer.max_steps=many",))
