"""The part that raised an exception is found from the frames of its traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from radfield_core.plugin import Component, component
from radfield_core.plugins.blame import Culprit, culprit_of
from radfield_core.plugins.discovery import CORE, Plugin

OUTER = """
class Outer:
    def forward(self, inner):
        return self.helper(inner)
    def helper(self, inner):
        return inner()
    @staticmethod
    def shares(inner):
        return inner()
    @classmethod
    def made(cls, inner):
        return inner()

class Other:
    pass

def plain(inner):
    return inner()
"""


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Packages that call functions: two plugins, a library, and one that passes for radfield-core."""
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("acme_a", "acme_b", "somelib", "core"):
        (tmp_path / f"{name}.py").write_text(OUTER)
        monkeypatch.delitem(sys.modules, name, raising=False)
    found = {name: import_module(name) for name in ("acme_a", "acme_b", "somelib", "core")}
    found["core"].__name__ = "radfield_core.somewhere"
    return found


def part(kind: str, impl: str, distribution: str = "acme-a") -> Component:
    """A declared part with this implementation."""
    return component(kind, "maze", impl=impl, config="m:C", summary="s")._replace(distribution=distribution)


PARTS = [part("field", "acme_a:Outer"), part("loss", "acme_a:Other"), part("sampler", "acme_b:Outer", "acme-b")]


def raised(call: Callable[[Callable[[], Any]], Any]) -> Exception:
    """The error that `call` passes on from the function that it gets."""

    def fail() -> None:
        raise ValueError("planted")

    try:
        call(fail)
    except ValueError as error:
        return error
    raise AssertionError("nothing was raised")


def test_the_object_whose_method_core_called_is_named(modules: dict[str, Any]) -> None:
    error = raised(modules["acme_a"].Outer().forward)
    assert culprit_of(error, PARTS) == Culprit("field:maze (acme-a)", "forward")
    for name in ("shares", "made"):
        error = raised(getattr(modules["acme_a"].Outer, name))
        assert culprit_of(error, PARTS) == Culprit("field:maze (acme-a)", name)


def test_a_library_acts_for_the_plugin_that_called_it(modules: dict[str, Any]) -> None:
    error = raised(lambda fail: modules["acme_a"].Outer().forward(lambda: modules["somelib"].plain(fail)))
    assert culprit_of(error, PARTS) == Culprit("field:maze (acme-a)", "forward")


def test_of_two_plugins_the_inner_one_is_named(modules: dict[str, Any]) -> None:
    def both(fail: Callable[[], Any]) -> None:
        modules["acme_b"].Outer().forward(lambda: modules["core"].plain(lambda: modules["acme_a"].Outer().made(fail)))

    assert culprit_of(raised(both), PARTS) == Culprit("field:maze (acme-a)", "made")
    assert culprit_of(raised(both), PARTS[2:]) == Culprit("sampler:maze (acme-b)", "forward")


def test_the_function_that_core_called_is_named_although_core_was_called_before(modules: dict[str, Any]) -> None:
    outer, core = modules["acme_a"].Outer(), modules["core"].plain
    error = raised(lambda fail: outer.forward(lambda: core(lambda: outer.helper(fail))))
    assert culprit_of(error, PARTS) == Culprit("field:maze (acme-a)", "helper")


def test_without_a_class_that_fits_the_only_part_of_the_module_or_the_distribution_is_named(
    modules: dict[str, Any],
) -> None:
    error = raised(modules["acme_a"].plain)
    assert culprit_of(error, PARTS) == Culprit("acme-a", "plain")
    assert culprit_of(error, PARTS[1:]) == Culprit("loss:maze (acme-a)", "plain")
    plugin = Plugin("it", "acme-c", "1", "acme_a.plugin", "ok")
    assert culprit_of(error, [], [plugin]) == Culprit("acme-c", "plain")


def test_core_and_libraries_alone_are_not_blamed(modules: dict[str, Any]) -> None:
    for call in (modules["core"].plain, modules["somelib"].plain):
        assert culprit_of(raised(call), PARTS) is None
    own = [part("field", "acme_a:Outer", CORE), part("field", "radfield_core.somewhere:Outer", "radfield-toys")]
    assert culprit_of(raised(modules["acme_a"].plain), own) is None
    assert culprit_of(raised(modules["core"].plain), own) is None
