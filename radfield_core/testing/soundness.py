"""What a scene that a parser accepts must keep, whatever was in its files."""

from __future__ import annotations

import torch

from radfield_core.data.scene import Scene


def assert_sound(scene: Scene) -> None:
    """What a parser accepts is finite: cameras with positive focal lengths, limits in order, a box, a way back."""
    cameras = scene.cameras
    assert len(cameras) == len(scene.images) == len(scene.names) > 0
    for tensor in (cameras.c2w, cameras.intrinsics, scene.to_data, scene.box.center):
        assert tensor.isfinite().all()
    assert cameras.distortion is None or cameras.distortion.isfinite().all()
    assert (cameras.intrinsics[:, :2] > 0).all() and (cameras.sizes > 0).all()
    drift = cameras.c2w[:, :, :3] @ cameras.c2w[:, :, :3].mT - torch.eye(3, dtype=torch.float64)
    assert drift.abs().max() < 1e-6
    assert 0 <= scene.near < scene.far < float("inf") and 0 < scene.box.radius < float("inf")
    assert scene.points is None or scene.points.isfinite().all()
