"""The laws of discovery: what a name means, and that one plugin never takes another down."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from radfield_core.errors import PluginError, UsageError
from radfield_core.plugin import component
from radfield_core.plugins.discovery import CORE, Plugin
from radfield_core.plugins.first_party import FIRST_PARTY
from radfield_core.plugins.registry import Registry

GOOD = """
from radfield_core.plugin import component, hookimpl
RADFIELD_API = (1, 0)
@hookimpl
def radfield_components():
    return [component("encoding", {name!r}, impl="m:A", config="m:B", summary="s", provides={{"points"}})]
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


@pytest.fixture
def discover(monkeypatch):
    """Discovers with a folder first on the path, as a new process would."""

    def run(folder: Path, environ: dict[str, str] | None = None) -> dict[str, Plugin]:
        monkeypatch.syspath_prepend(str(folder))
        for name in [name for name in sys.modules if name.endswith("_plugin")]:
            monkeypatch.delitem(sys.modules, name)
        return {plugin.distribution: plugin for plugin in Registry.discover(environ or {}).plugins}

    return run


def made_of(*parts: tuple[str, ...]) -> Registry:
    """A registry of parts given as (distribution, kind, name, preset …)."""
    plugins = []
    for distribution, kind, name, *presets in parts:
        part = component(kind, name, impl="m:A", config="m:B", summary="s", preset=dict.fromkeys(presets, "m:p.toml"))
        row = Plugin(name, distribution, "1", "m", "ok", components=(part._replace(distribution=distribution),))
        plugins.append(row)
    return Registry(plugins, hooks=None)


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
        ("RADFIELD_API = (2, 0)", "incompatible", "written for interface 2.0, this is 1.0; upgrade radfield-core"),
        ("RADFIELD_API = (1, 9)", "incompatible", "upgrade radfield-core"),
        ("RADFIELD_API = (0, 4)", "incompatible", "upgrade the plugin"),
        (GOOD.replace("radfield_components", "radfield_component"), "error", "did you mean radfield_components?"),
        (GOOD.replace("@hookimpl\n", ""), "error", "radfield_components is not marked with @hookimpl"),
        (GOOD.replace("components():", "components(color):"), "error", "color"),
        (GOOD.replace('"encoding"', '"encodign"'), "error", "unknown kind 'encodign'; did you mean encoding?"),
        (GOOD.replace("points", "pionts"), "error", "unknown capability 'pionts'; did you mean 'points'?"),
        (GOOD.replace("m:A", "m.A"), "error", "impl='m.A' is not 'module:attribute'"),
        (GOOD.replace("return [", "return ['hash', "), "error", "must return what component(…) makes, not 'hash'"),
        (GOOD.replace("[component", "2 * [component"), "error", "encoding:maze is declared twice"),
        (PRESETS, "error", "method:deep is declared twice"),
        (GOOD.replace("{name!r}", "'a:b'"), "error", "'a:b' is no name for a part"),
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
    assert row.status == "error" and "may not import torch" in row.message
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


def test_a_bare_name_of_two_distributions_is_an_error_only_when_written():
    both = made_of(("acme-hash", "encoding", "hash"), ("zeta-hash", "encoding", "hash"))
    with pytest.raises(UsageError) as caught:
        both.find("encoding", "hash")
    assert "offered by acme-hash and zeta-hash" in str(caught.value)
    assert caught.value.problems[0].hint == "write acme-hash:hash or zeta-hash:hash"
    assert both.find("encoding", "Acme_Hash:hash").distribution == "acme-hash"
    assert both.find("encoding", "hash", home="zeta-hash").distribution == "zeta-hash"
    assert [p.status for p in both.plugins] == ["shadowed", "shadowed"]
    assert "write zeta-hash:hash" in both.plugins[1].message


def test_a_preset_of_ours_still_means_our_part_beside_one_of_the_same_name():
    both = made_of(("acme-hash", "encoding", "hash"), ("radfield-hash", "encoding", "hash"))
    assert both.find("encoding", "hash", home="radfield-ngp").distribution == "radfield-hash"
    with pytest.raises(UsageError):
        both.find("encoding", "hash")


def test_a_bare_name_of_cores_means_cores_and_the_other_is_shadowed():
    both = made_of(("acme-x", "sampler", "importance"), (CORE, "sampler", "importance"))
    assert both.find("sampler", "importance").distribution == CORE
    assert both.find("sampler", "acme-x:importance").distribution == "acme-x"
    assert [p.status for p in both.plugins] == ["shadowed", "ok"]
    assert both.spelling(both.find("sampler", "acme-x:importance"), "importance") == "acme-x:importance"


def test_the_same_name_in_two_kinds_is_no_conflict():
    both = made_of(("a", "field", "nerf"), ("b", "method", "nerf"))
    assert [p.status for p in both.plugins] == ["ok", "ok"]
    assert both.find("field", "nerf").distribution == "a"


def test_a_presets_name_means_its_method(fakes):
    assert fakes.find("method", "study-small").name == "study"
    assert fakes.find("method", "fake-parts:study-small").name == "study"


@pytest.mark.parametrize(
    "acme", [("acme-ngp", "method", "ngp-small"), ("acme-ngp", "method", "acme", "acme", "ngp-small")],
    ids=["a method", "a preset"],
)  # fmt: skip
def test_a_preset_of_the_name_of_anothers_method_or_preset_is_a_clash_like_any_other(acme):
    both = made_of(acme, ("radfield-ngp", "method", "ngp", "ngp", "ngp-small"))
    with pytest.raises(UsageError) as caught:
        both.find("method", "ngp-small")
    hint = caught.value.problems[0].hint
    assert set(hint.split()) == {"write", "or", "acme-ngp:ngp-small", "radfield-ngp:ngp-small"}
    ngp = both.find("method", "radfield-ngp:ngp-small")
    assert ngp.name == "ngp" and both.find("method", "ngp") == ngp
    assert (both.spelling(ngp, "ngp-small"), both.spelling(ngp, "ngp")) == ("radfield-ngp:ngp-small", "ngp")
    assert [p.status for p in both.plugins] == ["shadowed", "shadowed"]
    assert both.plugins[1].message == "method:ngp-small is also offered by acme-ngp; write radfield-ngp:ngp-small"


def test_an_unknown_name_says_nearest_and_installed(fakes):
    for name, hint in (("wav", "wave"), ("qqq", "radfield plugins list")):
        with pytest.raises(UsageError) as caught:
            fakes.find("encoding", name)
        (problem,) = caught.value.problems
        assert problem == ("", f"unknown encoding '{name}'; installed: cells, wave", hint)


def test_a_name_that_a_preset_or_default_wrote_is_a_part_that_is_missing_whatever_is_near(fakes):
    with pytest.raises(PluginError, match="unknown encoding 'wav'"):
        fakes.find("encoding", "wav", home="fake-parts")


@pytest.mark.parametrize("key", [key for keys in FIRST_PARTY.values() for key in keys])
def test_an_absent_part_of_ours_says_how_to_install_it(key):
    kind, name = key.split(":")
    with pytest.raises(PluginError) as caught:
        made_of().find(kind, name)
    (line,) = [f"pip install {dist}" for dist, keys in FIRST_PARTY.items() if key in keys]
    assert caught.value.problems[0].hint == line


def test_an_absent_name_says_which_plugin_did_not_load_and_might_have_offered_it():
    rows = [
        Plugin("hash", "radfield-hash", "1", "m", "error", "ValueError: no"),
        Plugin("sh", "radfield-sh", "1", "m", "error", "ValueError: no"),
        Plugin("acme", "acme-parts", "1", "m", "disabled"),
    ]
    with pytest.raises(PluginError) as caught:
        Registry(rows, hooks=None).find("encoding", "hash")
    text = str(caught.value)
    assert "plugin hash (radfield-hash), which offers it, is not loaded (ValueError: no)" in text
    assert "plugin acme (acme-parts), which may offer it, is disabled" in text
    assert "radfield-sh" not in text
    assert caught.value.problems[0].hint == "radfield plugins doctor"


def test_a_plugin_that_did_not_load_is_no_reason_to_miss_what_was_meant():
    broken = Plugin("acme", "acme-parts", "1", "m", "error", "ValueError: no")
    good = component("encoding", "hash", impl="m:A", config="m:B", summary="s")._replace(distribution="radfield-hash")
    rows = [broken, Plugin("hash", "radfield-hash", "1", "m", "ok", components=(good,))]
    with pytest.raises(UsageError, match=r"plugin acme \(acme-parts\), which may offer it") as caught:
        Registry(rows, hooks=None).find("encoding", "hahs")
    assert caught.value.problems[0].hint == "hash"
    with pytest.raises(PluginError, match="which may offer it"):
        Registry(rows, hooks=None).find("encoding", "labyrinth")


@pytest.mark.parametrize("name", ["ngp", "ngp-small", "ngp-capture"])
def test_a_disabled_plugin_of_ours_is_named_for_its_presets_too(name):
    rows = [Plugin("ngp", "radfield-ngp", "1", "m", "disabled")]
    with pytest.raises(PluginError) as caught:
        Registry(rows, hooks=None).find("method", name)
    (problem,) = caught.value.problems
    assert "plugin ngp (radfield-ngp), which offers it, is disabled" in problem.message
    assert problem.hint == "RADFIELD_DISABLE_PLUGINS unset, or without ngp"


@pytest.mark.parametrize("name", ["os:system", "subprocess:run", "radfield_core.errors:UsageError", "", ":", "a:b:c"])
def test_a_name_is_never_imported(fakes, name):
    with pytest.raises(UsageError, match="unknown method"):
        fakes.find("method", name)


def test_the_table_of_known_distributions_agrees_with_what_is_installed():
    known = {key: distribution for distribution, keys in FIRST_PARTY.items() for key in keys}
    for part in Registry.discover({}).components:
        if part.distribution.startswith("radfield-") and part.distribution != CORE:
            for key in (f"{part.kind}:{name}" for name in part.names):
                assert known.get(key) == part.distribution, f"{key} is missing in FIRST_PARTY"
