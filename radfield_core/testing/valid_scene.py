"""A check for scenes. Every scene that a dataparser returns must pass it, even if the scene's files are damaged."""

from __future__ import annotations

import torch

from radfield_core.data.scene import Scene


def assert_valid_scene(scene: Scene) -> None:
    """Raise AssertionError unless a scene is complete and finite.

    A valid scene has at least one view. Each view has an image, a camera and a name. All values are finite. Focal
    lengths and image sizes are positive. Rotations are orthonormal within 1e-6. The near and far distances satisfy
    0 ≤ near < far. The box has a positive size.
    """
    cameras = scene.cameras
    assert len(cameras) == len(scene.images) == len(scene.names) > 0
    for tensor in (cameras.c2w, cameras.intrinsics, scene.to_data, scene.box.center):
        assert tensor.isfinite().all()
    assert cameras.distortion is None or cameras.distortion.isfinite().all()
    assert (cameras.intrinsics[:, :2] > 0).all() and (cameras.sizes > 0).all()
    rotations = cameras.c2w[:, :, :3]
    error = rotations @ rotations.mT - torch.eye(3, dtype=torch.float64)
    assert error.abs().max() < 1e-6
    assert 0 <= scene.near < scene.far < float("inf") and 0 < scene.box.radius < float("inf")
    assert scene.points is None or scene.points.isfinite().all()
    if (colors := scene.point_colors) is not None:
        assert scene.points is not None and colors.shape == scene.points.shape and colors.dtype == torch.uint8
