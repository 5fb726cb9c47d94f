"""Near, far and the region of formats that do not state them, at any scale."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from radfield_blender.blender import BlenderParser
from radfield_blender.config import BlenderConfig, TinyNerfConfig
from radfield_blender.limits import limits_of
from radfield_blender.tiny_nerf import TinyNerfParser


def poses(distance: float, n: int = 12, inward: bool = True) -> np.ndarray:
    """Cameras on a ring of this radius that look at its center, or away from it."""
    found = np.zeros((n, 4, 4))
    for i, angle in enumerate(np.arange(n) * 2 * np.pi / n):
        outward = np.array([np.cos(angle), np.sin(angle), 0.0])
        back = outward if inward else -outward
        right = np.cross([0.0, 0.0, 1.0], back)
        found[i] = np.eye(4)
        found[i, :3] = np.stack([right, np.cross(back, right), back, distance * outward], 1)
    return found


@pytest.mark.parametrize("distance", [2.1, 3.0, 16.25**0.5, 5.9])
def test_cameras_at_a_usual_distance_have_the_published_limits(distance: float) -> None:
    found = limits_of(poses(distance)[:, :3])
    assert (found.near, found.far, found.box.radius, found.notes) == (2.0, 6.0, 1.5, ())


@pytest.mark.parametrize("scale", [0.01, 0.3, 2.0, 37.0, 100.0])
def test_limits_grow_with_the_scene(scale: float) -> None:
    found = limits_of(poses(scale * 16.25**0.5)[:, :3])
    assert (found.near, found.far, found.box.radius) == pytest.approx((2 * scale, 6 * scale, 1.5 * scale))
    assert len(found.notes) == 1 and f"{scale:.3g} times" in found.notes[0]


@pytest.mark.parametrize("distance", [3.0, 4.3, 5.5])
def test_a_power_of_ten_is_preferred(distance: float) -> None:
    assert limits_of(poses(100 * distance)[:, :3]).near == pytest.approx(200)
    assert limits_of(poses(0.01 * distance)[:, :3]).far == pytest.approx(0.06)


def test_cameras_that_look_outward_keep_the_published_limits() -> None:
    assert limits_of(poses(0.3, inward=False)[:, :3]).far == 6.0
    assert limits_of(np.zeros((0, 3, 4))).near == 2.0
    at_origin = poses(1.0)[:, :3]
    at_origin[:, :, 3] = 0
    assert limits_of(at_origin).near == 2.0


@pytest.mark.parametrize("scale", [0.01, 1.0, 100.0])
def test_both_formats_have_limits_at_every_scale(tmp_path: Path, scale: float) -> None:
    matrices, pixels = poses(scale * 16.25**0.5), np.zeros((12, 4, 4, 3), np.uint8)
    Image.fromarray(pixels[0]).save(tmp_path / "view.png")
    frames = [{"file_path": "view.png", "transform_matrix": pose.tolist()} for pose in matrices]
    (tmp_path / "transforms_train.json").write_text(json.dumps({"camera_angle_x": 0.7, "frames": frames}))
    np.savez(tmp_path / "tiny.npz", images=pixels, poses=matrices, focal=5.0)
    for scene in (
        BlenderParser(BlenderConfig(root=str(tmp_path))).parse("train"),
        TinyNerfParser(TinyNerfConfig(root=str(tmp_path / "tiny.npz"), n_train=10)).parse("test"),
    ):
        assert (scene.near, scene.far, scene.box.radius) == pytest.approx((2 * scale, 6 * scale, 1.5 * scale))
