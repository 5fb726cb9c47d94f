"""Results of different checkpoints do not overwrite each other; those of the newest lie at the top."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from radfield_core.errors import StorageError
from radfield_core.runs.folder import RunFolder
from radfield_core.runs.stored_results import made_from, place_for, set_aside, step_of, store


def found(folder: Path) -> dict[str, int]:
    """Every file of results below a folder -> its step."""
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*.json")}
    return {name: json.loads(path.read_text())["step"] for name, path in sorted(files.items())}


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1), (3, 1, 2)], ids=str)
def test_in_any_order_the_newest_is_at_the_top_and_none_is_lost(order: tuple[int, ...], tmp_path: Path) -> None:
    for step in order:
        path = store(RunFolder(tmp_path), "results-val", {"step": step, "psnr": 10.0 * step})
        assert json.loads(path.read_text())["psnr"] == 10.0 * step, "the file that is named holds what was stored"
    assert found(tmp_path) == {
        "results-val.json": 3,
        "results/results-val-step-000000001.json": 1, "results/results-val-step-000000002.json": 2,
    }  # fmt: skip


def test_the_same_checkpoint_s_results_are_replaced_and_kinds_are_apart(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    for name, value in [("results", 1), ("results", 2), ("chamfer", 3)]:
        store(folder, name, {"step": 5, "value": value})
    assert json.loads((tmp_path / "results.json").read_text())["value"] == 2
    assert found(tmp_path) == {"chamfer.json": 5, "results.json": 5}


@pytest.mark.parametrize("text", ["", "[]", '{"step": "x"}', '{"step": -1}', '{"a": 1}'])
def test_a_damaged_file_is_replaced(text: str, tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(text)
    assert step_of(tmp_path / "results.json") is None
    assert store(RunFolder(tmp_path), "results", {"step": 1}) == tmp_path / "results.json"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("in the way")
    store(RunFolder(tmp_path), "results", {"step": 2})
    with pytest.raises(StorageError, match="results"):
        store(RunFolder(tmp_path), "results", {"step": 3})
    assert found(tmp_path) == {"results.json": 2}


def test_results_of_steps_that_are_repeated_are_set_aside(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    (tmp_path / "scene.json").write_text('{"step": "none"}')
    for step in (1, 2, 3):
        store(folder, "results", {"step": step})
    assert set_aside(folder, 3) == []
    set_aside(folder, 1)
    store(folder, "results", {"step": 3})
    assert len(set_aside(folder, 1)) == 1
    (tmp_path / "scene.json").unlink()
    assert found(tmp_path) == {
        "results/aside-1-results-step-000000002.json": 2, "results/aside-1-results-step-000000003.json": 3,
        "results/aside-2-results-step-000000003.json": 3, "results/results-step-000000001.json": 1,
    }  # fmt: skip


def test_files_made_from_an_older_checkpoint_get_a_folder_of_their_own(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    older, newest = (tmp_path / "checkpoints" / f"step-00000000{step}" for step in (1, 2))
    for path in (older, newest):
        path.mkdir(parents=True)
    assert place_for(folder, None, "images") == place_for(folder, newest, "images") == tmp_path / "images"
    assert place_for(folder, older, "images") == tmp_path / "images" / "step-000000001"


def test_files_of_the_newest_checkpoint_make_room_when_there_is_a_newer_one(tmp_path: Path) -> None:
    folder, images = RunFolder(tmp_path), tmp_path / "images"

    def make(step: int, *names: str) -> None:
        checkpoint = tmp_path / "checkpoints" / f"step-{step:09d}"
        checkpoint.mkdir(parents=True, exist_ok=True)
        with made_from(folder, checkpoint, "images") as place:
            for name in names:
                place.mkdir(parents=True, exist_ok=True)
                (place / name).write_text(str(step))

    make(1, "a.png", "b.png")
    make(1, "b.png")
    make(2, "a.png")
    make(1, "c.png")
    make(3)
    found = {str(path.relative_to(images)): path.read_text() for path in sorted(images.rglob("*.png"))}
    first, second = "step-000000001", "step-000000002"
    assert found == {f"{first}/a.png": "1", f"{first}/b.png": "1", f"{first}/c.png": "1", f"{second}/a.png": "2"}


def test_files_without_a_mark_stay(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "old.png").touch()
    (tmp_path / "checkpoints" / "step-000000001").mkdir(parents=True)
    with made_from(RunFolder(tmp_path), tmp_path / "checkpoints" / "step-000000001", "images") as place:
        assert place == tmp_path / "images"
    assert (tmp_path / "images" / "old.png").exists()
