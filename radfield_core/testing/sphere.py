"""A model whose surface is a sphere, and its scene. The transform from scene to data coordinates is known."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from radfield_core.data.scene import Mesh, Scene
from radfield_core.interfaces import Field, Model
from radfield_core.model import LevelLoop
from radfield_core.rays import RaySpace
from radfield_core.testing.toy_parts import ToySurface, ToySurfaceConfig
from radfield_core.testing.toys import BlobField, ConstantField, importance_sampler, toy_context, volume_renderer
from radfield_core.testing.training import toy_scene
from radfield_core.testing.under_test import PartUnderTest

SPHERE_RADIUS = 0.9
"""Radius of the sphere in scene coordinates."""

SPHERE_CENTER = (1000.0, -400.0, 30.0)
"""Center of the sphere in the data's own coordinates. In scene coordinates, the sphere's center is the origin."""

DATA_SCALE = 250.0
"""One unit of scene coordinates has this length in the data's own coordinates."""

_BLOB_SIZE = 0.2


class SphereBlob(BlobField):
    """A Gaussian density around the origin. At the distance `SPHERE_RADIUS` from the origin, the density is 10."""

    def __init__(self) -> None:
        super().__init__(10.0 * math.exp(SPHERE_RADIUS**2 / (2 * _BLOB_SIZE**2)), _BLOB_SIZE)
        with torch.no_grad():
            self.center.zero_()


class EmptyField(ConstantField):
    """A density that is 0 everywhere."""

    def __init__(self) -> None:
        super().__init__(0.0)

    def density(self, x: Tensor, cov: Tensor | None = None) -> Tensor:
        """Return the density [M] at x [M, 3], which is 0 everywhere."""
        return 0.0 * self.sigma * x[:, 0]


class DistantSurface(ToySurface):
    """A field without a surface: its signed distance is at least 99 everywhere in the scene."""

    def sdf(self, x: Tensor) -> Tensor:
        """Return the signed distance [M] at x [M, 3]."""
        return super().sdf(x) + 100.0


def sphere_model(tested: PartUnderTest, scale: float = DATA_SCALE) -> tuple[Model, Scene]:
    """Make a model whose surface is a sphere of radius `SPHERE_RADIUS` around the origin.

    Return the model and its scene.

    Args:
        tested: an exporter or metric. The model's field provides a density or a signed distance, as this part requires.
        scale: one unit of scene coordinates has this length in the data's own coordinates. The transform from scene to
            data coordinates also rotates by 90° about z, and moves the origin to `SPHERE_CENTER`.
    """
    field: Field
    if requires_density(tested):
        field = SphereBlob()
    else:
        field = ToySurface(ToySurfaceConfig(radius=SPHERE_RADIUS), toy_context())
        with torch.no_grad():
            field.stretch.fill_(1.0)
    rotation = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    to_data = torch.eye(4, dtype=torch.float64)
    to_data[:3, :3], to_data[:3, 3] = scale * rotation, torch.tensor(SPHERE_CENTER, dtype=torch.float64)
    mesh = sphere_mesh()
    scene = replace(toy_scene(), to_data=to_data, unit="mm", up="z", ground_truth=mesh, points=mesh.vertices)
    scene = replace(scene, names=list("abcdef"))
    sampler = importance_sampler(96).eval()
    return LevelLoop([field], sampler, volume_renderer(), space=RaySpace.of(scene)).eval(), scene


def empty_model(tested: PartUnderTest) -> tuple[Model, Scene]:
    """Make a model without any surface. Return the model and its scene."""
    _, scene = sphere_model(tested)
    field: Field = EmptyField() if requires_density(tested) else DistantSurface(ToySurfaceConfig(), toy_context())
    sampler = importance_sampler(96).eval()
    return LevelLoop([field], sampler, volume_renderer(), space=RaySpace.of(scene)).eval(), scene


def requires_density(tested: PartUnderTest) -> bool:
    """True if an exporter or metric requires a field with a density, and False if a signed distance suffices."""
    needs = [need.split("|") for need in tested.requires.get("field", ())]
    return any("density" in need and "sdf" not in need for need in needs)


def sphere_mesh(n: int = 24) -> Mesh:
    """Return the sphere as a triangle mesh. It has n + 1 circles of latitude, and 2 n vertices on each circle."""
    polar, around = torch.linspace(0.0, math.pi, n + 1), torch.arange(2 * n) * (math.pi / n)
    theta, phi = torch.meshgrid(polar, around, indexing="ij")
    unit = torch.stack([theta.sin() * phi.cos(), theta.sin() * phi.sin(), theta.cos()], -1).reshape(-1, 3)
    faces = []
    for row in range(n):
        for column in range(2 * n):
            a, b = row * 2 * n + column, row * 2 * n + (column + 1) % (2 * n)
            faces += [[a, a + 2 * n, b], [b, a + 2 * n, b + 2 * n]]
    return Mesh(SPHERE_RADIUS * unit, torch.tensor(faces))
