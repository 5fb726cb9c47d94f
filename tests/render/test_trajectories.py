"""Camera paths with keyframes: what frames they mean, and what a file of them may hold."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from radfield_core.errors import DatasetError
from radfield_core.render.path_files import read_path
from radfield_core.render.trajectories import Trajectory, path_json


def moved(*xs: float) -> np.ndarray:
    c2w = np.eye(3, 4)[None].repeat(len(xs), 0)
    c2w[:, 0, 3] = xs
    return c2w


def path(**changed: object) -> Trajectory:
    usual = {"c2w": moved(0, 2, 4), "fov": np.array([30.0, 40.0, 50.0]), "seconds": np.array([1.0, 1.0, 2.0])}
    return Trajectory(**{"name": "path", "width": 64, "height": 48, "fps": 10.0, **usual, **changed})  # type: ignore[arg-type]


def test_an_open_path_ends_at_the_last_keyframe_and_a_closed_one_just_before_the_first() -> None:
    assert path().duration == 2.0 and path().n_frames == 20
    assert path(loop=True).duration == 4.0 and path(loop=True).n_frames == 40
    np.testing.assert_allclose(path().frames(5)[0][:, 0, 3], [0, 1, 2, 3, 4], atol=1e-12)
    closed = path(loop=True).frames(4)[0][:, 0, 3]
    np.testing.assert_allclose(closed[:3], [0, 2, 4], atol=1e-12)
    assert 0 < closed[3] < 4


def test_the_focal_length_changes_by_equal_factors() -> None:
    """By hand: halfway from a focal length of 1 to one of 4, in units of half the height, it is 2."""
    fov = np.degrees(2 * np.arctan([1.0, 1 / 4]))
    found = path(c2w=moved(0, 1), fov=fov, seconds=np.ones(2)).frames(3)[1]
    np.testing.assert_allclose(1 / np.tan(np.radians(found) / 2), [1.0, 2.0, 4.0])


def test_a_path_of_frames_keeps_each_of_them() -> None:
    frames = path(smooth=False)
    assert frames.n_frames == 3 and np.array_equal(frames.frames()[0], moved(0, 2, 4))
    assert frames.frames(6)[0][:, 0, 3].tolist() == [0, 0, 2, 2, 4, 4]


def test_what_is_written_is_read_back_exactly(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    turned = np.linalg.qr(draw.normal(size=(3, 3, 3)))[0]
    turned *= np.linalg.det(turned)[:, None, None]
    given = path(c2w=np.concatenate([turned, draw.normal(size=(3, 3, 1))], -1), loop=True)
    file = tmp_path / "tour.json"
    file.write_text(path_json(given))
    found = read_path(file)
    np.testing.assert_allclose(found.c2w, given.c2w, atol=1e-15)
    assert found.fov.tolist() == given.fov.tolist() and found.seconds.tolist() == given.seconds.tolist()
    assert (found.name, found.width, found.height, found.fps, found.loop) == ("tour", 64, 48, 10.0, True)


def written(tmp_path: Path, **changed: object) -> Path:
    table = {**json.loads(path_json(path())), **changed}
    file = tmp_path / "path.json"
    file.write_text(json.dumps({key: value for key, value in table.items() if value is not ...}))
    return file


KEYFRAME = {"camera_to_world": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]], "fov": 40, "seconds": 1}


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"version": 2}, "version 2"),
        ({"with": 64}, "unknown key 'with'"),
        ({"width": 64.5}, "width is 64.5"),
        ({"height": 10**9}, "height is 1000000000"),
        ({"fps": 0}, "fps is 0"),
        ({"fps": True}, "fps is True"),
        ({"loop": "yes"}, "loop is 'yes'"),
        ({"camera": "fisheye"}, "camera is 'fisheye'"),
        ({"keyframes": []}, "not a list of at least one object"),
        ({"keyframes": [1]}, "not a list of at least one object"),
        ({"keyframes": ...}, "not a list of at least one object"),
        ({"keyframes": [KEYFRAME] * 10_001}, "at most 10000"),
        ({"keyframes": [{**KEYFRAME, "fov": 180}]}, "keyframe 0: fov is 180"),
        ({"keyframes": [{**KEYFRAME, "seconds": -1}]}, "seconds is -1"),
        ({"keyframes": [{**KEYFRAME, "camera_to_world": [[2, 0, 0, 0], [0, 2, 0, 0], [0, 0, 2, 0]]}]}, "scaled by 2"),
        ({"keyframes": [{**KEYFRAME, "camera_to_world": "../../etc/passwd"}]}, "not a list"),
        ({"keyframes": [{**KEYFRAME, "seconds": 3600}] * 100, "fps": 240}, "at most 100000 frames"),
    ],
)
def test_a_wrong_value_is_named(changed: dict[str, object], says: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        read_path(written(tmp_path, **changed))
    assert says in str(caught.value) and str(tmp_path / "path.json") in str(caught.value)


def test_all_wrong_values_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        read_path(written(tmp_path, width=0, fps=-1, keyframes=[{**KEYFRAME, "fov": 0}, {**KEYFRAME, "fov": 0}]))
    assert len(caught.value.problems) == 4
