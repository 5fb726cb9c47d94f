"""Poses: rigid ones pass, tiny drift is mended, anything else is refused under its name."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.spatial.transform import Rotation

from radfield_core.data.poses import MAX_DRIFT, check_poses, pose_fault, read_pose, rotation_quaternion
from radfield_core.errors import Problems


def _rigid(draw: np.random.Generator) -> np.ndarray:
    pose = np.eye(4)
    pose[:3, :3] = Rotation.random(random_state=draw.integers(2**31)).as_matrix()
    pose[:3, 3] = draw.normal(size=3) * 5
    return pose


def _spoilt(draw: np.random.Generator, pose: np.ndarray, how: str) -> np.ndarray:
    bad = pose.copy()
    if how == "nan":
        bad[draw.integers(3), draw.integers(4)] = draw.choice([np.nan, np.inf, -np.inf])
    elif how == "mirror":
        bad[:3, draw.integers(3)] *= -1
    elif how == "scale":
        bad[:3, :3] *= draw.choice([0.01, 0.5, 0.99, 1.01, 100.0])
    elif how == "last row":
        bad[3] = draw.choice([0.01, 2.0, 0.0]) * np.array([0, 0, 0, 1.0])
    elif how == "shear":
        bad[:3, :3] += draw.choice([-1, 1], size=(3, 3)) * draw.uniform(0.01, 1.0)
    elif how == "far":
        bad[draw.integers(3), 3] = 1e9
    elif how == "zero":
        bad[:3, :3] = 0.0
    elif how == "huge":
        bad[:3, :3] *= 1e200
    return bad


def test_of_a_thousand_matrices_exactly_the_rigid_ones_pass():
    draw = np.random.default_rng(0)
    kinds = ["good", "drift", "nan", "mirror", "scale", "last row", "shear", "far", "zero", "huge"]
    poses, names, expected = [], [], set()
    for i in range(1000):
        kind = kinds[i % len(kinds)]
        pose = _rigid(draw)
        if kind == "drift":
            noise = draw.normal(size=(3, 3))
            change = np.abs(pose[:3, :3].T @ noise + noise.T @ pose[:3, :3]).max()
            pose[:3, :3] += noise / change * draw.uniform(1e-7, 0.9 * MAX_DRIFT)
        elif kind != "good":
            pose = _spoilt(draw, pose, kind)
            expected.add(f"{i} {kind}")
        poses.append(pose)
        names.append(f"{i} {kind}")
    problems = Problems()
    mended, notes = check_poses(np.array(poses), names, problems)
    assert {problem.path for problem in problems.found} == expected
    for name, before, after in zip(names, poses, mended, strict=True):
        if name in expected:
            continue
        assert np.abs(after[:, :3].T @ after[:, :3] - np.eye(3)).max() < 1e-12
        assert np.linalg.det(after[:, :3]) > 0
        assert np.abs(after[:, :3] - before[:3, :3]).max() < MAX_DRIFT
        assert (after[:, 3] == before[:3, 3]).all()
    assert len(notes) == 1 and "not quite rigid" in notes[0]


def test_exact_poses_need_no_remark():
    draw = np.random.default_rng(1)
    poses = np.array([_rigid(draw) for _ in range(20)])
    problems = Problems()
    result, notes = check_poses(poses.astype(np.float32), [str(i) for i in range(20)], problems)
    assert not problems and notes == [] and np.abs(result - poses[:, :3]).max() < 1e-5


@pytest.mark.parametrize(
    ("how", "says"),
    [("nan", "NaN"), ("mirror", "mirrored"), ("scale", "scaled by"), ("last row", "last row"), ("shear", "not rigid")],
)
def test_the_fault_is_said(how, says):
    draw = np.random.default_rng(2)
    found = pose_fault(_spoilt(draw, _rigid(draw), how))
    assert found is not None and says in found[0]


@pytest.mark.parametrize(
    "value",
    [None, 3, [], [[1, 2, 3, 4]] * 2, [[1, 2, 3]] * 4, [[1, 2, 3, "4"]] * 4, [[1, 2, 3, True]] * 4, [1, 2, 3, 4]],
)
def test_lists_that_are_no_matrix_are_refused(value):
    with pytest.raises(ValueError, match="pose"):
        read_pose(value)


def test_three_rows_are_completed():
    rows = [[1, 0, 0, 5], [0, 1, 0, 6], [0, 0, 1, 7]]
    assert (read_pose(rows) == np.array([*rows, [0, 0, 0, 1]])).all()


@given(st.lists(st.floats(-4, 4), min_size=3, max_size=3))
def test_the_quaternion_of_a_rotation_is_that_of_scipy(vector: list[float]) -> None:
    rotation = Rotation.from_rotvec(vector)
    found = rotation_quaternion(rotation.as_matrix())
    assert found[0] >= 0 and np.linalg.norm(found) == pytest.approx(1.0)
    back = Rotation.from_quat(found, scalar_first=True).as_matrix()
    np.testing.assert_allclose(back, rotation.as_matrix(), atol=1e-9)
