"""Observations of the points of a reconstruction, and depth and normal images beside the photographs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from radfield_colmap.config import ColmapConfig
from radfield_colmap.dataparser import Colmap
from radfield_colmap.model import SparseImage, SparseModel
from radfield_colmap.observed import observations
from radfield_colmap.writer import write

from radfield_core import project
from radfield_core.data.scene import known_maps
from radfield_core.testing.captures import toy_capture


def test_an_observed_point_projects_to_its_pixel(tmp_path):
    write({"train": toy_capture(6)}, tmp_path)
    scene = Colmap(ColmapConfig(root=str(tmp_path), holdout=0)).parse("train")
    seen = scene.observations
    assert len(seen) > 100
    for view in range(6):
        rows = (seen.views == view).nonzero()[:, 0]
        pixels, _ = project(scene.cameras.view(view), scene.points[seen.points[rows]])
        torch.testing.assert_close(pixels, seen.pixels[rows], rtol=0, atol=1e-3)
    unit = float(torch.linalg.det(scene.to_data[:3, :3])) ** (1 / 3)
    in_data = Colmap(ColmapConfig(root=str(tmp_path), holdout=0, auto_scale=False)).parse("train").observations
    torch.testing.assert_close(in_data.sigmas, seen.sigmas * unit, rtol=1e-6, atol=0)
    split = Colmap(ColmapConfig(root=str(tmp_path), holdout=2))
    train = split.parse("train")
    assert len(train.cameras) == 3 and int(train.observations.views.max()) == 2
    assert set(train.observations.sigmas.tolist()) <= set(seen.sigmas.tolist()), "uncertainty is that of all views"


def test_keypoints_without_a_point_and_damaged_ones_are_left_out():
    pose = np.array([1.0, 0.0, 0.0, 0.0]), np.zeros(3)
    images = tuple(
        SparseImage(f"{i}.png", 1, pose[0], pose[1] + (i, 0, 0), np.array(xy), np.array([7, -1, 3, 9]))
        for i, xy in enumerate([[[1.0, 2], [3, 4], [5, 6], [7, 8]], [[9.0, 10], [3, 4], [np.nan, 6], [1e9, 8]]])
    )
    camera = type("Camera", (), {"intrinsics": (100.0, 100.0, 5.0, 5.0)})
    points, colors, errors = np.full((3, 3), 5.0), np.zeros((3, 3), np.uint8), np.array([0.0, np.nan, 2.0])
    model = SparseModel({1: camera}, images, np.array([9, 3, 7]), points, colors, errors)
    seen = observations(model)
    assert seen.views.tolist() == [0, 0, 0, 1]
    assert seen.points.tolist() == [2, 1, 0, 2]
    assert seen.pixels.tolist() == [[0.5, 1.5], [4.5, 5.5], [6.5, 7.5], [8.5, 9.5]]
    assert seen.sigmas.isinf().tolist() == [False, True, True, False], "seen by one view, a distance is unknown"
    assert observations(replace(model, points=np.zeros((0, 3)), point_ids=np.zeros(0, np.int64))) is None


@pytest.mark.parametrize("kind", ["depths", "normals"])
def test_maps_beside_the_photographs_are_found(kind, tmp_path):
    write({"train": toy_capture(4)}, tmp_path)
    (tmp_path / kind).mkdir()
    height, width = toy_capture(4).images[0].shape[:2]
    for name in ("view_000", "view_002"):
        np.save(tmp_path / kind / f"{name}.npy", np.ones((height, width, 3) if kind == "normals" else (height, width)))
    scene = Colmap(ColmapConfig(root=str(tmp_path), holdout=0)).parse("train")
    assert known_maps(getattr(scene, kind)) == 2
    assert any(f"2 of 4 views have no {kind[:-1]} image" in note for note in scene.notes)
