"""A run finds its data again, or says how to name their place."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from radfield_core.cli.main import main
from radfield_core.errors import DatasetError, PluginError, UsageError
from radfield_core.plugins.discovery import Plugin
from radfield_core.plugins.registry import Registry, get_registry
from radfield_core.runs.folder import RunFolder
from radfield_core.runs.stored_run import check_data, data_root, moved_data, place_of_data, stored_run

CONFIG = '[method]\ntype = "tiny-nerf"\n[data]\ntype = "blender"\nroot = "{root}"\n'


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run below one/runs whose data are one/scene."""
    (tmp_path / "one" / "scene").mkdir(parents=True)
    folder = RunFolder(tmp_path / "one" / "runs" / "a")
    folder.path.mkdir(parents=True)
    folder.config.write_text(CONFIG.format(root=tmp_path / "one" / "scene"))
    run = stored_run(folder)
    assert place_of_data(run, folder) == {"root": str(tmp_path / "one" / "scene"), "relative": "../../scene"}
    folder.data.write_text(f'{{"root": "{tmp_path / "one" / "scene"}", "relative": "../../scene"}}')
    return folder


def test_data_that_are_where_they_were_are_taken_there(folder: RunFolder, tmp_path: Path) -> None:
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    copy = RunFolder(tmp_path / "two" / "runs" / "a")
    assert moved_data(copy) is None
    assert data_root(stored_run(copy)) == tmp_path / "one" / "scene"


def test_data_that_were_moved_with_the_run_are_found(
    folder: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "one").rename(tmp_path / "two")
    monkeypatch.chdir(tmp_path / "two")
    run = stored_run(RunFolder(Path("runs/a")))
    assert data_root(run) == tmp_path / "two" / "scene"
    check_data(run, RunFolder(Path("runs/a")))


def test_data_that_are_nowhere_are_named_with_the_command_that_helps(folder: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "one" / "scene").rename(tmp_path / "elsewhere")
    run = stored_run(folder)
    with pytest.raises(DatasetError, match="not there any more") as caught:
        check_data(run, folder, "radfield eval r")
    (problem,) = caught.value.problems
    assert problem.path == str(tmp_path / "one" / "scene") and "radfield eval r --data PATH" in problem.hint
    assert data_root(stored_run(folder, tmp_path / "elsewhere")) == tmp_path / "elsewhere"
    with pytest.raises(DatasetError, match="els"):
        stored_run(folder, tmp_path / "els")


@pytest.mark.parametrize(
    "text", ["[1]", '{"root": 1, "relative": 2}', '{"relative": ".."}', "x", '{"root": "\\u0000"}']
)
def test_a_stranger_s_record_of_the_place_is_believed_only_if_it_is_one(text: str, folder: RunFolder) -> None:
    folder.data.write_text(text)
    assert moved_data(folder) is None


def of_a_missing_plugin(folder: RunFolder, plugins: str) -> None:
    """Let the run use a method that is not installed, and say what it was made with."""
    text = folder.config.read_text(encoding="utf-8")
    folder.config.write_text(text.replace('type = "tiny-nerf"', 'type = "splats"', 1), encoding="utf-8")
    folder.plugins.write_text(plugins, encoding="utf-8")


def test_plugin_that_a_run_needs_is_named_once(folder: RunFolder) -> None:
    of_a_missing_plugin(folder, '{"acme-splats": "0.1.0", "radfield-core": "0.1.0", "torch": "2.13.0"}')
    with pytest.raises(PluginError) as caught:
        stored_run(folder)
    (problem,) = caught.value.problems
    assert problem.message == "this run was made with acme-splats 0.1.0, which is not installed"
    assert problem.hint == "pip install acme-splats" and caught.value.code == 69


VERBS = [["eval", "RUN"], ["render", "RUN"], ["export", "RUN"], ["train", "--resume", "RUN"]]


@pytest.mark.parametrize("words", VERBS)
def test_every_verb_names_the_plugin_that_is_missing(
    words: list[str], folder: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    of_a_missing_plugin(folder, '{"acme-splats": "0.1.0", "radfield-core": "0.1.0"}')
    assert main([str(folder.path) if word == "RUN" else word for word in words]) == 69
    said = capsys.readouterr().err
    assert said.count("error:") == 1 and "acme-splats 0.1.0" in said and "try: pip install acme-splats" in said


DISABLED = "is disabled\n  try: Unset RADFIELD_DISABLE_PLUGINS, or remove splats"


@pytest.mark.parametrize(
    ("status", "code", "says"),
    [
        ("error", 78, "does not load: RuntimeError: out of order\n  try: radfield plugins doctor"),
        ("incompatible", 78, "does not load: RuntimeError"),
        ("disabled", 69, DISABLED),
    ],
)
@pytest.mark.parametrize("words", VERBS)
def test_every_verb_names_the_plugin_that_does_not_load(
    words: list[str], status, code: int, says: str, folder: RunFolder, monkeypatch, capsys, request
) -> None:
    of_a_missing_plugin(folder, '{"acme-splats": "0.1.0", "radfield-core": "0.1.0"}')
    row = Plugin("splats", "acme-splats", "0.2.0", "acme", status, "RuntimeError: out of order")
    registry = Registry([*get_registry().plugins, row], get_registry().hooks)
    monkeypatch.setattr(Registry, "discover", lambda: registry)
    request.addfinalizer(get_registry.cache_clear)
    get_registry.cache_clear()
    monkeypatch.setattr("radfield_core.runs.stored_run._is_installed", lambda name: True)
    assert main([str(folder.path) if word == "RUN" else word for word in words]) == code
    said = capsys.readouterr().err
    assert said.count("error:") == 1 and f"this run was made with acme-splats 0.1.0, which {says}" in said


@pytest.mark.parametrize(
    "plugins", ['{"radfield-core": "0.1.0"}', '{"; rm -rf /": "1"}', '{"acme": "1 \\u001b[2J"}', "[]", "{"]
)
def test_unless_a_plugin_is_missing_the_error_names_the_option(plugins: str, folder: RunFolder) -> None:
    of_a_missing_plugin(folder, plugins)
    with pytest.raises((UsageError, PluginError), match="unknown method 'splats'"):
        stored_run(folder)
