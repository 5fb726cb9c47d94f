"""The report of `radfield data inspect` on equal cameras, cameras that look away or see nothing, and broken images."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

from radfield_core.cameras import Cameras
from radfield_core.data.images import FileImages, MemoryImages
from radfield_core.errors import DatasetError, NoSuchSplit
from radfield_core.inspection.report import camera_findings, camera_warnings, inspect, scene_facts
from radfield_core.interfaces import DataParser


@pytest.mark.parametrize("shape", ["box", "sphere"])
def test_cameras_that_see_the_region_need_no_warning(shape, ring):
    assert camera_warnings(ring(shape=shape)) == []


def test_two_cameras_that_are_alike_are_named(ring):
    scene = ring()
    scene.cameras.c2w[4] = scene.cameras.c2w[1]
    (warning,) = camera_warnings(scene)
    assert warning.startswith("view 4:") and "another view" in warning


def test_views_of_several_scales_may_share_their_poses(ring):
    scene = ring()
    scene.cameras.c2w[3:] = scene.cameras.c2w[:3]
    assert len(camera_warnings(scene)) == 1
    assert camera_warnings(dataclasses.replace(scene, groups=["full"] * 3 + ["1/2"] * 3)) == []


def test_a_camera_that_looks_away_is_named_with_its_angle(ring):
    scene = ring()
    scene.cameras.c2w[2, :, 0] *= -1
    scene.cameras.c2w[2, :, 2] *= -1
    (warning,) = camera_warnings(scene)
    assert "view 2: the camera looks away" in warning and "180°" in warning


def test_panoramas_look_nowhere_away_and_span_360_degrees(ring):
    scene = ring()
    scene.cameras.c2w[:, :, [0, 2]] *= -1  # their axes point outward
    assert "looks away" in camera_warnings(scene)[0]
    scene = dataclasses.replace(scene, cameras=Cameras.equirectangular(scene.cameras.c2w, 32))
    assert camera_findings(scene)[1] == []
    assert dict(scene_facts(scene))["focal"] == "10.19 px per radian (360.0° across)"
    assert "coverage" not in dict(camera_findings(scene)[0])


def test_a_region_beyond_near_and_far_is_said_with_numbers(ring):
    (warning,) = camera_warnings(ring(shape="sphere", far=2.5))
    assert "outside of near and far" in warning and "and 1 more" in warning and "4" in warning
    assert len(camera_warnings(ring(shape="sphere", near=5.5, far=9.0))) == 1
    assert camera_warnings(ring(shape="sphere", near=4.9, far=9.0)) == []


class _Parser(DataParser):
    def __init__(self, scenes):
        super().__init__(None)
        self.scenes = scenes

    def parse(self, split):
        found = self.scenes[split]
        if isinstance(found, Exception):
            raise found
        return found


def test_every_split_is_reported_and_every_broken_image_found(tmp_path, ring):
    paths = [tmp_path / f"{i}.png" for i in range(6)]
    for i, path in enumerate(paths):
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(path)
    Image.new("RGB", (32, 32), "red").save(paths[5])
    for i in (1, 3):
        paths[i].write_bytes(paths[i].read_bytes()[:200])
    broken = ring(images=FileImages(paths, 3))
    scenes = {"train": broken, "val": NoSuchSplit("no file"), "test": DatasetError("bad pose", path="frame 3")}
    train, val, test = inspect(_Parser(scenes), quiet=True)
    assert [problem.path for problem in train.problems] == [str(paths[1]), str(paths[3])]
    (warning,) = train.warnings
    assert warning.startswith("view 5:") and "single color" in warning
    facts = dict(train.facts)
    assert facts["views"] == "6" and facts["size"] == "32×32" and "30.0° across" in facts["focal"]
    assert "4 to 4" in facts["cameras"] and "RGB; 4 images can be read" in facts["pixels"]
    assert val.absent == "no file" and not val.problems
    assert test.scene is None and test.problems[0].path == "frame 3"


def test_transparency_is_measured(ring):
    images = torch.full((2, 32, 32, 4), 255, dtype=torch.uint8)
    images[:, :8, :, 3] = 0
    images[:, 0, 0, 0] = 7
    (report, *_) = inspect(_Parser({s: ring(2, images=MemoryImages(images)) for s in DataParser.splits}), quiet=True)
    assert dict(report.facts)["pixels"].startswith("RGBA, straight alpha, 25 % transparent")


def test_what_the_user_chose_is_a_fact_and_no_warning(ring):
    chosen = dataclasses.replace(ring(3), chosen=("3 of 6 train views are used, as data.every says",))
    (report, *_) = inspect(_Parser({split: chosen for split in DataParser.splits}), quiet=True)
    assert ("chosen", chosen.chosen[0]) in report.facts and chosen.chosen[0] not in report.warnings
