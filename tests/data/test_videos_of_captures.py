"""Camera paths of real captures: a video shows what the photographs show."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from radfield_core.config.layers import compose
from radfield_core.data.placement import focus_point
from radfield_core.plugins.registry import get_registry
from radfield_core.render.camera_paths import camera_path
from radfield_core.runs.scenes import Scenes


@pytest.mark.parametrize(
    ("method", "data"),
    [
        ("ngp-capture", "instant_ngp/fox"),
        ("ngp-capture", "colmap/can"),
        ("nerf-llff", "llff/fern"),
        ("nerf-llff", "llff/horns"),
        ("neus-fast", "dtu/scan37"),
        ("neus-fast", "dtu/scan65"),
    ],
)
def test_a_video_looks_within_five_degrees_of_what_the_cameras_look_at(method: str, data: str, test_data: Path) -> None:
    overrides = ["data.type=colmap"] if data.startswith("colmap") else []
    scene = Scenes(compose(get_registry(), method=method, data=test_data / data, overrides=overrides).run).get("train")
    _, c2w = camera_path(scene, "auto", 12)
    focus = torch.from_numpy(focus_point(scene.cameras.c2w.double().numpy()))
    toward = torch.nn.functional.normalize(focus - c2w[:, :, 3], dim=-1)
    angles = torch.rad2deg(torch.acos((-c2w[:, :, 2] * toward).sum(-1).clamp(-1, 1)))
    assert float(angles.max()) < 5.0
