"""Staged files: what they replace is whole until they are complete."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from radfield_core.files.staging import put_files, put_folder, staging_folder


def fill(folder: Path, text: str) -> Path:
    (folder / "inner").mkdir(parents=True, exist_ok=True)
    (folder / "inner" / "x").write_text(text)
    return folder


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    target = fill(tmp_path / "a", "old")
    (target / "rest").write_text("old")
    with staging_folder(target) as staged:
        put_folder(fill(staged, "new"), target)
    assert (target / "inner" / "x").read_text() == "new" and os.listdir(target) == ["inner"]
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("failing", [1, 2])
def test_an_exchange_that_fails_at_either_step_leaves_the_old_folder(failing, tmp_path: Path, monkeypatch) -> None:
    target, calls, rename = fill(tmp_path / "a", "old"), [], os.rename

    def fail(source: object, goal: object) -> None:
        calls.append(source)
        if len(calls) == failing:
            raise OSError(5, "Input/output error", str(source))
        rename(source, goal)

    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(OSError, match="Input/output"), staging_folder(target) as staged:
        put_folder(fill(staged, "new"), target)
    assert (target / "inner" / "x").read_text() == "old" and os.listdir(tmp_path) == ["a"]


def test_a_process_that_is_killed_between_the_steps_leaves_both_and_the_next_export_cleans_up(tmp_path) -> None:
    target = fill(tmp_path / "a", "old")
    pid = os.fork()
    if pid == 0:
        rename = os.rename
        os.rename = lambda *paths: (rename(*paths), os._exit(1))
        with staging_folder(target) as staged:
            put_folder(fill(staged, "new"), target)
        os._exit(0)
    os.waitpid(pid, 0)
    assert (tmp_path / ".replaced-a" / "inner" / "x").read_text() == "old" and not target.exists()
    for text in ("newer", "newest"):
        with staging_folder(target) as staged:
            put_folder(fill(staged, text), target)
    assert (target / "inner" / "x").read_text() == "newest"
    assert ".replaced-a" not in os.listdir(tmp_path)


def test_files_are_moved_in_order_and_replace_others(tmp_path: Path, monkeypatch) -> None:
    fill(tmp_path, "old")
    with staging_folder(tmp_path / "main") as staged:
        (fill(staged, "new") / "main").write_text("m")
        moved: list[str] = []
        replace = os.replace
        monkeypatch.setattr(os, "replace", lambda a, b: (moved.append(Path(b).name), replace(a, b)))
        paths = put_files(staged, ["main", "inner/x"], tmp_path)
    assert moved == ["main", "x"] and paths == [tmp_path / "main", tmp_path / "inner" / "x"]
    assert [path.read_text() for path in paths] == ["m", "new"] and sorted(os.listdir(tmp_path)) == ["inner", "main"]


def test_folders_are_created_and_deleted_again_after_a_failure(tmp_path: Path) -> None:
    target = tmp_path / "new" / "deep" / "a"
    with pytest.raises(OSError, match="No such file") as caught, staging_folder(target) as staged:
        (staged / "none" / "x").write_text("x")
    assert caught.value.filename == str(target / "none" / "x") and os.listdir(tmp_path) == []
