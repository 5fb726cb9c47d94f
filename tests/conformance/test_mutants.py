"""Planted faults: the law that names a fault catches it, and its message says what to do."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from radfield_core.plugin import KINDS
from radfield_core.plugins.registry import Registry
from radfield_core.testing.kit import check_law, laws_for, part_under_test
from radfield_core.testing.law import LAWS
from radfield_core.testing.toy_parts import toy_plugin

sys.path.insert(0, str(Path(__file__).parent))
import mutants
from mutants import exporters, part_losses
from mutants.check import changed, check_mutant

DECLARATION = """
from radfield_core.plugin import component, hookimpl
RADFIELD_API = (1, 0)
@hookimpl
def radfield_components():
    return [component("encoding", "toy-again", impl="radfield_core.testing.toy_parts:ToyEncoding",
        config="{config}", summary="a toy", provides={{"points", "directions"}})]
"""
OPTIONS_ALONE = """
import attrs
from radfield_core.config.slots import option
@attrs.frozen(kw_only=True)
class Options:
    n_frequencies: int = option(3, help="frequencies")
"""
DECLARED = {
    "imports torch beside its options": ("declaration_imports_no_torch", "", "import torch\n" + OPTIONS_ALONE),
    "imports numpy beside its options": ("declaration_imports_no_torch", "", "import numpy\n" + OPTIONS_ALONE),
    "computes while it is declared": (
        "declaration_imports_quickly",
        "sum(i * i for i in range(2_000_000))",
        OPTIONS_ALONE,
    ),
}


@pytest.mark.parametrize("place", list(mutants.CAUGHT_BY), ids=lambda place: place.partition(":")[2])
def test_the_fault_is_caught_by_the_law_that_names_it(place):
    result = check_mutant(place)
    assert result.state == "broken"
    refused = "raised UsageError" in result.message  # by the config of the test, unless the fault lies in a preset
    assert not refused or result.law.name == "presets_fit_and_survive_a_round_trip"
    assert f"breaks the law {result.law.name!r}" in result.message
    assert "  fix:   " + result.law.fix in result.message


@pytest.mark.parametrize("name", list(DECLARED))
def test_the_fault_in_a_declaration_is_caught(name, distribution, monkeypatch):
    law_name, declaration, options = DECLARED[name]
    source = declaration + DECLARATION.format(config="acme_options:Options")
    site = distribution("acme-maze", source, plugin="maze", modules={"acme_options.py": options})
    monkeypatch.syspath_prepend(str(site))
    tested = part_under_test("encoding:toy-again", registry=Registry.discover({}))
    result = check_law(tested, next(law for law in LAWS if law.name == law_name))
    sys.modules.pop("acme_options", None)
    sys.modules.pop("acme_maze_plugin", None)
    assert result.state == "broken", result


@pytest.mark.parametrize("component", toy_plugin().components, ids=lambda component: component.key)
def test_without_the_fault_the_toys_keep_every_law_that_mutants_of_them_break(component):
    tested = part_under_test(f"radfield-toys:{component.key}")
    broken_by = {law for base, law, _ in mutants.CAUGHT_BY.values() if base == component.key}
    for law in LAWS:
        if law.name in broken_by and component.kind in law.kinds:
            result = check_law(tested, law)
            assert result.state == "kept", result.message


@pytest.mark.parametrize(
    ("base", "changes"),
    [("exporter:pointcloud", exporters.VIEWS), ("sampler:importance", part_losses.PROPOSAL)],
    ids=["views", "proposal"],
)
def test_without_the_fault_the_parts_that_mutants_are_made_from_keep_their_laws(base, changes):
    for law in laws_for(changed(base, **changes)):
        if law.kinds != KINDS and law.name != "no_surface_raises_an_error":  # it writes pictures of nothing as well
            result = check_law(changed(base, **changes), law)
            assert result.state == "kept", result.message


def test_every_law_catches_some_fault():
    caught = {law for _, law, _ in mutants.CAUGHT_BY.values()} | {law for law, _, _ in DECLARED.values()}
    assert {law.name for law in LAWS} == caught


def test_there_are_enough_of_them(capsys):
    with capsys.disabled():
        print(f"\n{len(LAWS)} laws, {len(mutants.CAUGHT_BY) + len(DECLARED)} planted faults")
    assert len(mutants.CAUGHT_BY) + len(DECLARED) >= 25
