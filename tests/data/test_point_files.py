"""Points in PLY files. What the reader refuses is tested with the parser of transforms.json."""

from __future__ import annotations

import numpy as np
import pytest

from radfield_core.data.point_files import ply_points, read_ply_points
from radfield_core.errors import DatasetError


@pytest.mark.parametrize("colored", [False, True])
def test_points_written_and_read_are_the_same(tmp_path, colored):
    points = np.random.default_rng(0).normal(size=(40, 3))
    rgb = np.arange(120, dtype=np.uint8).reshape(40, 3) if colored else None
    (tmp_path / "points.ply").write_bytes(ply_points(points, rgb))
    read, colors = read_ply_points(tmp_path / "points.ply")
    assert np.array_equal(read, points)
    assert colors is None if rgb is None else np.array_equal(colors, rgb)


def test_another_library_reads_the_points_and_their_colors(tmp_path):
    trimesh = pytest.importorskip("trimesh")
    points, rgb = np.arange(30.0).reshape(10, 3), np.arange(30, dtype=np.uint8).reshape(10, 3)
    (tmp_path / "points.ply").write_bytes(ply_points(points, rgb))
    cloud = trimesh.load(tmp_path / "points.ply")
    assert np.array_equal(cloud.vertices, points) and np.array_equal(cloud.colors[:, :3], rgb)


def test_a_damaged_file_is_read_or_refused_in_words(tmp_path):
    good = ply_points(np.ones((5, 3)), np.full((5, 3), 9, np.uint8))
    path = tmp_path / "points.ply"
    for length in range(0, len(good), 7):
        path.write_bytes(good[:length])
        with pytest.raises(DatasetError):
            read_ply_points(path)
