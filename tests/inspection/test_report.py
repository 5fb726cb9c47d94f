"""What `radfield data inspect` says of cameras alike, looking away or seeing nothing, and of images that are broken."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

from radfield_core.cameras import Cameras
from radfield_core.data.images import FileImages, MemoryImages
from radfield_core.data.scene import Scene
from radfield_core.errors import DatasetError, NoSuchSplit
from radfield_core.inspection.report import camera_warnings, inspect
from radfield_core.inspection.sheets import contact_sheet, frustum_picture
from radfield_core.interfaces import DataParser
from radfield_core.types import SceneBox


def _scene(n=6, shape="box", images=None, near=2.0, far=6.0):
    """n cameras on a circle of radius 4, looking at the origin, 30° wide."""
    turn = 2 * torch.pi * torch.arange(n, dtype=torch.float64) / n
    zero, one = torch.zeros_like(turn), torch.ones_like(turn)
    right = torch.stack([-turn.sin(), turn.cos(), zero], -1)
    back = torch.stack([turn.cos(), turn.sin(), zero], -1)
    c2w = torch.stack([right, torch.stack([zero, zero, one], -1), back, 4 * back], -1)
    cameras = Cameras.pinhole(c2w, 16 / np.tan(np.radians(15)), 32, 32)
    images = images or MemoryImages(torch.randint(0, 256, (n, 32, 32, 4), dtype=torch.uint8))
    names = [f"view {i}" for i in range(n)]
    return Scene(cameras, images, near, far, SceneBox(torch.zeros(3), 1.0, shape), names=names)


@pytest.mark.parametrize("shape", ["box", "sphere"])
def test_cameras_that_see_the_region_need_no_warning(shape):
    assert camera_warnings(_scene(shape=shape)) == []


def test_two_cameras_that_are_alike_are_named():
    scene = _scene()
    scene.cameras.c2w[4] = scene.cameras.c2w[1]
    assert camera_warnings(scene) == ["view 4 have the camera of another view"]


def test_a_camera_that_looks_away_is_named_with_its_angle():
    scene = _scene()
    scene.cameras.c2w[2, :, 0] *= -1
    scene.cameras.c2w[2, :, 2] *= -1
    (warning,) = camera_warnings(scene)
    assert "view 2 look away" in warning and "180°" in warning


def test_a_region_beyond_near_and_far_is_said_with_numbers():
    (warning,) = camera_warnings(_scene(shape="sphere", far=2.5))
    assert "outside of near and far" in warning and "and 1 more" in warning and "4" in warning
    assert len(camera_warnings(_scene(shape="sphere", near=5.5, far=9.0))) == 1
    assert camera_warnings(_scene(shape="sphere", near=4.9, far=9.0)) == []


class _Parser(DataParser):
    def __init__(self, scenes):
        self.scenes = scenes

    def parse(self, split):
        found = self.scenes[split]
        if isinstance(found, Exception):
            raise found
        return found


def test_every_split_is_reported_and_every_broken_image_found(tmp_path):
    paths = [tmp_path / f"{i}.png" for i in range(6)]
    for i, path in enumerate(paths):
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(path)
    Image.new("RGB", (32, 32), "red").save(paths[5])
    for i in (1, 3):
        paths[i].write_bytes(paths[i].read_bytes()[:200])
    broken = _scene(images=FileImages(paths, 3))
    scenes = {"train": broken, "val": NoSuchSplit("no file"), "test": DatasetError("bad pose", path="frame 3")}
    train, val, test = inspect(_Parser(scenes), quiet=True)
    assert [problem.path for problem in train.problems] == [str(paths[1]), str(paths[3])]
    assert train.warnings == ["view 5 are of one color"]
    facts = dict(train.facts)
    assert facts["views"] == "6" and facts["size"] == "32×32" and "30.0° across" in facts["focal"]
    assert "4 to 4" in facts["cameras"] and "RGB; 4 images read" in facts["pixels"]
    assert val.absent == "no file" and not val.problems
    assert test.scene is None and test.problems[0].path == "frame 3"
    contact_sheet({"train": broken}, tmp_path / "sheet.png")
    assert Image.open(tmp_path / "sheet.png").size == (6 * 160, 24 + 176)


def test_transparency_is_measured():
    images = torch.full((2, 32, 32, 4), 255, dtype=torch.uint8)
    images[:, :8, :, 3] = 0
    images[:, 0, 0, 0] = 7
    (report, *_) = inspect(_Parser({s: _scene(2, images=MemoryImages(images)) for s in DataParser.splits}), quiet=True)
    assert dict(report.facts)["pixels"].startswith("RGBA, straight alpha, 25 % transparent")


def test_splits_of_the_same_views_are_shown_once(tmp_path):
    held, other = _scene(3), _scene(3)
    contact_sheet({"train": _scene(7), "val": held, "test": held}, tmp_path / "same.png")
    assert Image.open(tmp_path / "same.png").size == (6 * 160, (24 + 2 * 176) + (24 + 176))
    other.cameras.c2w[2] = _scene(7).cameras.c2w[3]
    contact_sheet({"train": _scene(7), "val": held, "test": other}, tmp_path / "other.png")
    assert Image.open(tmp_path / "other.png").size == (6 * 160, (24 + 2 * 176) + 2 * (24 + 176))
    frustum_picture({"train": _scene(7), "val": held, "test": held}, tmp_path / "x.png")
    pixels = np.asarray(Image.open(tmp_path / "x.png").convert("RGB")).astype(int)
    assert (np.abs(pixels - (0xE0, 0x9F, 0x3E)).max(-1) < 40).sum() > 50


@pytest.mark.parametrize("radius", [0.1, 6.0])
def test_the_frustum_picture_cuts_nothing_off(tmp_path, radius):
    scene = _scene()
    frustum_picture({"train": dataclasses.replace(scene, box=SceneBox(torch.zeros(3), radius))}, tmp_path / "x.png")
    pixels = np.asarray(Image.open(tmp_path / "x.png").convert("RGB"))
    assert all((side == 255).all() for side in (pixels[:2], pixels[-2:], pixels[:, :2], pixels[:, -2:]))


def test_the_frustum_picture_shows_every_split_in_its_color(tmp_path):
    frustum_picture({"train": _scene(), "test": _scene(3, "sphere")}, tmp_path / "x.png")
    pixels = np.asarray(Image.open(tmp_path / "x.png").convert("RGB")).astype(int)
    for color in ((0x2A, 0x6F, 0x97), (0x9E, 0x2A, 0x2B)):
        assert (np.abs(pixels - color).max(-1) < 40).sum() > 50
    assert (np.abs(pixels - (0xE0, 0x9F, 0x3E)).max(-1) < 20).sum() == 0
