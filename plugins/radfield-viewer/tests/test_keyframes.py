"""Keyframes: editing them, and the files that they become."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("viser", reason="radfield-viewer is not installed: pip install -e plugins/radfield-viewer")

from radfield_viewer.keyframes import Keyframe, Keyframes
from radfield_viewer.poses import c2w_of, wxyz_of
from viser.transforms import SO3

from radfield_core import UsageError
from radfield_core.render import read_path


def frame(x: float, fov: float = 40.0) -> Keyframe:
    c2w = np.eye(3, 4)
    c2w[0, 3] = x
    return Keyframe(c2w, fov, 1.0)


def xs(keyframes: Keyframes) -> list[float]:
    return [float(frame.c2w[0, 3]) for frame in keyframes.frames]


def test_keyframes_are_moved_changed_and_removed() -> None:
    keyframes = Keyframes()
    for x in (0.0, 1.0, 2.0):
        keyframes.add(frame(x))
    assert keyframes.move(0, -1) == 0 and keyframes.move(2, 1) == 2 and keyframes.move(7, 1) == 7
    assert keyframes.move(0, 1) == 1 and xs(keyframes) == [1.0, 0.0, 2.0]
    keyframes.change(2, fov=70.0)
    keyframes.change(9, fov=1.0)
    keyframes.remove(1)
    keyframes.remove(-1)
    assert xs(keyframes) == [1.0, 2.0] and keyframes.frames[1].fov == 70.0


def test_a_saved_path_is_in_the_datas_coordinates_and_never_replaces_another(tmp_path: Path) -> None:
    keyframes = Keyframes([frame(1.0), frame(3.0, 50.0)], aspect=2.0, fps=24.0, loop=True)
    to_data = np.array([[0.0, -2, 0, 5], [2, 0, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]])
    files = [keyframes.save(tmp_path, to_data) for _ in range(2)]
    assert files == [tmp_path / "camera_paths" / f"path-00{n}.json" for n in (1, 2)]
    path = read_path(files[0])
    np.testing.assert_allclose(path.c2w[:, :, 3], [[5, 2, 0], [5, 6, 0]], atol=1e-12)
    np.testing.assert_allclose(path.c2w[0, :, :3], [[0, -1, 0], [1, 0, 0], [0, 0, 1]], atol=1e-12)
    assert path.fov.tolist() == [40.0, 50.0] and (path.width, path.height, path.fps, path.loop) == (
        960,
        480,
        24.0,
        True,
    )


def test_a_link_in_the_runs_folder_leads_nowhere(tmp_path: Path) -> None:
    outside, run = tmp_path / "outside", tmp_path / "run"
    outside.mkdir()
    run.mkdir()
    (run / "camera_paths").symlink_to(outside)
    with pytest.raises(UsageError, match="is a link"):
        Keyframes([frame(0.0)]).save(run, np.eye(4))
    assert not list(outside.iterdir())


def test_a_path_without_keyframes_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no keyframes"):
        Keyframes().save(tmp_path, np.eye(4))
    assert not list(tmp_path.iterdir())


class Camera:
    def __init__(self, wxyz: object, position: object):
        self.wxyz, self.position = wxyz, position


def test_poses_go_to_visers_axes_and_back() -> None:
    """By hand: viser's camera without rotation looks along +z with y down, so radfield's y and z axes are negative."""
    found = c2w_of(Camera([1, 0, 0, 0], [1, 2, 3]))
    np.testing.assert_allclose(found, [[1, 0, 0, 1], [0, -1, 0, 2], [0, 0, -1, 3]], atol=1e-12)
    turned = SO3.from_rpy_radians(0.3, -0.5, 1.1).as_matrix()
    c2w = np.column_stack([turned, [4.0, 5.0, 6.0]])
    np.testing.assert_allclose(c2w_of(Camera(wxyz_of(c2w), c2w[:, 3])), c2w, atol=1e-12)


@pytest.mark.parametrize(
    ("wxyz", "position"),
    [([0, 0, 0, 0], [0, 0, 0]), ([1, 0, 0], [0, 0, 0]), ([1, 0, 0, np.nan], [0, 0, 0]), ([1, 0, 0, 0], [1e300, 0, 0]),
     ("abcd", [0, 0, 0]), (None, None), ([1, 0, 0, 0], [[1], [2]])],
)  # fmt: skip
def test_numbers_that_are_no_camera_are_ignored(wxyz: object, position: object) -> None:
    assert c2w_of(Camera(wxyz, position)) is None
