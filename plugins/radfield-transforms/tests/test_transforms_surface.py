"""Depth and normal images listed by transforms.json, from the file to a scene."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from radfield_transforms.writer import write

from radfield_core import DatasetError
from radfield_core.config.layers import compose_data
from radfield_core.data.normalize import normalized
from radfield_core.data.scene import known_maps
from radfield_core.interfaces.dataparser import open_data_set
from radfield_core.plugins.registry import get_registry
from radfield_core.rays import pixel_rays
from radfield_core.testing.training import toy_scene, with_surface
from radfield_core.train.extras import Extras

SCENE = replace(with_surface(toy_scene(5, 24)), names=[f"v{i}" for i in range(5)], points=None, observations=None)
KEEP = ["data.orientation=none", "data.center=none", "data.auto_scale=false", "data.holdout=0"]


def written(folder) -> None:
    """Write the toy ball with depths along the axis, in whole numbers, and normals in the camera's axes."""
    write({"train": SCENE}, folder)
    meta = json.loads((folder / "transforms.json").read_text())
    (folder / "maps").mkdir()
    for view, frame in enumerate(meta["frames"]):
        if view == 3:
            continue
        normals, c2w = SCENE.normals[view].double(), SCENE.cameras.c2w[view]
        depth = ((normals - c2w[:, 3]) @ -c2w[:, 2]) * SCENE.depths[view].isfinite()
        Image.fromarray((depth * 1e4).round().numpy().astype(np.uint16)).save(folder / "maps" / f"{view}.png")
        np.save(folder / "maps" / f"{view}.npy", (normals @ c2w[:, :3] * torch.tensor([1.0, -1.0, -1.0])).numpy())
        frame.update(depth_file_path=f"maps/{view}.png", normal_file_path=f"maps/{view}.npy")
    meta["depth_unit_scale_factor"] = 1e-4
    (folder / "transforms.json").write_text(json.dumps(meta))


def read(folder, *words: str):
    return open_data_set(compose_data(get_registry(), folder, ["data.type=transforms", *words])[0]).parse("train")


def test_listed_depths_and_normals_are_those_of_the_surface(tmp_path) -> None:
    written(tmp_path)
    scene = read(tmp_path, *KEEP)
    assert known_maps(scene.depths) == known_maps(scene.normals) == 4
    assert any("1 of 5 views has no depth image" in note for note in scene.notes)
    for view in (0, 1, 2, 4):
        known = SCENE.depths[view].isfinite()
        torch.testing.assert_close(scene.depths[view][known], SCENE.depths[view][known].float(), rtol=0, atol=2e-4)
        torch.testing.assert_close(scene.normals[view], SCENE.normals[view].float(), rtol=0, atol=1e-5)
    assert scene.depths[3].isnan().all() and not scene.normals[3].any()


def test_they_follow_the_scene_when_it_is_turned_scaled_chosen_and_reduced(tmp_path) -> None:
    written(tmp_path)
    scene = read(tmp_path, "data.holdout=0", "data.views=4,1", "data.downscale=2")
    scene = normalized(scene, torch.tensor([0.1, 0.0, 0.2]), 3.0)
    for view, depth in enumerate(scene.depths):
        hits = depth.isfinite().nonzero()
        assert len(hits) > 10
        rays = pixel_rays(scene, torch.full((len(hits),), view), hits[:, 0], hits[:, 1], torch.float64)
        ends = rays.origins + rays.directions * depth[hits[:, 0], hits[:, 1]].double()[:, None]
        in_data = ends @ scene.to_data[:3, :3].T + scene.to_data[:3, 3]
        inner = (in_data.norm(dim=-1) - 1.0).abs()
        assert float(inner.median()) < 0.01 and float(inner.max()) < 0.2, "on the ball of radius 1"
        normals = scene.normals[view][hits[:, 0], hits[:, 1]].double()
        turn = scene.to_data[:3, :3] / scene.to_data[:3, :3].det().abs().pow(1 / 3)
        agree = ((normals @ turn.T) * torch.nn.functional.normalize(in_data, dim=-1)).sum(-1)
        assert float(agree.median()) > 0.99


def test_a_damaged_depth_image_is_named_before_training(tmp_path) -> None:
    written(tmp_path)
    (tmp_path / "maps" / "1.png").write_bytes(b"damaged")
    scene = read(tmp_path, *KEEP)
    with pytest.raises(DatasetError, match=r"depth image of images/v1\.png"):
        Extras(scene, {"depths": 0.0}).sources["depths"].maps.prepare(16)
