"""Exports: all files are put into place at once, with one sidecar that says which frame and which checkpoint."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from radfield_core.config.slots import Choice
from radfield_core.errors import PluginError, StorageError, UsageError
from radfield_core.plugin import Output, component
from radfield_core.runs import exporting
from radfield_core.runs.exporting import export
from radfield_core.runs.folder import RunFolder
from radfield_core.runs.trained import Trained

Write = Callable[[Path], None]


def mesh_and_texture(path: Path) -> None:
    path.write_text("x")
    path.with_suffix(".png").write_text("x")


def cameras_and_depths(path: Path) -> None:
    (path / "depth").mkdir()
    for name in ("transforms.json", "depth/0.npy", "depth/0.png"):
        (path / name).write_text("x")


MESH = Output.file("ply", "glb")
VIEWS = Output.folder(coordinates=["transforms.json", "*.npy"])
NAMES = ["depth/0.npy", "depth/0.png", "transforms.json", "export.json"]


@pytest.fixture
def choose(monkeypatch: pytest.MonkeyPatch) -> Callable[[Output, Write], Choice]:
    """A function that returns an exporter which declares `writes`, and calls `write` with its path."""

    def chosen(writes: Output, write: Write) -> Choice:
        class Writer:
            def __init__(self, config: object):
                self.config = config

            def export(self, model: object, scene: object, path: Path) -> list[Path]:
                write(path)
                return []

        monkeypatch.setattr(exporting, "check_part", lambda *_: None)
        monkeypatch.setattr(Choice, "load", lambda choice: Writer)
        declared = component("exporter", "writer", impl="x:Y", config="x:Z", summary="s", writes=writes)
        return Choice("writer", declared, SimpleNamespace())

    return chosen


def with_up(trained: Trained, up: str | None) -> Trained:
    """The run, with another up axis of its scene."""
    scene = dataclasses.replace(trained.scenes.get("train"), up=up)
    return dataclasses.replace(trained, scenes=SimpleNamespace(views=lambda split: scene))  # type: ignore[arg-type]


def tree(folder: Path) -> dict[str, str]:
    """Every file below a folder, with its content."""
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_file_has_one_sidecar_and_what_lies_beside_it_is_listed(choose, trained: Trained, tmp_path: Path) -> None:
    files = export(with_up(trained, "z"), choose(MESH, mesh_and_texture), tmp_path / "out.ply")
    assert [path.name for path in files] == ["out.ply", "out.png", "out.ply.json"]
    sidecar = json.loads((tmp_path / "out.ply.json").read_text())
    manifest = (trained.checkpoint / "MANIFEST.json").read_bytes()
    assert sidecar["checkpoint_manifest_sha256"] == hashlib.sha256(manifest).hexdigest()
    assert (sidecar["exporter"], sidecar["step"]) == ("exporter:writer", 2)
    assert sidecar["scene_to_data"] == trained.scenes.get("train").to_data.tolist()
    assert sidecar["files"]["out.ply"] == {"frame": "the data's own", "up": "z"}


def test_a_folder_has_one_sidecar_that_tells_which_files_hold_coordinates(choose, trained, tmp_path: Path) -> None:
    files = export(with_up(trained, "z"), choose(VIEWS, cameras_and_depths), tmp_path / "new" / "views")
    assert [path.relative_to(tmp_path / "new" / "views").as_posix() for path in files] == NAMES
    described = json.loads((tmp_path / "new" / "views" / "export.json").read_text())["files"]
    assert {name: bool(frame) for name, frame in described.items()} == {
        "transforms.json": True, "depth/0.npy": True, "depth/0.png": False,
    }  # fmt: skip
    assert sorted(tree(tmp_path / "new")) == sorted(f"views/{name}" for name in NAMES)


@pytest.mark.parametrize(("up", "expected"), [("z", "y"), (None, None)])
def test_only_glb_is_rotated_and_only_if_up_is_known(up, expected, choose, trained: Trained, tmp_path: Path) -> None:
    choice = choose(MESH, lambda path: path.write_text("x"))
    for kind in ("ply", "glb"):
        export(with_up(trained, up), choice, tmp_path / f"out.{kind}")
    ply, glb = (
        json.loads((tmp_path / f"out.{kind}.json").read_text())["files"][f"out.{kind}"] for kind in ("ply", "glb")
    )
    assert ply["up"] == up and glb["up"] == expected
    assert ply["frame"] == "the data's own" and ("not rotated" in glb["frame"]) == (up is None)


def test_a_file_without_coordinates_has_no_sidecar(choose, trained: Trained, tmp_path: Path) -> None:
    picture = choose(Output.file("png", coordinates=False), lambda path: path.write_text("x"))
    assert export(trained, picture, tmp_path / "a") == [tmp_path / "a.png"]
    assert tree(tmp_path) == {"a.png": "x"}


def test_an_existing_folder_gets_the_file_under_the_exporter_s_name(choose, trained: Trained, tmp_path: Path) -> None:
    choice = choose(MESH, mesh_and_texture)
    assert export(trained, choice, tmp_path)[0] == tmp_path / "writer.ply"
    moved = dataclasses.replace(trained, folder=RunFolder(tmp_path / "run"))
    assert export(moved, choice, None)[0] == tmp_path / "run" / "exports" / "writer.ply"


@pytest.mark.parametrize("out", [None, "views"])
def test_a_second_export_replaces_the_folder_and_never_nests(out, choose, trained: Trained, tmp_path: Path) -> None:
    moved = dataclasses.replace(trained, folder=RunFolder(tmp_path / "run"))
    target = None if out is None else tmp_path / out
    export(moved, choose(VIEWS, cameras_and_depths), target)
    files = export(moved, choose(VIEWS, lambda path: (path / "other.txt").write_text("y")), target)
    folder = target or tmp_path / "run" / "exports" / "writer"
    assert files == [folder / "other.txt", folder / "export.json"]
    assert sorted(tree(folder)) == ["export.json", "other.txt"]
    assert not list(tmp_path.rglob(".replaced-*")) and not list(tmp_path.rglob(".tmp-*"))


@pytest.mark.parametrize(("writes", "name"), [(MESH, "a.ply"), (VIEWS, "a")])
@pytest.mark.parametrize("place", [("old",), ("old", "new", "deep")])
def test_an_export_that_fails_changes_nothing(writes, name, place, choose, trained, tmp_path, monkeypatch) -> None:
    def full(path: Path) -> None:
        (path / "b" if writes.is_folder else path).write_text("half")
        raise OSError(28, "No space left on device", str(path))

    whole = choose(writes, lambda path: (path / "b" if writes.is_folder else path).write_text("whole"))
    export(trained, whole, tmp_path / "old" / name)
    before = tree(tmp_path)
    target = tmp_path.joinpath(*place) / name
    with pytest.raises(StorageError, match="No space left") as caught:
        export(trained, choose(writes, full), target)
    assert str(target) in str(caught.value) and tree(tmp_path) == before
    assert os.listdir(tmp_path / "old") == [path.name for path in (tmp_path / "old").iterdir()]
    assert not (tmp_path / "old" / "new").exists(), "folders that were created are deleted"


@pytest.mark.parametrize(
    ("writes", "write", "named"),
    [
        (MESH, lambda path: path.with_suffix(".obj").write_text("x"), "was to write a.ply, and did not"),
        (MESH, lambda path: (path.write_text("x"), (path.parent / "b").write_text("x")), "wrote b beside a.ply"),
        (VIEWS, lambda path: None, "wrote no file"),
        (VIEWS, lambda path: (path / "export.json").write_text("x"), "which is the name of the sidecar"),
    ],
)
def test_an_exporter_that_writes_something_else_is_named(writes, write, named, choose, trained, tmp_path) -> None:
    with pytest.raises(PluginError, match=named):
        export(trained, choose(writes, write), tmp_path / ("a" if writes.is_folder else "a.ply"))
    assert not list(tmp_path.iterdir())


def test_the_target_is_checked_before_the_export(choose, trained: Trained, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds files already"):
        export(trained, choose(VIEWS, cameras_and_depths), tmp_path)
    with pytest.raises(StorageError, match="cannot be written"):
        export(trained, choose(MESH, mesh_and_texture), tmp_path / "mine.txt" / "mesh.ply")
    assert tree(tmp_path) == {"mine.txt": "mine"}
