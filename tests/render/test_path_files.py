"""nerfstudio's camera paths: the cameras that its documentation defines, worked out by hand, and hostile files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from radfield_core.errors import DatasetError, UsageError
from radfield_core.render.path_files import read_path, read_transform

FRAME = {"camera_to_world": [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 4, 0, 0, 0, 1], "fov": 50, "aspect": 1.5}


def file(folder: Path, **changed: Any) -> Path:
    usual = {"camera_type": "perspective", "render_width": 96, "render_height": 64, "fps": 24, "seconds": 0.5,
             "is_cycle": False, "smoothness_value": 0.5, "keyframes": [], "camera_path": [FRAME]}  # fmt: skip
    path = folder / "camera_path.json"
    path.write_text(json.dumps({**usual, **changed}))
    return path


def test_the_cameras_are_those_worked_out_by_hand(tmp_path: Path) -> None:
    """nerfstudio maps x of the data to s·(R·x + t). Here R turns x to y, t = (1, 2, 3), and s = 0.5.

    A camera at (1, 2, 3) in nerfstudio's coordinates is at Rᵀ·(p / s − t) = Rᵀ·(1, 2, 3) = (2, −1, 3) in the data's. It
    looks along −z; its right, nerfstudio's +x, is Rᵀ·(1, 0, 0) = (0, −1, 0) in the data.
    """
    matrix = [1, 0, 0, 1, 0, 1, 0, 2, 0, 0, 1, 3, 0, 0, 0, 1]
    path = file(tmp_path, camera_path=[{**FRAME, "camera_to_world": matrix}] * 6)
    transform = {"transform": [[0, -1, 0, 1], [1, 0, 0, 2], [0, 0, 1, 3]], "scale": 0.5}
    (tmp_path / "dataparser_transforms.json").write_text(json.dumps(transform))
    found = read_path(path)
    expected = [[0, 1, 0, 2], [-1, 0, 0, -1], [0, 0, 1, 3]]
    np.testing.assert_allclose(found.c2w, np.broadcast_to(expected, (6, 3, 4)), atol=1e-12)
    assert found.fov.tolist() == [50.0] * 6 and (found.width, found.height) == (96, 64)
    assert found.fps == 12.0, "6 frames in half a second, whatever `fps` says"
    assert not found.smooth and found.n_frames == 6 and found.name == "camera_path"


def test_the_transform_takes_the_datas_points_to_nerfstudios(tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    rotation = np.linalg.qr(draw.normal(size=(3, 3)))[0]
    rotation *= np.linalg.det(rotation)
    shift, scale, points = draw.normal(size=3), 0.37, draw.normal(size=(5, 3))
    there = scale * (points @ rotation.T + shift)
    path = tmp_path / "dataparser_transforms.json"
    path.write_text(json.dumps({"transform": np.column_stack([rotation, shift]).tolist(), "scale": scale}))
    back = read_transform(path)
    np.testing.assert_allclose(there @ back[:3, :3].T + back[:3, 3], points, atol=1e-9)


def test_a_path_whose_coordinates_are_unknown_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"dataparser_transforms\.json"):
        read_path(file(tmp_path))
    found = read_path(file(tmp_path), "none")
    np.testing.assert_allclose(found.c2w[0, :, 3], [0, 0, 4])
    own = tmp_path / "own.json"
    own.write_text('{"format": "radfield-camera-path"}')
    with pytest.raises(UsageError, match="needs no transform"):
        read_path(own, "none")


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"camera_path": []}, "not a list of at least one"),
        ({"camera_path": {"a": 1}}, "not a list of at least one"),
        ({"camera_path": [{**FRAME, "camera_to_world": [1] * 15}]}, "frame 0: the pose is not a list of 4 rows"),
        ({"camera_path": [{**FRAME, "camera_to_world": ["x"] * 16}]}, "not a number"),
        ({"camera_path": [{**FRAME, "camera_to_world": [0] * 16}]}, "frame 0"),
        ({"camera_path": [FRAME, {**FRAME, "fov": None}]}, "frame 1: fov is None"),
        ({"render_width": "96"}, "render_width is '96'"),
        ({"render_height": -1}, "render_height is -1"),
        ({"camera_type": "omnidirectional"}, "'omnidirectional' is not supported"),
        ({"seconds": 0}, "seconds is 0"),
    ],
)
def test_a_wrong_value_is_named(changed: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        read_path(file(tmp_path, **changed), "none")
    assert says in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", '{"format": "other"}', "[" * 100_000, '{"camera_path": NaN}'])
def test_other_files_are_refused_in_one_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "camera_path.json"
    path.write_text(text)
    with pytest.raises(DatasetError) as caught:
        read_path(path)
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize(
    "table",
    [{}, {"transform": [[1, 0, 0, 0]], "scale": 1}, {"transform": np.eye(3, 4).tolist(), "scale": 0},
     {"transform": [[0, 0, 0, 0]] * 3, "scale": 1}, []],
)  # fmt: skip
def test_a_damaged_transform_is_refused(table: object, tmp_path: Path) -> None:
    path = tmp_path / "dataparser_transforms.json"
    path.write_text(json.dumps(table))
    with pytest.raises(DatasetError):
        read_transform(path)


def test_panoramas_need_no_field_of_view(tmp_path: Path) -> None:
    frame = {"camera_to_world": FRAME["camera_to_world"]}
    assert (
        read_path(file(tmp_path, camera_type="Equirectangular", camera_path=[frame]), "none").camera
        == "equirectangular"
    )
