"""Captures that can be read and yet will not train well: warned of with numbers, in every format."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import radfield_blender.writer
import radfield_colmap.writer
import radfield_llff.writer
import radfield_transforms.writer
from PIL import Image

from radfield_core.cli.main import main
from radfield_core.testing.captures import toy_capture

WRITERS = {
    "blender": radfield_blender.writer.write_blender, "colmap": radfield_colmap.writer.write,
    "llff": radfield_llff.writer.write, "transforms": radfield_transforms.writer.write,
}  # fmt: skip
SMALL = [
    "trainer.max_steps=2", "trainer.n_rays=16", "field.width=8", "field.depth=3", "field.skip_layer=2",
    "sampler.n_samples=4", "trainer.device=cpu",
]  # fmt: skip


@pytest.mark.parametrize("name", WRITERS)
def test_cameras_that_are_all_the_same_are_warned_of_with_numbers_and_a_picture(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = toy_capture(9, forward=True)
    same = dataclasses.replace(scene.cameras, c2w=scene.cameras.c2w[:1].expand(9, 3, 4).clone())
    (tmp_path / "scene").mkdir()
    WRITERS[name]({"train": dataclasses.replace(scene, cameras=same)}, tmp_path / "scene")
    assert main(["data", "inspect", str(tmp_path / "scene"), "--out", str(tmp_path / "out"), "-q"]) == 0
    said = capsys.readouterr().out
    assert "the pose equals that of another view" in said and "too close to determine depth" in said
    assert np.asarray(Image.open(tmp_path / "out" / "cameras.png").convert("L")).std() > 10
    method = ["tiny-nerf", "scene.near=1", "scene.far=2"] if name == "llff" else ["tiny-nerf"]
    command = ["train", "--data", str(tmp_path / "scene"), "--out", str(tmp_path / "run"), "-q", *SMALL, "--method"]
    assert main([*command, *method]) == 0
    warned = capsys.readouterr().err
    assert "the pose equals that of another view" in warned and "too close to determine depth" in warned


def test_a_scene_of_one_image_without_any_to_test_trains_with_warnings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "scene"
    WRITERS["blender"]({"train": toy_capture(1)}, folder)
    meta = json.loads((folder / "transforms_train.json").read_text())
    (folder / "transforms_test.json").write_text(json.dumps(meta | {"frames": []}))
    command = ["train", "--method", "tiny-nerf", "--data", str(folder), "--out", str(tmp_path / "run"), "-q", *SMALL]
    assert main(command) == 0
    said = capsys.readouterr().err
    assert "single training view" in said
    assert "the data has neither validation nor test views" in said
    assert main(["eval", str(tmp_path / "run"), "-q"]) == 65
    assert "the split is empty" in capsys.readouterr().err
