"""A valid scene passes, and each fault that a dataparser may leave in one is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from radfield_core.data.scene import Scene
from radfield_core.testing.captures import toy_capture
from radfield_core.testing.valid_scene import assert_valid_scene


def with_camera(scene: Scene, name: str, index: tuple[int, ...], value: float) -> Scene:
    """The scene with one number of its cameras changed."""
    tensor = getattr(scene.cameras, name).clone()
    tensor[index] = value
    return replace(scene, cameras=replace(scene.cameras, **{name: tensor}))


FAULTS: dict[str, Callable[[Scene], Scene]] = {
    "a name is missing": lambda scene: replace(scene, names=scene.names[:-1]),
    "there is no view": lambda scene: scene.only([]),
    "a position is NaN": lambda scene: with_camera(scene, "c2w", (0, 0, 3), float("nan")),
    "a rotation is scaled": lambda scene: with_camera(scene, "c2w", (0, 0, 0), 3.0),
    "a focal length is negative": lambda scene: with_camera(scene, "intrinsics", (1, 1), -1.0),
    "a size is zero": lambda scene: with_camera(scene, "sizes", (2, 0), 0),
    "near is greater than far": lambda scene: replace(scene, near=scene.far, far=scene.near),
    "near is negative": lambda scene: replace(scene, near=-0.1),
    "far is infinite": lambda scene: replace(scene, far=float("inf")),
    "the box has no size": lambda scene: replace(scene, box=replace(scene.box, radius=0.0)),
    "a point is infinite": lambda scene: replace(scene, points=torch.full((1, 3), float("inf"))),
    "the transform is NaN": lambda scene: replace(scene, to_data=torch.full((4, 4), float("nan"))),
}


def test_a_toy_capture_is_valid() -> None:
    assert_valid_scene(toy_capture(3))


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_found(fault: str) -> None:
    with pytest.raises(AssertionError):
        assert_valid_scene(FAULTS[fault](toy_capture(3)))
