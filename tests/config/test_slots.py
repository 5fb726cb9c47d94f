"""Declared options: ranges hold, and a choice loads the code of its part."""

from __future__ import annotations

import attrs
import pytest

from radfield_core.config.layers import compose, compose_part
from radfield_core.config.slots import Range
from radfield_core.errors import PluginError, UsageError


@pytest.mark.parametrize(
    ("limits", "value", "says"),
    [
        (Range(min=1), 0, "at least 1"), (Range(min=0, exclusive_min=True), 0.0, "more than 0"),
        (Range(max=1), (0.5, 1.5), "at most 1"), (Range(min=1, max=3), 3, None), (Range(min=1), None, None),
        (Range(max=2**32 - 1), 2**32, "at most 4294967295"),
    ],
)  # fmt: skip
def test_ranges_hold_for_every_element(limits, value, says):
    fault = limits.fault(value)
    assert fault is None if says is None else says in fault


def test_a_range_is_checked_with_its_path_and_origin(fakes):
    with pytest.raises(UsageError) as caught:
        compose(fakes, method="study", overrides=["method.betas=[0.9, 1.5]", "trainer.n_rays=0"], needs_data=False)
    assert [(p.path, p.message) for p in caught.value.problems] == [
        ("method.betas", "1.5 is too large: it must be at most 1 (command line)"),
        ("trainer.n_rays", "0 is too small: it must be at least 1 (command line)"),
    ]


def test_a_choice_loads_the_class_that_its_declaration_names(fakes):
    choice = compose_part(fakes, "sampler", "importance")
    assert choice.kind == "sampler" and choice.load().__name__ == choice.component.impl.partition(":")[2]
    absent = attrs.evolve(choice, component=choice.component._replace(impl="acme_absent:Sampler"))
    with pytest.raises(PluginError, match="acme_absent"):
        absent.load()
