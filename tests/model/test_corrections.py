"""Corrected batches, cameras and scenes of a model with a ray transform."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from radfield_core import Model, RayTransform
from radfield_core.data.scene import Mesh
from radfield_core.data.similarity import transform_cameras, transform_points
from radfield_core.model import Corrections, corrected_batch, corrected_cameras, corrected_scene
from radfield_core.testing.toys import toy_cameras
from radfield_core.testing.training import ToyMethod, toy_scene, toy_setup
from radfield_core.train.batches import PixelDrawer
from radfield_core.types import Step


class Given(RayTransform):
    """Replaces the training cameras by other ones, and multiplies their focal lengths."""

    def __init__(self, c2w: torch.Tensor, focal: float = 1.0):
        super().__init__()
        self.c2w, self.focal = c2w, focal
        self.shift = torch.nn.Parameter(torch.zeros(3, dtype=torch.float64))

    def forward(self, rays):
        return replace(rays, origins=rays.origins + self.shift.to(rays.origins))

    def views(self, views):
        found = []
        for view in views:
            camera = replace(view.camera, fx=view.camera.fx * self.focal, fy=view.camera.fy * self.focal)
            c2w = self.c2w[view.image_id]
            found.append(replace(view, camera=camera, c2w=torch.cat([c2w[:, :3], c2w[:, 3:] + self.shift[:, None]], 1)))
        return found


def model_with(transform: RayTransform | None) -> Model:
    setup = toy_setup(ToyMethod(noise=False))
    model = setup.method.build(setup.context)
    model.ray_transform, model.training_cameras = transform, toy_cameras()
    return model


SIMILARITY = np.eye(4)
SIMILARITY[:3, :3] = 1.25 * Rotation.from_rotvec([0.02, -0.3, 0.1]).as_matrix()
SIMILARITY[:3, 3] = [0.5, -1.0, 2.0]


def moved_cameras() -> torch.Tensor:
    """The toy cameras after the similarity, computed camera by camera."""
    rotation = SIMILARITY[:3, :3] / 1.25
    found = []
    for c2w in toy_cameras().c2w.numpy():
        center = 1.25 * rotation @ c2w[:, 3] + SIMILARITY[:3, 3]
        found.append(np.concatenate([rotation @ c2w[:, :3], center[:, None]], 1))
    return torch.from_numpy(np.stack(found))


def test_batch_without_a_ray_transform_is_the_same_object() -> None:
    drawer = PixelDrawer(toy_scene(), ToyMethod(), torch.device("cpu"))
    batch = drawer.draw(Step(0, 10, 0), 8)
    assert corrected_batch(model_with(None), batch) is batch


def test_batches_of_rays_and_of_images_are_corrected_with_gradients() -> None:
    scene, transform = toy_scene(), Given(toy_cameras().c2w)
    model = model_with(transform)
    drawer = PixelDrawer(scene, ToyMethod(), torch.device("cpu"))
    with torch.no_grad():
        transform.shift += torch.tensor([0.0, 0.25, 0.0])
    rays = drawer.draw(Step(0, 10, 0), 8)
    moved = corrected_batch(model, rays)
    torch.testing.assert_close(moved.rays.origins[:, 1], rays.rays.origins[:, 1] + 0.25)
    moved.rays.origins.sum().backward()
    torch.testing.assert_close(transform.shift.grad, torch.full((3,), 8.0, dtype=torch.float64))
    view = drawer.draw_view(Step(0, 10, 0))
    found = corrected_batch(model, view)
    torch.testing.assert_close(found.view.c2w[1, 3], view.view.c2w[1, 3] + 0.25)
    transform.shift.grad = None
    found.view.c2w[:, 3].sum().backward()
    torch.testing.assert_close(transform.shift.grad, torch.ones(3, dtype=torch.float64))


def test_held_out_cameras_and_everything_else_follow_the_similarity_of_the_training_cameras() -> None:
    model = model_with(Given(moved_cameras(), focal=1.1))
    vertices = torch.rand(4, 3, generator=torch.Generator().manual_seed(0))
    path = toy_cameras(3).c2w
    scene = replace(
        toy_scene(4), points=vertices, ground_truth=Mesh(vertices, torch.tensor([[0, 1, 2]])), render_path=path
    )
    found = corrected_scene(model, scene, "test")
    expected = transform_cameras(SIMILARITY, scene.cameras.c2w.numpy())
    np.testing.assert_allclose(found.cameras.c2w.numpy(), expected, atol=1e-12)
    np.testing.assert_allclose(found.cameras.intrinsics[:, :2], 1.1 * scene.cameras.intrinsics[:, :2])
    np.testing.assert_allclose(found.cameras.intrinsics[:, 2:], scene.cameras.intrinsics[:, 2:])
    np.testing.assert_allclose(found.render_path, transform_cameras(SIMILARITY, path.numpy()), atol=1e-12)
    where = transform_points(SIMILARITY, vertices.double().numpy())
    np.testing.assert_allclose(found.points, where, atol=1e-6)
    np.testing.assert_allclose(found.ground_truth.vertices, where, atol=1e-6)
    # What is exported in data coordinates does not move with the cameras.
    np.testing.assert_allclose(found.data_points(found.points), scene.data_points(vertices), atol=1e-6)


def test_training_cameras_are_those_of_the_ray_transform() -> None:
    model = model_with(Given(moved_cameras()))
    scene = corrected_scene(model, toy_scene(), "train")
    torch.testing.assert_close(scene.cameras.c2w, moved_cameras())
    assert not corrected_cameras(model, toy_cameras()).c2w.requires_grad


def test_scene_of_a_model_without_a_ray_transform_is_the_same_object() -> None:
    scene = toy_scene()
    assert corrected_scene(model_with(None), scene, "test") is scene
    assert Corrections.of(model_with(None)) is None


def test_description_separates_common_movement_from_corrections() -> None:
    """Half of the cameras turn by +1° and half by −1° about the scene's z axis, on top of a similarity."""
    turned = moved_cameras().numpy()
    axis = SIMILARITY[:3, 2] / 1.25
    for index in range(6):
        sign = 1 if index % 2 else -1
        turned[index, :, :3] = Rotation.from_rotvec(sign * np.radians(1.0) * axis).as_matrix() @ turned[index, :, :3]
    model = model_with(Given(torch.from_numpy(turned)))
    found = Corrections.of(model).described(torch.diag(torch.tensor([3.0, 3.0, 3.0, 1.0])))
    assert found["mean_rotation_degrees"] == pytest.approx(1.0, abs=1e-6)
    assert found["mean_shift"] == pytest.approx(0.0, abs=1e-9)
    assert found["focal_factor"] == pytest.approx(1.0)
    angle = np.degrees(Rotation.from_matrix(SIMILARITY[:3, :3] / 1.25).magnitude())
    assert found["common"]["rotation_degrees"] == pytest.approx(angle, abs=1e-6)
    assert found["common"]["scale"] == pytest.approx(1.25)
