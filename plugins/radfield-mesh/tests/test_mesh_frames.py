"""Transforms from field space to the data, with NDC, mirrored data and an upward axis, are compared with an exact
ball."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from radfield_mesh.config import MeshConfig, PointCloudConfig
from radfield_mesh.frames import UPRIGHT, upright, y_up
from radfield_mesh.mesh import MeshExporter
from radfield_mesh.pointcloud import PointCloudExporter, _grid_rays
from radfield_mesh.reading import read_mesh

from radfield_core import (
    BuildContext,
    Cameras,
    DatasetError,
    Field,
    FieldOutputs,
    Model,
    RaySamples,
    RaySpace,
    Scene,
    SceneBox,
)
from radfield_core.builtin.config import ImportanceConfig, VolumeConfig
from radfield_core.builtin.importance import Importance
from radfield_core.builtin.volume import Volume
from radfield_core.data import MemoryImages
from radfield_core.data.scene import EstimatedUp
from radfield_core.model import LevelLoop
from radfield_core.ops import device_of
from radfield_core.runs.exporting import frame_of

RADIUS, CENTER = 0.6, torch.tensor([0.1, -0.05, -3.0])
SCALE, SHIFT = 250.0, torch.tensor([900.0, -400.0, 60.0], dtype=torch.float64)


def scene_of(ndc: bool = True, mirror: bool = False, radius: float = 1.0) -> Scene:
    """A camera at the origin that looks along -z. The data coordinates are scaled, rotated, shifted and, if `mirror`,
    mirrored."""
    turn = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, -1 if mirror else 1]], dtype=torch.float64)
    to_data = torch.eye(4, dtype=torch.float64)
    to_data[:3, :3], to_data[:3, 3] = SCALE * turn, SHIFT
    return Scene(
        cameras=Cameras.pinhole(torch.eye(4, dtype=torch.float64)[None, :3], 60.0, 48, 48),
        images=MemoryImages(torch.zeros(1, 48, 48, 3, dtype=torch.uint8)), near=0.0 if ndc else 0.5,
        far=1.0 if ndc else 6.0, box=SceneBox(torch.zeros(3) if ndc else CENTER, radius), ndc=ndc, to_data=to_data,
    )  # fmt: skip


class Ball(Field):
    """A ball with a signed distance in the scene, evaluated in field space. Its color encodes the view direction. It
    has no parameters."""

    def __init__(self, scene: Scene, center: torch.Tensor = CENTER) -> None:
        super().__init__()
        self.scene, self.center = scene, center

    def sdf(self, x: torch.Tensor) -> torch.Tensor:
        if self.scene.ndc:
            x = torch.cat([x[..., :2], x[..., 2:].clamp_max(0.999)], -1)  # a field has values at infinity too
        return (self.scene.to_world(x) - self.center).norm(dim=-1) - RADIUS

    def gradient(self, x: torch.Tensor) -> torch.Tensor:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            return torch.autograd.grad(self.sdf(x).sum(), x)[0]

    def point_color(self, x, viewdirs=None, image_ids=None):
        return (viewdirs + 1) / 2

    def forward(self, samples: RaySamples) -> FieldOutputs:
        x = samples.positions()
        return FieldOutputs(rgb=torch.zeros_like(x), density=5000.0 * torch.sigmoid(-2000 * self.sdf(x)))


def model_of(field: Field, scene: Scene) -> Model:
    ctx = BuildContext(bounds=scene.box)
    sampler = Importance(ImportanceConfig(n_samples=1024, n_importance=0), ctx)
    return LevelLoop([field], sampler, Volume(VolumeConfig(), ctx), space=RaySpace.of(scene))


def outward(points: np.ndarray, scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Return the distance from the ball's center, and the unit direction away from it, both in data coordinates."""
    center = (scene.to_data[:3, :3] @ CENTER.double() + scene.to_data[:3, 3]).numpy()
    distance = np.linalg.norm(points - center, axis=1)
    return distance, (points - center) / distance[:, None]


@pytest.mark.parametrize("ndc", [True, False])
@pytest.mark.parametrize("mirror", [True, False])
def test_a_mesh_has_its_outside_outside_whatever_the_way_to_the_data(ndc: bool, mirror: bool, tmp_path: Path) -> None:
    scene = scene_of(ndc, mirror)
    (path,) = MeshExporter(MeshConfig(resolution=96)).export(model_of(Ball(scene), scene), scene, tmp_path / "mesh.ply")
    mesh = trimesh.load(path, process=False)
    distance, away = outward(mesh.vertices, scene)
    np.testing.assert_allclose(distance, RADIUS * SCALE, rtol=2e-3)
    np.testing.assert_allclose(mesh.vertex_normals, away, atol=2e-3)
    assert mesh.is_watertight and mesh.volume == pytest.approx(4 / 3 * np.pi * (RADIUS * SCALE) ** 3, rel=0.01)
    inward = -(away @ scene.to_data[:3, :3].numpy()) / SCALE
    from_camera = (mesh.vertices - SHIFT.numpy()) @ scene.to_data[:3, :3].numpy() / SCALE**2
    from_camera /= np.linalg.norm(from_camera, axis=1, keepdims=True)
    cosine, seen_along = (inward * from_camera).sum(1), mesh.visual.vertex_colors[:, :3] / 255 * 2 - 1
    assert np.abs(seen_along - from_camera)[cosine > 0.6].max() < 0.02, "seen, two pixels inside the outline"
    assert np.abs(seen_along - inward)[cosine < 0].max() < 0.02, "the ball hides it"


@pytest.mark.parametrize("ndc", [True, False])
def test_the_points_of_a_cloud_have_the_normals_of_the_ball(ndc: bool, tmp_path: Path) -> None:
    scene = scene_of(ndc)
    exporter = PointCloudExporter(PointCloudConfig(n_points=3000))
    (path,) = exporter.export(model_of(Ball(scene), scene), scene, tmp_path / "cloud.ply")
    raw = trimesh.load(path, process=False).metadata["_ply_raw"]["vertex"]["data"]
    points, normals = (np.stack([raw[key] for key in keys], axis=-1) for keys in (("x", "y", "z"), ("nx", "ny", "nz")))
    distance, away = outward(points.reshape(-1, 3), scene)
    assert len(distance) > 100 and np.abs(distance - RADIUS * SCALE).max() < 0.02 * RADIUS * SCALE
    np.testing.assert_allclose(normals.reshape(-1, 3), away, atol=0.03)


class WithHorizon(Ball):
    """The ball, and beside it an object that extends beyond the far end of NDC."""

    def sdf(self, x):
        return torch.minimum(super().sdf(x), (x - torch.tensor([0.3, 0.2, 1.0])).norm(dim=-1) - 0.1)


def test_what_ndc_puts_at_infinity_is_left_out(tmp_path: Path) -> None:
    scene = scene_of(radius=1.25)
    config = MeshConfig(resolution=64, min_component=0.0)
    (path,) = MeshExporter(config).export(model_of(WithHorizon(scene), scene), scene, tmp_path / "mesh.ply")
    vertices = trimesh.load(path, process=False).vertices
    depth = (SHIFT[2].item() - vertices[:, 2]) / SCALE
    assert np.isfinite(vertices).all() and depth.min() > 1.0 and 10 < depth.max() < 1e4


@pytest.mark.parametrize("up", [*UPRIGHT, None])
def test_glb_has_the_datas_upward_axis_up_and_is_only_turned(
    up: str | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    axis = np.zeros(3) if up is None else np.eye(3)["xyz".index(up[-1])] * (-1 if up[0] == "-" else 1)
    center = np.array([0.05, 0.1, 0.15]) if up is None else 0.3 * axis
    scene = dataclasses.replace(
        scene_of(ndc=False), to_data=torch.eye(4).double(), up=up, box=SceneBox(torch.zeros(3), 1.0)
    )
    ball = Ball(scene, torch.tensor(center, dtype=torch.float32))
    (path,) = MeshExporter(MeshConfig(resolution=32)).export(model_of(ball, scene), scene, tmp_path / "m.glb")
    assert [record.getMessage().startswith("m.glb may not stand upright") for record in caplog.records] == (
        [True] if up is None else []
    )
    mesh = read_mesh(path)
    expected = center if up is None else [0, 0.3, 0]
    np.testing.assert_allclose(mesh.bounds.mean(0), expected, atol=0.01)
    assert mesh.volume > 0, "a rotation, not a reflection"
    (written,) = trimesh.load(path, process=False).geometry.values()
    np.testing.assert_allclose(written.vertex_normals, (written.vertices - expected) / RADIUS, atol=5e-3)
    assert np.linalg.det(y_up(up)) == pytest.approx(1.0)
    described = frame_of(path.name, scene)
    assert described["up"] == ("y" if up else None) and ("not rotated" in str(described["frame"])) == (up is None)


@pytest.mark.parametrize("direction", [(0.6, 0.0, 0.8), (0.0, -1.0, 0.0), (0.0, 1.0, 0.0)])
def test_a_glb_stands_upright_by_the_estimate_where_the_data_state_no_axis(direction, tmp_path, caplog) -> None:
    center = 0.3 * np.array(direction)
    estimate = EstimatedUp(direction, "the plane of the ground")
    scene = dataclasses.replace(
        scene_of(ndc=False), to_data=torch.eye(4).double(), estimated_up=estimate, box=SceneBox(torch.zeros(3), 1.0)
    )
    ball = Ball(scene, torch.tensor(center, dtype=torch.float32))
    (path,) = MeshExporter(MeshConfig(resolution=32)).export(model_of(ball, scene), scene, tmp_path / "m.glb")
    assert not [record for record in caplog.records if record.levelname == "WARNING"]
    mesh = read_mesh(path)
    np.testing.assert_allclose(mesh.bounds.mean(0), [0, 0.3, 0], atol=0.01)
    assert mesh.volume > 0, "a rotation, not a reflection"
    assert frame_of("m.glb", scene)["up_from"] == "the plane of the ground" and frame_of("m.glb", scene)["up"] == "y"
    described = frame_of("m.ply", scene)
    assert described["up"] is None and described["estimated_up"] == list(direction)
    stated = dataclasses.replace(scene, up="z")
    assert frame_of("m.ply", stated) == {"frame": "the data's own", "up": "z"}
    np.testing.assert_array_equal(upright(stated), y_up("z"))


def test_an_upward_axis_that_is_none_is_an_error_in_words() -> None:
    with pytest.raises(DatasetError, match="upward axis is 'north'"):
        y_up("north")


def test_a_module_is_where_its_parameters_are_else_its_buffers_else_on_the_cpu() -> None:
    module = torch.nn.Module()
    assert device_of(module).type == "cpu"
    module.register_buffer("table", torch.zeros(1, device="meta"))
    assert device_of(module).type == "meta"
    module.register_parameter("weight", torch.nn.Parameter(torch.zeros(1)))
    assert device_of(module).type == "cpu"


class Elsewhere(torch.nn.Module):
    """A model on another device that stores the rays it is called with."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1, device="meta"))

    def render_rays(self, rays, background, chunk):
        raise Given(rays)


class Given(Exception):
    pass


def test_rays_of_a_cloud_are_made_where_the_model_is() -> None:
    scene = scene_of(ndc=False)
    with pytest.raises(Given) as caught:
        PointCloudExporter(PointCloudConfig()).points(Elsewhere(), scene)
    assert caught.value.args[0].origins.device.type == "meta"
    rays = _grid_rays(scene, 0, 4, torch.device("cpu"))
    assert len(rays) == 144 and rays.origins.device.type == "cpu"
