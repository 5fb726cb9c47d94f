"""Declarations of plugins: hooks that pluggy accepts, components, and references to code."""

from __future__ import annotations

import subprocess
import sys

import pluggy
import pytest

from radfield_core.errors import BrokenPlugin
from radfield_core.plugin import KINDS, Component, component, hookimpl, load, load_of


def fourier(**changes: object) -> Component:
    options = {"impl": "acme.fourier:Fourier", "config": "acme.config:FourierConfig", "summary": "random features"}
    return component("encoding", "fourier", **{**options, **changes})  # type: ignore[arg-type]


def test_a_marked_function_is_what_pluggys_own_marker_makes() -> None:
    def radfield_components() -> list[Component]:
        return [fourier()]

    @pluggy.HookimplMarker("radfield")
    def expected() -> None:
        """Marked by pluggy itself."""

    assert hookimpl(radfield_components) is radfield_components
    assert radfield_components.radfield_impl == expected.radfield_impl  # type: ignore[attr-defined]


def test_a_plugin_of_marked_functions_answers_a_hook() -> None:
    class Specs:
        @pluggy.HookspecMarker("radfield")
        def radfield_components(self) -> list[Component]: ...

    class Acme:
        @staticmethod
        @hookimpl
        def radfield_components() -> list[Component]:
            return [fourier()]

    manager = pluggy.PluginManager("radfield")
    manager.add_hookspecs(Specs)
    manager.register(Acme)
    assert manager.hook.radfield_components() == [[fourier()]]


def test_a_component_holds_its_words_as_sets_and_has_a_key() -> None:
    made = fourier(provides=["points", "grad"], requires={"field": ["density|alpha"]})
    assert made.key == "encoding:fourier" and made.kind in KINDS
    assert made.provides == {"points", "grad"} and made.requires == {"field": frozenset({"density|alpha"})}
    assert fourier().provides == frozenset() and fourier().requires == {}


def test_a_single_preset_has_the_name_of_its_method_and_several_add_names() -> None:
    assert fourier(preset="acme:a.toml").preset == {"fourier": "acme:a.toml"}
    several = fourier(preset={"fourier": "acme:a.toml", "fourier-small": "acme:b.toml"})
    assert several.names == ("fourier", "fourier-small") and fourier().names == ("fourier",)


def test_a_reference_names_a_modules_attribute() -> None:
    assert load("math:tau") == 6.283185307179586


@pytest.mark.parametrize(
    ("reference", "fact"),
    [("no_such_module_here:X", "ModuleNotFoundError"), ("math:no_such_name", "AttributeError")],
)
def test_code_that_cannot_be_imported_names_its_distribution(reference: str, fact: str) -> None:
    made = fourier()._replace(distribution="acme-fourier")
    with pytest.raises(BrokenPlugin) as raised:
        load_of(made, reference)
    (problem,) = raised.value.problems
    assert {"encoding:fourier", "acme-fourier"} <= set(problem.message.split()) and fact in problem.message
    assert "\n" not in problem.message and problem.hint == "radfield plugins doctor"


def test_a_declaration_needs_no_torch_numpy_attrs_or_pluggy() -> None:
    script = (
        "import sys\n"
        "from radfield_core.plugin import component, hookimpl\n"
        "component('field', 'x', impl='a:B', config='a:C', summary='s')\n"
        "sys.exit(bool({'torch', 'numpy', 'attrs', 'pluggy'} & set(sys.modules)))\n"
    )
    assert subprocess.run([sys.executable, "-c", script], timeout=120).returncode == 0
