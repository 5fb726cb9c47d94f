"""The sphere model has the surface that exporters and metrics are compared with."""

from __future__ import annotations

import math

import pytest
import torch

from radfield_core.interfaces import HasDensity, HasSDF
from radfield_core.plugins.registry import Registry
from radfield_core.testing.kit import part_under_test
from radfield_core.testing.sphere import (
    SPHERE_CENTER,
    SPHERE_RADIUS,
    empty_model,
    requires_density,
    sphere_mesh,
    sphere_model,
)
from radfield_core.testing.under_test import PartUnderTest, with_toys


def exporter(requires: str) -> PartUnderTest:
    """An exporter that requires a capability of the field."""
    tested = part_under_test("exporter:pointcloud")
    component = tested.component._replace(name="needy", requires={"field": frozenset({requires})})
    row = next(plugin for plugin in tested.registry.plugins if plugin.distribution == component.distribution)
    others = [plugin for plugin in tested.registry.plugins if plugin is not row]
    registry = Registry([*others, row._replace(components=(component,))], tested.registry.hooks)
    return PartUnderTest(component, with_toys(registry))


def on_sphere(n: int = 50) -> torch.Tensor:
    """Points [n, 3] at distance SPHERE_RADIUS from the origin."""
    x = torch.randn(n, 3, generator=torch.Generator().manual_seed(0))
    return SPHERE_RADIUS * torch.nn.functional.normalize(x, dim=-1)


@pytest.mark.parametrize(("requires", "density"), [("sdf", False), ("density", True), ("sdf|density", False)])
def test_the_field_has_what_the_exporter_requires_and_its_surface_is_the_sphere(requires: str, density: bool) -> None:
    tested = exporter(requires)
    assert requires_density(tested) is density
    field = sphere_model(tested)[0].queries()
    with torch.no_grad():
        if density:
            assert isinstance(field, HasDensity)
            torch.testing.assert_close(field.density(on_sphere()), torch.full((50,), 10.0), rtol=1e-3, atol=0)
        else:
            assert isinstance(field, HasSDF)
            torch.testing.assert_close(field.sdf(on_sphere()), torch.zeros(50), atol=1e-6, rtol=0)
            assert field.sdf(2 * on_sphere()).mean().item() == pytest.approx(SPHERE_RADIUS, rel=1e-5)


@pytest.mark.parametrize("scale", [250.0, 750.0])
def test_the_scene_maps_the_sphere_to_its_center_and_size_in_data_coordinates(scale: float) -> None:
    _, scene = sphere_model(exporter("sdf"), scale)
    points = scene.data_points(on_sphere().double())
    distance = (points - torch.tensor(SPHERE_CENTER, dtype=torch.float64)).norm(dim=-1)
    assert distance.tolist() == pytest.approx([scale * SPHERE_RADIUS] * 50, rel=1e-6)


@pytest.mark.parametrize("requires", ["sdf", "density"])
def test_the_empty_model_has_no_surface_in_the_scene(requires: str) -> None:
    model, scene = empty_model(exporter(requires))
    x = scene.box.radius * (2 * torch.rand(200, 3, generator=torch.Generator().manual_seed(0)) - 1)
    with torch.no_grad():
        field = model.queries()
        if requires == "sdf":
            assert isinstance(field, HasSDF) and float(field.sdf(x).min()) > 90
        else:
            assert isinstance(field, HasDensity) and float(field.density(x).abs().max()) == 0.0


def test_the_mesh_encloses_nearly_the_volume_of_the_sphere() -> None:
    mesh = sphere_mesh()
    corners = mesh.vertices.double()[mesh.faces]
    normals = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    volume = float((corners[:, 0] * normals).sum(-1).sum() / 6)
    assert volume == pytest.approx(4 / 3 * math.pi * SPHERE_RADIUS**3, rel=0.02)
    assert mesh.vertices.norm(dim=-1).tolist() == pytest.approx([SPHERE_RADIUS] * len(mesh.vertices), rel=1e-5)
