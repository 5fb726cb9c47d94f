"""Stand-ins for data sets as they are published or exported: each trains with no option but the method and the path."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest
from radfield_blender.writer import write_blender
from radfield_colmap.writer import write as write_colmap
from radfield_llff.writer import write as write_llff
from radfield_transforms.writer import write as write_transforms

from radfield_core.cli.main import main
from radfield_core.config.files import read_table
from radfield_core.testing.captures import toy_capture

SMALL = ["trainer.max_steps=2", "trainer.n_rays=16", "field.width=8", "sampler.n_samples=4", "trainer.device=cpu"]


def _trained(data: Path, out: Path, method: str = "tiny-nerf", *more: str) -> str:
    """Train, and return the format that was read."""
    assert main(["train", "--method", method, "--data", str(data), "--out", str(out), *SMALL, *more]) == 0
    return str(read_table(out / "config.toml")["data"]["type"])


def _blendernerf(folder: Path) -> None:
    """Camera angles and focal lengths at once, image names with endings, and no images but those of train/."""
    scene = toy_capture(8, size=(16, 16))
    write_blender({"train": scene.only(range(6)), "test": scene.only([6, 7])}, folder)
    for split in ("train", "test"):
        file = folder / f"transforms_{split}.json"
        meta = json.loads(file.read_text())
        focal = 8 / math.tan(meta["camera_angle_x"] / 2)
        frames = [{**each, "file_path": each["file_path"].removeprefix("./") + ".png"} for each in meta["frames"]]
        intrinsics = {"fl_x": focal, "fl_y": focal, "cx": 8.0, "cy": 8.0, "w": 16.0, "h": 16.0, "k1": 0.0, "p1": 0.0}
        file.write_text(json.dumps({**meta, **intrinsics, "aabb_scale": 4, "frames": frames}))
    shutil.rmtree(folder / "test")


def _fern(folder: Path) -> None:
    """LLFF's file of poses, photographs in two sizes, and COLMAP's model of the large ones."""
    folder.mkdir()
    scene = toy_capture(12, size=(32, 24), forward=True)
    write_llff({"train": scene}, folder)
    write_colmap({"train": scene}, folder / "model")
    shutil.move(folder / "model" / "sparse", folder / "sparse")
    shutil.rmtree(folder / "model")


def _fox(folder: Path) -> None:
    """A list of frames of which a quarter has no image, and no split."""
    folder.mkdir()
    write_transforms({"train": toy_capture(12, size=(16, 12))}, folder)
    file = folder / "transforms.json"
    meta = json.loads(file.read_text())
    meta = {key: value for key, value in meta.items() if not key.endswith("_filenames")}
    for number, place in enumerate((0, 3, 4, 9)):
        absent = {**meta["frames"][place], "file_path": f"images/absent_{number}.jpg"}
        meta["frames"].insert(place, absent)
    file.write_text(json.dumps(meta))


def test_a_blendernerf_folder_trains(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _blendernerf(tmp_path / "scene")
    assert _trained(tmp_path / "scene", tmp_path / "run") == "transforms"
    said = capsys.readouterr().err
    assert "which reads more than blender; add data.type=blender to change this" in said
    assert said.count("the test split lists 2 images, none of which exists") == 1
    assert _trained(tmp_path / "scene", tmp_path / "other", "tiny-nerf", "data.type=blender") == "blender"


@pytest.mark.parametrize("method", ["tiny-nerf", "nerf-llff"])
def test_a_published_llff_scene_trains(method: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _fern(tmp_path / "fern")
    more = ["trainer.eval_views=1", "sampler.n_importance=4"] if method == "nerf-llff" else []
    assert _trained(tmp_path / "fern", tmp_path / "run", method, *more) == "llff"
    assert "which reads more than colmap; add data.type=colmap to change this" in capsys.readouterr().err


def test_a_list_with_missing_images_trains(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _fox(tmp_path / "fox")
    assert _trained(tmp_path / "fox", tmp_path / "run") == "transforms"
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "missing" in line]
    start, _, names = line.partition(" left out: ")
    assert start == "warning: 4 of 16 images are missing and are"
    assert sorted(names.split(", ")) == [f"images/absent_{number}.jpg" for number in range(4)]
