"""A surface that encloses cameras is found by the sign of the distance at their positions."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from radfield_core.cameras import Cameras
from radfield_core.data.images import MemoryImages
from radfield_core.data.scene import Scene
from radfield_core.model.enclosed import enclosed_cameras, enclosed_warnings
from radfield_core.types import SceneBox


class Spheres(torch.nn.Module):
    """A surface of spheres at the given places, with radius 0.2."""

    def __init__(self, places):
        super().__init__()
        self.places = torch.nn.Parameter(torch.tensor(places))

    def queries(self):
        return self

    def sdf(self, x):
        return torch.cdist(x, self.places).amin(-1) - 0.2

    def gradient(self, x):
        return torch.nn.functional.normalize(x - self.places[torch.cdist(x, self.places).argmin(-1)], dim=-1)


class Density(torch.nn.Module):
    def queries(self):
        return self


CENTERS = [[0.0, 0.0, 0.8], [0.8, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, -0.8, 0.0]]


def scene(**changes) -> Scene:
    c2w = torch.eye(3, 4, dtype=torch.float64).repeat(4, 1, 1)
    c2w[:, :, 3] = torch.tensor(CENTERS)
    made = Scene(
        Cameras.pinhole(c2w, 10.0, 8, 8), MemoryImages(torch.zeros(4, 8, 8, 3, dtype=torch.uint8)), 0.1, 5.0,
        SceneBox(torch.zeros(3), 1.0, "sphere"), names=["a.jpg", "b.jpg", "c.jpg", "d.jpg"],
    )  # fmt: skip
    return dataclasses.replace(made, **changes)


@pytest.mark.parametrize(
    ("places", "found"),
    [([[0.0, 0.0, 0.0]], []), (CENTERS[:1], [0]), (CENTERS, [0, 1, 3])],  # camera 2 lies outside of the region
)
def test_cameras_inside_the_surface_are_named(places, found):
    assert enclosed_cameras(Spheres(places), scene()) == found
    warnings = enclosed_warnings(Spheres(places), scene())
    assert len(warnings) == bool(found)
    if len(found) == 3:
        assert (
            "encloses 3 cameras of 4 (a.jpg, b.jpg, d.jpg)" in warnings[0] and "scene.normalize=object" in warnings[0]
        )


def test_models_without_a_distance_and_scenes_in_ndc_are_left_alone():
    assert enclosed_cameras(Density(), scene()) == []
    assert enclosed_cameras(Spheres(CENTERS), scene(ndc=True)) == []
