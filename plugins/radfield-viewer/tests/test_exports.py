"""Exported meshes and points: their place in the scene, and files of strangers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("viser", reason="radfield-viewer is not installed: pip install -e plugins/radfield-viewer")

import trimesh
from radfield_viewer import exports
from radfield_viewer.exports import exported, read_export

from radfield_core import UsageError

HEADER = "ply\nformat ascii 1.0\nelement vertex {n}\nproperty float x\nproperty float y\nproperty float z\n"
COLORS = "property uchar red\nproperty uchar green\nproperty uchar blue\n"
FACES = "element face 1\nproperty list uchar int vertex_indices\nend_header\n"
MESH = HEADER.format(n=3) + COLORS + FACES + "1 2 3 255 0 0\n3 2 3 0 255 0\n1 4 3 0 0 255\n3 0 1 2\n"
TO_SCENE = np.array([[0.0, 2, 0, 5], [-2, 0, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]])  # a turn about z, twice the size


def written(folder: Path, name: str, text: str) -> Path:
    (folder / "exports").mkdir(exist_ok=True)
    file = folder / "exports" / name
    file.write_text(text)
    return file


def test_a_mesh_stands_where_its_data_coordinates_lie_in_the_scene(tmp_path: Path) -> None:
    mesh = read_export(written(tmp_path, "mesh.ply", MESH), TO_SCENE)
    assert isinstance(mesh, trimesh.Trimesh) and mesh.faces.tolist() == [[0, 1, 2]]
    np.testing.assert_allclose(mesh.vertices, [[9, -2, 6], [9, -6, 6], [13, -2, 6]], atol=1e-9)
    assert mesh.visual.vertex_colors[:, :3].tolist() == [[255, 0, 0], [0, 255, 0], [0, 0, 255]]


def test_points_are_thinned_and_keep_their_colors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "MOST_POINTS", 3)
    lines = "".join(f"{x} 0 0 {x} 0 0\n" for x in range(101))
    file = written(tmp_path, "points.ply", HEADER.format(n=101) + COLORS + "end_header\n" + lines)
    points = read_export(file, np.eye(4))
    assert isinstance(points, trimesh.PointCloud)
    assert points.vertices[:, 0].tolist() == [0, 50, 100] and points.colors[:, 0].tolist() == [0, 50, 100]
    plain = written(tmp_path, "plain.ply", HEADER.format(n=1) + "end_header\n1 2 3\n")
    assert read_export(plain, np.eye(4)).colors.tolist() == [[200, 200, 200, 255]]


@pytest.mark.parametrize(
    "text",
    ["", "ply\nformat ascii 1.0\n", MESH.replace("3 0 1 2", "3 0 1 7"), MESH.replace("3 0 1 2", "3 0 1 -1"),
     MESH.replace("1 2 3 255", "nan 2 3 255"),
     HEADER.format(n=0) + "end_header\n", "solid x"],
)  # fmt: skip
def test_a_damaged_file_is_refused_with_its_name(text: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"broken\.ply"):
        read_export(written(tmp_path, "broken.ply", text), np.eye(4))


def test_too_many_faces_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "MOST_FACES", 0)
    with pytest.raises(UsageError, match="has 1 faces"):
        read_export(written(tmp_path, "mesh.ply", MESH), np.eye(4))


def test_only_files_of_the_run_are_offered_and_links_are_not(tmp_path: Path) -> None:
    run, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    run.mkdir()
    elsewhere.mkdir()
    assert exported(run) == {}
    outside = written(elsewhere, "outside.ply", MESH)
    mesh = written(run, "mesh.ply", MESH)
    (run / "exports" / "link.ply").symlink_to(outside)
    (run / "exports" / "folder.ply").mkdir()
    (run / "exports" / "mesh.ply.json").write_text("{}")
    assert exported(run) == {"mesh": mesh}
    with pytest.raises(UsageError, match="is a link"):
        read_export(run / "exports" / "link.ply", np.eye(4))
    (elsewhere / "run").mkdir()
    (elsewhere / "run" / "exports").symlink_to(run / "exports")
    assert exported(elsewhere / "run") == {}
