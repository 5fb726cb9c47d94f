"""The registry: the meaning of a part's name, and the error for a name that means nothing."""

from __future__ import annotations

import pytest

from radfield_core.errors import BrokenPlugin, PluginError, UsageError
from radfield_core.plugin import component
from radfield_core.plugins.discovery import CORE, Plugin
from radfield_core.plugins.registry import Registry


def made_of(*parts: tuple[str, ...]) -> Registry:
    """A registry of parts given as (distribution, kind, name, preset …)."""
    plugins = []
    for distribution, kind, name, *presets in parts:
        part = component(kind, name, impl="m:A", config="m:B", summary="s", preset=dict.fromkeys(presets, "m:p.toml"))
        row = Plugin(name, distribution, "1", "m", "ok", components=(part._replace(distribution=distribution),))
        plugins.append(row)
    return Registry(plugins, hooks=None)


def test_a_bare_name_of_two_distributions_is_an_error_only_when_written():
    both = made_of(("acme-hash", "encoding", "hash"), ("zeta-hash", "encoding", "hash"))
    with pytest.raises(UsageError) as caught:
        both.find("encoding", "hash")
    assert "offered by acme-hash and zeta-hash" in str(caught.value)
    assert caught.value.problems[0].hint == "Use acme-hash:hash or zeta-hash:hash"
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
def test_a_preset_named_like_anothers_method_or_preset_is_a_clash(acme):
    both = made_of(acme, ("radfield-ngp", "method", "ngp", "ngp", "ngp-small"))
    with pytest.raises(UsageError) as caught:
        both.find("method", "ngp-small")
    hint = caught.value.problems[0].hint
    assert set(hint.split()) == {"Use", "or", "acme-ngp:ngp-small", "radfield-ngp:ngp-small"}
    ngp = both.find("method", "radfield-ngp:ngp-small")
    assert ngp.name == "ngp" and both.find("method", "ngp") == ngp
    assert (both.spelling(ngp, "ngp-small"), both.spelling(ngp, "ngp")) == ("radfield-ngp:ngp-small", "ngp")
    assert [p.status for p in both.plugins] == ["shadowed", "shadowed"]
    assert both.plugins[1].message == "method:ngp-small is also offered by acme-ngp; write radfield-ngp:ngp-small"


def test_an_unknown_name_says_nearest_and_installed(fakes):
    for name, hint in (("wav", "Use wave"), ("qqq", "radfield plugins list")):
        with pytest.raises(UsageError) as caught:
            fakes.find("encoding", name)
        (problem,) = caught.value.problems
        assert problem == ("", f"unknown encoding '{name}'; installed: cells, wave", hint)


def test_an_unknown_name_in_a_preset_means_that_its_part_is_missing(fakes):
    with pytest.raises(PluginError, match="unknown encoding 'wav'"):
        fakes.find("encoding", "wav", home="fake-parts")


def test_an_unknown_name_lists_unloaded_plugins_that_may_offer_it():
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


def test_a_near_name_is_suggested_also_beside_a_broken_plugin():
    broken = Plugin("acme", "acme-parts", "1", "m", "error", "ValueError: no")
    good = component("encoding", "hash", impl="m:A", config="m:B", summary="s")._replace(distribution="radfield-hash")
    rows = [broken, Plugin("hash", "radfield-hash", "1", "m", "ok", components=(good,))]
    with pytest.raises(UsageError, match=r"plugin acme \(acme-parts\), which may offer it") as caught:
        Registry(rows, hooks=None).find("encoding", "hahs")
    assert caught.value.problems[0].hint == "Use hash"
    with pytest.raises(BrokenPlugin, match="which may offer it"):
        Registry(rows, hooks=None).find("encoding", "labyrinth")


@pytest.mark.parametrize("name", ["ngp", "ngp-small", "ngp-capture"])
def test_a_disabled_plugin_of_ours_is_named_for_its_presets_too(name):
    rows = [Plugin("ngp", "radfield-ngp", "1", "m", "disabled")]
    with pytest.raises(PluginError) as caught:
        Registry(rows, hooks=None).find("method", name)
    (problem,) = caught.value.problems
    assert "plugin ngp (radfield-ngp), which offers it, is disabled" in problem.message
    assert type(caught.value) is PluginError, "a disabled plugin is not broken"
    assert problem.hint == "Unset RADFIELD_DISABLE_PLUGINS, or remove ngp from it"


@pytest.mark.parametrize("name", ["os:system", "subprocess:run", "radfield_core.errors:UsageError", "", ":", "a:b:c"])
def test_a_name_is_never_imported(fakes, name):
    with pytest.raises(UsageError, match="unknown method"):
        fakes.find("method", name)


def test_hints_write_a_name_in_the_words_of_its_layer(fakes):
    def write(name: str) -> str:
        return f"field.encoding={name}"

    with pytest.raises(UsageError) as caught:
        fakes.find("encoding", "wav", write=write)
    assert caught.value.problems[0].hint == "Use field.encoding=wave"
    both = made_of(("acme-hash", "encoding", "hash"), ("zeta-hash", "encoding", "hash"))
    with pytest.raises(UsageError) as caught:
        both.find("encoding", "hash", write=write)
    assert caught.value.problems[0].hint == "Use field.encoding=acme-hash:hash or field.encoding=zeta-hash:hash"


def test_a_name_in_other_programs_is_answered_with_the_name_here_and_chooses_nothing():
    plugins = made_of(("acme-hash", "encoding", "hash"), ("acme-sh", "encoding", "sh")).plugins
    aliased = plugins[0].components[0]._replace(aliases={"hashgrid": "hash", "shh": "hash"})
    registry = Registry([plugins[0]._replace(components=(aliased,)), plugins[1]], hooks=None)
    assert [registry.meant("encoding", name) for name in ("HashGrid", "shh", "hahs", "xyzzy")] == [*["hash"] * 3, ""]
    with pytest.raises(UsageError, match="unknown encoding 'hashgrid'") as caught:
        registry.find("encoding", "hashgrid")
    assert caught.value.problems[0].hint == "Use hash"
