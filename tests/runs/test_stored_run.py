"""A run finds its data again, or says how to name their place."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from radfield_core.errors import DatasetError
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
