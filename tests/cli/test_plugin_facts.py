"""`radfield plugins list --json`, and what `plugins info` says of a distribution."""

from __future__ import annotations

import json

from radfield_core.cli.main import main
from radfield_core.cli.plugin_facts import about, described
from radfield_core.plugin import MODEL_SLOTS, component
from radfield_core.plugins.discovery import Plugin
from radfield_core.plugins.registry import Registry, get_registry


def test_json_lists_each_plugin_with_its_parts_capabilities_and_options(capsys) -> None:
    assert main(["plugins", "list", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["api"] == {"version": "1.0", "accepts": "1.0 to 1.0"}
    plugins = {plugin["distribution"]: plugin for plugin in facts["plugins"]}
    assert plugins["radfield-nerf"]["status"] == "ok" and plugins["radfield-nerf"]["license"] == "Apache-2.0"
    parts = {f"{part['kind']}:{part['name']}": part for plugin in facts["plugins"] for part in plugin["parts"]}
    assert set(parts) == {part.key for part in get_registry().components}
    nerf = parts["field:nerf"]
    assert "density" in nerf["provides"] and "encoding" in nerf["requires"]
    assert "slots" not in nerf
    assert parts["method:nerf"]["slots"] == list(MODEL_SLOTS)
    (width,) = [option for option in nerf["options"] if option["path"] == "width"]
    assert "writes" not in nerf and parts["exporter:mesh"]["writes"] == {
        "what": "file", "endings": ["ply", "obj", "glb", "stl"], "coordinates": ["*"],
    }  # fmt: skip
    assert width["default"] == "256" and width["kind"].startswith("a whole number") and width["help"]


def test_part_whose_options_cannot_be_imported_is_listed_with_the_reason() -> None:
    part = component("encoding", "x", impl="a:B", config="no_such_module:C", summary="s")._replace(distribution="acme")
    row = Plugin("acme", "acme", "1", "a", "ok", components=(part,))
    (found,) = described(Registry([row], get_registry().hooks))["plugins"]
    assert found["parts"][0]["options"] is None and "no_such_module" in found["parts"][0]["message"]


def test_info_names_author_license_and_home_page(capsys) -> None:
    assert main(["plugins", "info", "radfield-ipe"]) == 0
    said = capsys.readouterr().out
    assert "The radfield authors" in said and "Apache-2.0" in said and "https://" in said
    assert about("no-such-distribution") == {}
