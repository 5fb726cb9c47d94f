"""Exports: files with a sidecar each, that says which frame and which checkpoint."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from radfield_core.config.slots import Choice
from radfield_core.errors import StorageError
from radfield_core.plugin import component
from radfield_core.runs import exporting
from radfield_core.runs.exporting import export
from radfield_core.runs.folder import RunFolder
from radfield_core.runs.trained import Trained


class Writer:
    """An exporter that writes two meshes and a picture."""

    def __init__(self, config: object):
        self.config = config

    def export(self, model: object, scene: object, path: Path) -> list[Path]:
        path.parent.mkdir(parents=True, exist_ok=True)
        files = [path.with_suffix(suffix) for suffix in (".ply", ".glb", ".png")]
        for file in files:
            file.write_text("x")
        return files


@pytest.fixture
def choice(monkeypatch: pytest.MonkeyPatch) -> Choice:
    monkeypatch.setattr(exporting, "check_part", lambda *_: None)
    monkeypatch.setattr(Choice, "load", lambda choice: Writer)
    declared = component("exporter", "writer", impl="x:Y", config="x:Z", summary="s")
    return Choice("writer", declared, SimpleNamespace())


def with_up(trained: Trained, up: str | None) -> Trained:
    """The run, with another up axis of its scene."""
    scene = dataclasses.replace(trained.scenes.get("train"), up=up)
    return dataclasses.replace(trained, scenes=SimpleNamespace(views=lambda split: scene))  # type: ignore[arg-type]


def test_every_file_but_pictures_gets_a_sidecar(choice: Choice, trained: Trained, tmp_path: Path) -> None:
    files = export(with_up(trained, "z"), choice, tmp_path / "out.ply")
    names = [path.name for path in files]
    assert names == ["out.ply", "out.glb", "out.png", "out.ply.json", "out.glb.json"]
    sidecar = json.loads((tmp_path / "out.ply.json").read_text())
    manifest = (trained.checkpoint / "MANIFEST.json").read_bytes()
    assert sidecar["checkpoint_manifest_sha256"] == hashlib.sha256(manifest).hexdigest()
    assert (sidecar["file"], sidecar["step"], sidecar["up"]) == ("out.ply", 2, "z")
    assert sidecar["scene_to_data"] == trained.scenes.get("train").to_data.tolist()


@pytest.mark.parametrize(("up", "expected"), [("z", "y"), (None, None)])
def test_only_glb_is_rotated_and_only_if_up_is_known(
    up: str | None, expected: str | None, choice: Choice, trained: Trained, tmp_path: Path
) -> None:
    export(with_up(trained, up), choice, tmp_path / "out.ply")
    ply, glb = (json.loads((tmp_path / f"out.{kind}.json").read_text()) for kind in ("ply", "glb"))
    assert ply["up"] == up and glb["up"] == expected
    assert ply["frame"] == "the data's own" and ("not rotated" in glb["frame"]) == (up is None)


def test_an_existing_folder_is_written_into_under_the_exporter_s_name(
    choice: Choice, trained: Trained, tmp_path: Path
) -> None:
    assert export(trained, choice, tmp_path)[0] == tmp_path / "writer.ply"
    moved = dataclasses.replace(trained, folder=RunFolder(tmp_path / "run"))
    assert export(moved, choice, None)[0] == tmp_path / "run" / "exports" / "writer.ply"


def test_a_target_that_cannot_be_written_is_a_storage_error(choice: Choice, trained: Trained, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        export(trained, choice, tmp_path / "file" / "mesh.ply")
