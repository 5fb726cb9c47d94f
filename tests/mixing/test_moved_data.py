"""Runs whose data were moved, changed or deleted, from the command line."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from radfield_core.cli.main import main

TINY = ["data.resolution=12", "data.n_train=3", "data.n_val=1", "data.n_test=2", "data.supersample=1"]
TRAIN = ["trainer.max_steps=2", "trainer.n_rays=8", "field.width=16", "sampler.n_samples=8", "trainer.device=cpu"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the data `scene` and the run `runs/a`."""
    base = tmp_path_factory.mktemp("made")
    assert main(["data", "make", str(base / "scene"), "--format", "blender", "-q", *TINY]) == 0
    words = ["--method", "tiny-nerf", "--data", str(base / "scene"), "--out", str(base / "runs" / "a"), "-q", *TRAIN]
    assert main(["train", *words]) == 0
    return base


@pytest.fixture
def moved(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, moved together, so that only the relative path leads to the data."""
    shutil.copytree(made, tmp_path / "base")
    monkeypatch.chdir(tmp_path / "base")
    for name in ("config.toml", "data.json"):
        file = tmp_path / "base" / "runs" / "a" / name
        file.write_text(file.read_text().replace(str(made), "/gone"))
    return tmp_path / "base"


def test_a_run_that_was_moved_with_its_data_works_in_every_verb(
    moved: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["eval", "runs/a"]) == 0
    shown = capsys.readouterr()
    assert f"they are read from {moved}/scene" in shown.out and "have changed" not in shown.err
    assert main(["train", "--resume", "runs/a", "trainer.max_steps=3"]) == 0
    assert f'changed: data.root: "/gone/scene" -> "{moved}/scene"' in capsys.readouterr().out
    assert f'root = "{moved}/scene"' in (moved / "runs" / "a" / "config.toml").read_text()


def test_without_data_a_run_is_rendered_and_exported_from_what_it_stores(
    moved: Path, made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--views", "1", "--frames", "2", "--video", "gif", "-q"]
    assert main(["render", "runs/a", *words, "--out", "with"]) == 0
    shutil.rmtree("scene")
    assert main(["render", "runs/a", *words, "--out", "without"]) == 0
    pictures = sorted(path.name for path in Path("with").iterdir())
    assert len(pictures) == 4 and sorted(path.name for path in Path("without").iterdir()) == pictures
    for name in pictures:
        assert (Path("with") / name).read_bytes() == (Path("without") / name).read_bytes(), name
    assert main(["export", "runs/a", "--exporter", "pointcloud", "n_points=20", "--out", "points.ply"]) == 0
    capsys.readouterr()


@pytest.mark.parametrize(
    "words", [["eval", "runs/a"], ["train", "--resume", "runs/a"], ["eval", "runs/a", "--metric", "point-to-mesh"]]
)
def test_data_that_are_gone_are_named_with_the_command_that_says_where_they_are(
    words: list[str], moved: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("scene").rename("elsewhere")
    assert main(words) == 65
    error = capsys.readouterr().err
    assert "/gone/scene: the data of this run are not there any more" in error
    assert f"try: radfield {' '.join(words)} --data PATH" in error
    assert main([*words, "--data", "elsewhere"]) == (2 if "--metric" in words else 0)


@pytest.mark.parametrize("verb", ["eval", "render", "export"])
def test_a_place_without_data_is_refused_at_once(verb: str, moved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "runs/a", "--data", "scnee"]) == 65
    error = capsys.readouterr().err
    assert "scnee" in error and "try: " in error and "Traceback" not in error


def test_changed_files_are_reported_by_eval_and_resume(moved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.utime("scene/test/r_1.png", (1, 1))
    os.utime("scene/train/r_0.png", (1, 1))
    assert main(["eval", "runs/a", "-q"]) == 0
    assert "warning: the data have changed: test: 1 file (test/r_1.png) was written since" in capsys.readouterr().err
    assert main(["train", "--resume", "runs/a", "-q", "trainer.max_steps=3"]) == 0
    error = capsys.readouterr().err
    assert "train: 1 file (train/r_0.png) was written since" in error
    assert main(["train", "--resume", "runs/a", "-q", "trainer.max_steps=4"]) == 0
    assert "have changed" not in capsys.readouterr().err, "the resumed run knows its data as they are now"


def test_other_cameras_are_refused_at_resuming_unless_allowed(moved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "make", "other", "--format", "blender", "-q", *TINY, "data.radius=5"]) in (0, 2)
    file = Path("scene/transforms_train.json")
    file.write_text(file.read_text().replace('camera_angle_x": 0.', 'camera_angle_x": 0.0'))
    resume = ["train", "--resume", "runs/a", "-q", "trainer.max_steps=3"]
    assert main(resume) == 2
    error = capsys.readouterr().err
    assert "the data differ from those that the run was trained on" in error and "3 cameras" in error
    assert "--allow-config-change" in error
    assert main(["eval", "runs/a", "-q"]) == 0
    assert main([*resume, "--allow-config-change"]) == 0
    assert "have changed: train: 3 cameras" in capsys.readouterr().err
