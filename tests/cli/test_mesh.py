"""`radfield mesh`: from pictures to a mesh with a texture, stage by stage, and on from where it stopped."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import trimesh

from radfield_core.cli import data as data_verb, eval as eval_verb, export as export_verb, train as train_verb
from radfield_core.cli.main import main
from radfield_core.cli.mesh import _compare, _Stages

SMALL = [
    "trainer.max_steps=3", "trainer.eval_views=0", "field.width=16", "field.encoding.n_levels=4",
    "field.encoding.log2_table_size=12",
]  # fmt: skip


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small object on a transparent backdrop, with cameras."""
    folder = tmp_path_factory.mktemp("mesh") / "thing"
    options = ["data.resolution=32", "data.n_train=6", "data.n_val=1", "data.n_test=2"]
    assert main(["data", "make", str(folder), "--format", "blender", "-q", *options]) == 0
    return folder


def test_each_stage_runs_once_and_the_same_command_continues(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["mesh", str(pictures), "--out", "thing.glb", "--quality", "draft", *SMALL]
    export = export_verb.run
    monkeypatch.setattr(export_verb, "run", lambda args: 1 / 0)  # the program ends between two stages
    assert main(command) == 70
    shown = capsys.readouterr().out
    assert "surface: the data shows an object on a transparent backdrop" in shown
    assert "$ radfield train --method neus-fast --data" in shown and not Path("thing.glb").exists()

    monkeypatch.setattr(export_verb, "run", export)
    monkeypatch.setattr(train_verb, "run", lambda args: pytest.fail("it is trained already"))
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert "$ radfield export thing-work/run --out thing.glb --exporter mesh" in shown and "psnr_with_gain" in shown
    mesh = trimesh.load("thing.glb", force="mesh")
    assert len(mesh.faces) > 100 and mesh.visual.material.baseColorTexture.size == (1024, 1024)

    monkeypatch.setattr(export_verb, "run", lambda args: pytest.fail("it is written already"))
    assert main(command) == 0

    assert main([*command[:-1], "trainer.seed=3"]) == 2
    assert "thing-work holds the stages of other options" in capsys.readouterr().err


def test_a_training_that_was_ended_goes_on(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    calls: list[list[str]] = []

    def ended(args) -> int:
        """A training that a signal ended after one step."""
        calls.append([args.resume or "", *args.overrides])
        (tmp_path / "m-work/run/checkpoints/step-000000001").mkdir(parents=True, exist_ok=True)
        return 130

    monkeypatch.setattr(train_verb, "run", ended)
    command = ["mesh", str(pictures), "--out", "m.glb", "--surface", "neus", "trainer.max_steps=2", "data.no_scale=1"]
    assert main(command) == 2, "options of the data are read with the data"
    command = command[:-1]
    assert main(command) == 130 and main(command) == 130
    assert [call[0] for call in calls] == ["", "m-work/run"]
    assert calls[0][1:] == ["trainer.max_steps=2"]


def test_photographs_get_cameras_first(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The solver is replaced by one that copies solved pictures: it has its own tests."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(pictures / "train", "photos")
    solved: list[str] = []

    def solve(args) -> int:
        solved.append(args.source)
        shutil.copytree(pictures, args.target)
        return 0

    monkeypatch.setattr(data_verb, "run", solve)
    monkeypatch.setattr(train_verb, "run", lambda args: 130)
    for _ in range(2):
        assert main(["mesh", "photos", "--out", "m.glb"]) == 130
    assert solved == ["photos"], "the cameras are solved once"
    assert json.loads(Path("m-work/mesh.json").read_text())["data"] == "m-work/cameras"


def test_a_comparison_says_whether_its_photographs_are_new(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """DTU tests on training views unless views are held out, as its papers do. Blender's test views may be missing."""
    compared: list[str] = []
    monkeypatch.setattr(eval_verb, "run", lambda args: compared.append(args.path) or 0)
    dtu = tmp_path / "scan"
    options = ["data.resolution=32", "data.n_train=6", "data.n_val=1", "data.n_test=2"]
    assert main(["data", "make", str(dtu), "--format", "dtu", "-q", *options]) == 0
    train = ["train", "--method", "neus-fast", "-q", "--no-report", *SMALL]
    alone = tmp_path / "alone"
    shutil.copytree(pictures, alone)
    (alone / "transforms_test.json").unlink()
    for data, said, times in ((dtu, "are training photographs", 1), (pictures, "", 2), (alone, "no test views", 2)):
        run = tmp_path / f"run-{data.name}"
        assert main([*train, "--data", str(data), "--out", str(run)]) == 0
        caplog.clear()
        _compare(run, tmp_path / "m.glb", _Stages(quiet=True))
        mesh_log = [record.message for record in caplog.records if record.name == "radfield_core.cli.mesh"]
        assert said in "".join(mesh_log) and bool(mesh_log) == bool(said) and len(compared) == times


def test_every_mistake_is_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mesh", str(tmp_path / "none"), "--out", "m.stl"]) == 2
    error = capsys.readouterr().err
    assert "there is no such file or folder" in error and "m.stl does not end in .glb, .obj or .ply" in error
    (tmp_path / "empty").mkdir()
    assert main(["mesh", str(tmp_path / "empty"), "--out", str(tmp_path / "m.glb")]) == 65
    assert "neither photographs nor a data set" in capsys.readouterr().err
    assert not (tmp_path / "m-work").exists()
