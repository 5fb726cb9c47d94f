"""Typed options from layers: the strongest name fills a slot, and each table goes to the part that it is for."""

from __future__ import annotations

import attrs
import pytest

from radfield_core.config.mistakes import Mistakes
from radfield_core.config.slots import Choice, Slot, option
from radfield_core.config.structure import Entry, Owner, Structurer, options_of, table_class, types_of
from radfield_core.errors import PluginError, UsageError

OPTIONAL = Slot("encoding", None, True)


@pytest.fixture
def fill(fakes):
    """Fills an encoding slot from values, weakest first; returns the choice and the structurer."""

    def run(*values, slot=OPTIONAL, homes=None):
        structurer = Structurer(fakes, Mistakes())
        homes = homes or [None] * len(values)
        entries = [Entry(f"layer {n}", value, home) for n, (value, home) in enumerate(zip(values, homes, strict=True))]
        return structurer.slot(slot, entries, "encoding", Owner()), structurer

    return run


def test_the_strongest_name_wins_and_keeps_the_options_of_its_part(fill):
    choice, structurer = fill({"type": "wave", "n": 3}, "cells", {"type": "wave", "mode": "hard"}, {"on": False})
    assert (choice.name, choice.config.n, choice.config.mode, choice.config.on) == ("wave", 3, "hard", False)
    assert structurer.origins["encoding.type"] == "layer 2" and structurer.origins["encoding.n"] == "layer 0"
    assert not structurer.remarks and len(structurer.mistakes) == 0


def test_options_before_any_name_belong_to_the_part_named_later(fill):
    assert fill({"n": 9}, "wave")[0].config.n == 9


def test_none_empties_the_slot_and_forgets_the_name_before_it(fill):
    assert fill("wave", "none")[0] is None
    choice, structurer = fill({"type": "cells", "levels": 2}, "none", {"n": 7}, "wave")
    assert choice.config.n == 7, "the table after none belongs to the part named later"
    assert structurer.remarks == ["encoding.levels (layer 0) is left out: it is an option of cells, not of wave"]


def test_only_options_of_the_user_are_remarked_when_they_are_left_out(fill):
    _, structurer = fill({"type": "cells", "levels": 2}, "wave", homes=["acme", None])
    assert structurer.remarks == []


@pytest.mark.parametrize("value", [3, ["wave"], {"type": 3}, {"type": "wave", "n": "three"}, {"type": "wave", "k": 1}])
def test_a_wrong_value_is_a_mistake_that_names_its_layer(fill, value):
    choice, structurer = fill("wave", value)
    assert len(structurer.mistakes) == 1 and "(layer 1)" in structurer.mistakes.problems[0].message
    assert choice is None or choice.name == "wave"


def test_a_slot_that_must_be_filled_lists_the_installed_parts(fill):
    choice, structurer = fill(slot=Slot("encoding", None, False))
    assert choice is None and "installed: cells, wave" in structurer.mistakes.problems[0].message


def test_a_validator_of_the_option_class_becomes_a_mistake(fakes):
    def even(instance, attribute, value):
        if value % 2:
            raise ValueError(f"{value} is odd")

    @attrs.frozen(kw_only=True)
    class Pairs:
        n: int = attrs.field(default=2, validator=even, metadata={"help": "pairs"})

    structurer = Structurer(fakes, Mistakes())
    assert structurer.table(Pairs, [Entry("file", {"n": 3})], "pairs", Owner()) is None
    assert structurer.mistakes.problems[0][:2] == ("pairs", "3 is odd")


def test_options_that_are_no_attrs_class_blame_their_distribution(fakes):
    part = fakes.find("encoding", "wave")._replace(config="math:pi")
    with pytest.raises(PluginError, match="math:pi of fake-parts"):
        options_of(part)


def test_tables_are_told_from_values_and_slots_by_their_types():
    @attrs.frozen(kw_only=True)
    class Inner:
        n: int = option(1, help="n")

    assert table_class(Inner) is Inner and table_class(Inner | None) is Inner and table_class(int) is None


def test_annotations_are_evaluated(fakes):
    assert types_of(options_of(fakes.find("field", "blob")))["encoding"] is Choice


def test_mistakes_are_usage_errors_unless_the_part_is_missing(fill):
    for value, kind in (("wavee", UsageError), ("hash", PluginError)):
        with pytest.raises(kind):
            fill(value)[1].mistakes.finish()
