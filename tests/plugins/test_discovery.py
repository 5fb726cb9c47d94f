"""Discovery: every plugin is a row with its status, and a broken one never affects another."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from radfield_core.errors import PluginError
from radfield_core.plugins.discovery import CORE, Plugin
from radfield_core.plugins.registry import Registry

GOOD = """
from radfield_core.plugin import component, hookimpl
RADFIELD_API = (1, 0)
@hookimpl
def radfield_components():
    return [component("encoding", {name!r}, impl="m:A", config="m:B", summary="s", provides={{"points"}})]
"""

EXPORTER = """
from radfield_core.plugin import Output, component, hookimpl
RADFIELD_API = (1, 0)
@hookimpl
def radfield_components():
    return [component("exporter", "maze", impl="m:A", config="m:B", summary="s", writes=WRITES)]
"""

PRESETS = """
from radfield_core.plugin import component, hookimpl
RADFIELD_API = (1, 0)
@hookimpl
def radfield_components():
    return [
        component("method", "maze", impl="m:A", config="m:B", summary="s", preset=dict(maze="m:a", deep="m:b")),
        component("method", "deep", impl="m:A", config="m:B", summary="s"),
    ]
"""

OWN_MODEL = """
from radfield_core.plugin import component, hookimpl
RADFIELD_API = (1, 0)
@hookimpl
def radfield_components():
    return [component("method", "maze", impl="m:A", config="m:B", summary="s", slots=['sampler'],
                      provides=['density'], requires={'data': ['images']})]
"""


@pytest.fixture
def discover(monkeypatch):
    """Discovers with a folder first on the path, as a new process would."""

    def run(folder: Path, environ: dict[str, str] | None = None) -> dict[str, Plugin]:
        monkeypatch.syspath_prepend(str(folder))
        for name in [name for name in sys.modules if name.endswith("_plugin")]:
            monkeypatch.delitem(sys.modules, name)
        return {plugin.distribution: plugin for plugin in Registry.discover(environ or {}).plugins}

    return run


def test_a_plugin_is_a_row_with_distribution_version_and_parts(distribution, discover):
    row = discover(distribution("acme-maze", GOOD.format(name="maze")))["acme-maze"]
    assert (row.name, row.version, row.module, row.status) == ("it", "2.5", "acme_maze_plugin", "ok")
    assert [c.key for c in row.components] == ["encoding:maze"]
    assert (row.components[0].distribution, row.components[0].plugin) == ("acme-maze", "it")


def test_rows_are_ordered_by_distribution_then_name(fakes):
    rows = [(plugin.distribution, plugin.name) for plugin in Registry.discover({}).plugins]
    assert rows == sorted(rows) and len(rows) >= 2


@pytest.mark.parametrize(
    ("source", "status", "says"),
    [
        ("raise ValueError('broken\\nhere')", "error", "ValueError: broken here"),
        ("import sys; sys.exit(3)", "error", "SystemExit: 3"),
        ("class Odd(BaseException): pass\nraise Odd()", "error", "Odd"),
        ("def f(:", "error", "SyntaxError"),
        ("import absent_thing", "error", "ModuleNotFoundError: No module named 'absent_thing'"),
        ("x = 1", "error", "RADFIELD_API must be a pair such as (1, 0), not None"),
        ("RADFIELD_API = '1.0'", "error", "RADFIELD_API must be a pair"),
        ("RADFIELD_API = (2, 0)", "incompatible", "interface 2.0, but radfield-core has 1.0; upgrade radfield-core"),
        ("RADFIELD_API = (1, 9)", "incompatible", "upgrade radfield-core"),
        ("RADFIELD_API = (0, 4)", "incompatible", "upgrade the plugin"),
        (GOOD.replace("radfield_components", "radfield_component"), "error", "did you mean radfield_components?"),
        (GOOD.replace("@hookimpl\n", ""), "error", "radfield_components is not marked with @hookimpl"),
        (GOOD.replace("components():", "components(color):"), "error", "color"),
        (GOOD.replace('"encoding"', '"encodign"'), "error", "unknown kind 'encodign'; did you mean encoding?"),
        (GOOD.replace("points", "pionts"), "error", "unknown capability 'pionts'; did you mean 'points'?"),
        (GOOD.replace("m:A", "m.A"), "error", "impl='m.A' is not 'module:attribute'"),
        (GOOD.replace("return [", "return ['hash', "), "error", "must return results of component(…), not 'hash'"),
        (GOOD.replace("[component", "2 * [component"), "error", "encoding:maze is declared twice"),
        (PRESETS, "error", "method:deep is declared twice"),
        (GOOD.replace("{name!r}", "'a:b'"), "error", "'a:b' is not a valid name"),
        (GOOD.replace("summary=", "aliases={'x': 'y'}, summary="), "error", "alias 'x' stands for 'y', which the part"),
        (EXPORTER.replace("WRITES", "None"), "error", "exporter:maze: an exporter must declare what it writes"),
        (EXPORTER.replace("WRITES", "'ply'"), "error", "not 'ply'"),
        (EXPORTER.replace("WRITES", "Output.file('.ply')"), "error", "'.ply' is not an ending without a dot"),
        (EXPORTER.replace("WRITES", "Output.folder()"), "ok", ""),
        (EXPORTER.replace("WRITES", "Output.folder()").replace('"exporter"', '"encoding"'), "error", "only exporters"),
        (OWN_MODEL.replace("'sampler'", "'samplr'"), "error", "unknown slot 'samplr'; the slots are field, sampler"),
        (OWN_MODEL.replace("{'data'", "{'field'"), "error", "something of the slot 'field', but does not use it"),
        (OWN_MODEL.replace("'sampler'", "'field'"), "error", "provides capabilities, but uses the slot 'field'"),
        (GOOD.replace("summary=", "slots=(), summary="), "error", "only a method can declare slots"),
        (OWN_MODEL, "ok", ""),
        (GOOD.replace("points", "acme.fog"), "ok", ""),
        ("RADFIELD_API = (1, 0)", "ok", ""),
    ],
)  # fmt: skip
def test_a_declaration_that_breaks_a_rule_is_a_row_that_says_so(distribution, discover, source, status, says):
    rows = discover(
        distribution("acme-maze", source.replace("{name!r}", "'maze'").replace("{{", "{").replace("}}", "}"))
    )
    assert rows["acme-maze"].status == status
    assert says in rows["acme-maze"].message
    assert bool(rows["acme-maze"].traceback) == (status != "ok")
    assert rows[CORE].status == "ok"


def test_keyboard_interrupt_in_a_declaration_gets_through(distribution, discover):
    with pytest.raises(KeyboardInterrupt):
        discover(distribution("acme-maze", "raise KeyboardInterrupt"))


def test_a_declaration_that_imports_torch_is_stopped_at_that_line(distribution, discover, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] in ("torch", "numpy")]:
        monkeypatch.delitem(sys.modules, name)
    row = discover(distribution("acme-maze", "import torch\n" + GOOD.format(name="maze")))["acme-maze"]
    assert row.status == "error" and "must not import torch" in row.message
    assert "acme_maze_plugin.py" in row.traceback and "line 1" in row.traceback
    assert "torch" not in sys.modules


def test_a_declaration_that_hides_its_import_of_numpy_is_found_out(distribution, discover, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "numpy"]:
        monkeypatch.delitem(sys.modules, name)
    source = "try:\n    import numpy\nexcept ImportError:\n    numpy = None\n" + GOOD.format(name="maze")
    row = discover(distribution("acme-maze", source))["acme-maze"]
    assert row.status == "error" and "imports numpy" in row.message


@pytest.mark.parametrize("names", ["it", "acme-maze", "x, it", "*"])
def test_disabled_plugins_are_not_imported(distribution, discover, names):
    rows = discover(distribution("acme-maze", "raise ValueError"), {"RADFIELD_DISABLE_PLUGINS": names})
    assert rows["acme-maze"].status == "disabled"
    assert rows[CORE].status == "ok"


def test_strict_raises_for_what_does_not_load(distribution, discover):
    with pytest.raises(PluginError, match="plugin it: ValueError: no"):
        discover(distribution("acme-maze", "raise ValueError('no')"), {"RADFIELD_STRICT_PLUGINS": "1"})
