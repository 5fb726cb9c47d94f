"""rays:poses: its motions against scipy and matrix exponentials, its gauge, its focal length, and its training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from radfield_capture.poses import Poses, camera_extent, common_movements, rotations, screw_matrices
from radfield_capture.poses_config import PosesConfig
from scipy.linalg import expm
from scipy.spatial.transform import Rotation

from radfield_core import RaySpace, SceneBox, Schedule, Step, UsageError, view_rays
from radfield_core.data import similarity_between, similarity_matrix, transform_cameras
from radfield_core.testing import conformance, part_under_test, toy_cameras, toy_context

test_conforms = conformance("rays:poses")
test_conforms_with_all_options = conformance("rays:poses", options={"motion": "se3", "focal": True, "pull": 0.1})

VECTORS = torch.tensor(
    [[0.0, 0.0, 0.0], [1e-9, 0.0, 0.0], [3e-3, -4e-3, 1e-3], [0.01, 0.0, 0.0], [0.3, -0.2, 0.5], [2.0, 1.0, -2.0]],
    dtype=torch.float64,
)


def made(**options: object) -> Poses:
    return Poses(PosesConfig(**options), toy_context()).double()  # type: ignore[arg-type]


def twist_matrix(turn: np.ndarray, shift: np.ndarray) -> np.ndarray:
    x, y, z = turn
    return np.array([[0, -z, y, shift[0]], [z, 0, -x, shift[1]], [-y, x, 0, shift[2]], [0, 0, 0, 0]])


def test_rotations_are_those_of_scipy_with_their_derivatives() -> None:
    np.testing.assert_allclose(rotations(VECTORS), Rotation.from_rotvec(VECTORS.numpy()).as_matrix(), atol=1e-14)
    assert torch.autograd.gradcheck(rotations, VECTORS.clone().requires_grad_())


def test_screw_motions_are_matrix_exponentials_with_their_derivatives() -> None:
    shifts = np.random.default_rng(0).normal(size=(len(VECTORS), 3))
    expected = [expm(twist_matrix(turn, shift))[:3, 3] for turn, shift in zip(VECTORS.numpy(), shifts, strict=True)]
    found = (screw_matrices(VECTORS).numpy() @ shifts[:, :, None])[:, :, 0]
    np.testing.assert_allclose(found, expected, atol=1e-9)
    assert torch.autograd.gradcheck(screw_matrices, VECTORS[2:].clone().requires_grad_())
    assert torch.autograd.gradcheck(screw_matrices, VECTORS[:1].clone().requires_grad_())


@pytest.mark.parametrize("pivot", ["scene", "camera"])
@pytest.mark.parametrize("motion", ["so3xr3", "se3"])
def test_corrected_cameras_are_turned_about_the_pivot_and_shifted_in_mean_distances(motion: str, pivot: str) -> None:
    part, cameras = made(motion=motion, pivot=pivot, fix_common=False), toy_cameras()
    draw = np.random.default_rng(1)
    twists = 0.3 * draw.normal(size=(6, 6))
    with torch.no_grad():
        part.twists.copy_(torch.from_numpy(twists))
    distance = np.mean([np.linalg.norm(c2w[:, 3]) for c2w in cameras.c2w.numpy()])
    views = part.views([cameras.view(index, image_id=index) for index in range(6)])
    for c2w, twist, view in zip(cameras.c2w.numpy(), twists, views, strict=True):
        motion_matrix = expm(twist_matrix(twist[:3], twist[3:]))
        shift = twist[3:] if motion == "so3xr3" else motion_matrix[:3, 3]
        center = motion_matrix[:3, :3] @ c2w[:, 3] if pivot == "scene" else c2w[:, 3]  # the middle is at 0
        expected = np.column_stack([motion_matrix[:3, :3] @ c2w[:, :3], center + distance * shift])
        np.testing.assert_allclose(view.c2w.detach(), expected, atol=1e-12)


def test_common_movements_are_the_derivatives_of_all_similarities() -> None:
    """A small similarity of space moves each camera by a correction in the span of the basis, and by no other."""
    cameras = toy_cameras()
    basis, extent = common_movements(cameras), camera_extent(cameras)
    centers = cameras.c2w[:, :, 3].numpy()
    assert extent == pytest.approx(np.sqrt(np.mean([np.sum((c - centers.mean(0)) ** 2) for c in centers])))
    assert basis.shape == (36, 7)
    torch.testing.assert_close(basis.T @ basis, torch.eye(7, dtype=torch.float64))
    draw, size = np.random.default_rng(2), 1e-6
    for _ in range(5):
        turn = Rotation.from_rotvec(size * draw.normal(size=3)).as_matrix()
        matrix = similarity_matrix(turn, size * draw.normal(size=3), 1 + size * draw.normal())
        moved = transform_cameras(matrix, cameras.c2w.numpy())
        given = cameras.c2w.numpy()
        turns = Rotation.from_matrix(moved[:, :, :3] @ given[:, :, :3].transpose(0, 2, 1)).as_rotvec()
        change = np.concatenate([turns, (moved - given)[:, :, 3] / extent], 1).reshape(-1) / size
        rest = change - basis.numpy() @ (basis.numpy().T @ change)
        np.testing.assert_allclose(rest, 0.0, atol=1e-4)


def test_a_single_camera_cannot_be_corrected_and_cameras_at_one_point_have_six_common_movements() -> None:
    assert common_movements(toy_cameras(1)).shape == (6, 6)
    cameras = toy_cameras(4)
    one_place = replace(cameras, c2w=torch.cat([cameras.c2w[:, :, :3], torch.ones(4, 3, 1, dtype=torch.float64)], 2))
    assert common_movements(one_place).shape == (24, 6)


@pytest.mark.parametrize("pivot", ["scene", "camera"])
def test_similarity_between_given_and_corrected_cameras_stays_near_the_identity(pivot: str) -> None:
    part, cameras = made(pivot=pivot), toy_cameras()
    with torch.no_grad():
        part.twists.copy_(0.02 * torch.randn(6, 6, generator=torch.Generator().manual_seed(3)) + 0.05)
    views = part.views([cameras.view(index, image_id=index) for index in range(6)])
    moved = torch.stack([view.c2w.detach() for view in views]).numpy()
    found = similarity_between(cameras.c2w.numpy(), moved)
    assert np.abs(found - np.eye(4)).max() < 2e-3  # the second order of 0.02
    free = made(pivot=pivot, fix_common=False)
    free.load_state_dict(part.state_dict())
    moved = torch.stack([v.c2w.detach() for v in free.views([cameras.view(i, image_id=i) for i in range(6)])]).numpy()
    assert np.abs(similarity_between(cameras.c2w.numpy(), moved) - np.eye(4)).max() > 3e-2


@pytest.mark.parametrize("limits_along", ["ray", "axis"])
def test_focal_length_changes_rays_as_it_changes_the_camera(limits_along: str) -> None:
    space = RaySpace(2.0, 6.0, limits_along=limits_along)  # type: ignore[arg-type]
    part = Poses(PosesConfig(focal=True), replace(toy_context(), space=space)).double()
    with torch.no_grad():
        part.log_focal.copy_(torch.tensor(0.2))
    view = toy_cameras().view(1, image_id=1)
    found = part(view_rays(space, view, dtype=torch.float64))
    factor = float(np.exp(0.2))
    zoomed = replace(view, camera=replace(view.camera, fx=factor * view.camera.fx, fy=factor * view.camera.fy))
    expected = view_rays(space, zoomed, dtype=torch.float64)
    for name in ("origins", "directions", "viewdirs", "near", "far", "radii"):
        torch.testing.assert_close(getattr(found, name), getattr(expected, name), rtol=1e-6, atol=1e-7)
    assert part.views([view])[0].camera.fx == pytest.approx(factor * view.camera.fx)


def test_focal_length_of_a_distorted_lens_is_refused() -> None:
    cameras = replace(toy_cameras(), model="opencv", distortion=torch.zeros(6, 4, dtype=torch.float64))
    with pytest.raises(UsageError, match="pinhole cameras only, and these have the lens 'opencv'"):
        Poses(PosesConfig(focal=True), replace(toy_context(), cameras=cameras))


def test_unit_of_shifts_is_the_mean_distance_from_the_middle_of_the_scene() -> None:
    context = replace(toy_context(), bounds=SceneBox(torch.tensor([1.0, 0.0, 0.0]), 1.5))
    centers = toy_cameras().c2w[:, :, 3].numpy()
    assert Poses(PosesConfig(), context).distance == pytest.approx(
        np.mean([np.linalg.norm(center - [1.0, 0.0, 0.0]) for center in centers])
    )


def test_pull_is_the_weighted_mean_square_and_follows_its_schedule() -> None:
    part = made(fix_common=False, pull=Schedule.of([0.0, 4.0, 10]))
    with torch.no_grad():
        part.twists.copy_(torch.arange(36.0).view(6, 6))
    part.begin_step(Step(0, 100, 0))
    assert part.losses(None, None, None) == {}  # type: ignore[arg-type]
    part.begin_step(Step(5, 100, 0))
    found = part.losses(None, None, None)["poses"]  # type: ignore[arg-type]
    assert float(found.detach()) == pytest.approx(2.0 * sum(n * n for n in range(36)) / 36)


def test_scalars_are_the_mean_rotation_and_shift() -> None:
    part = made(fix_common=False, focal=True, pivot="camera")
    with torch.no_grad():
        part.twists[:3, 0], part.twists[:, 4] = 0.1, 0.5
    found = {name: float(value) for name, value in part.scalars().items()}
    assert found == {
        "pose_degrees": pytest.approx(np.degrees(0.05)),
        "pose_shift": pytest.approx(0.5 * part.distance),
        "focal_factor": 1.0,
    }


def test_poses_have_their_own_rate_and_no_decay_under_every_method() -> None:
    (group,) = part_under_test("rays:poses", options={"lr": 1e-4}).build().parameter_groups()
    assert (group.name, Schedule.of(group.lr).constant, group.weight_decay) == ("poses", 1e-4, 0.0)
