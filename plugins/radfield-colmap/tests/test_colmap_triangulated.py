"""Points are triangulated with known cameras, which stay as they are, from training views only."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from radfield_colmap.config import TriangulatedConfig
from radfield_colmap.model import camera_to_world
from radfield_colmap.reading import read_model
from radfield_colmap.triangulated import Triangulated, near_pairs
from radfield_colmap.writer import write

from radfield_core import DatasetError, PluginError, main
from radfield_core.config.layers import compose_data
from radfield_core.data.known_points import KnownPoints
from radfield_core.interfaces.dataparser import open_data_set
from radfield_core.plugins.registry import get_registry
from radfield_core.testing import toy_capture

SCENE = ["data.resolution=160", "data.layout=forward", "data.supersample=1", "data.n_val=2", "data.n_test=2"]


def train_split(*words: str):
    choice, _ = compose_data(get_registry(), "synthetic", [*SCENE, "data.n_train=8", *words])
    return open_data_set(choice).parse("train")


@pytest.fixture(scope="module")
def triangulated(tmp_path_factory):
    """The output of the command, the PLY file that it wrote, and the cache folder, which the tests below use."""
    folder = tmp_path_factory.mktemp("triangulated")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RADFIELD_CACHE", str(folder / "cache"))
        command = ["data", "points", "synthetic", "--out", str(folder / "points.ply"), *SCENE, "data.n_train=8"]
        assert main(command) == 0
        yield folder


@pytest.fixture
def cached(triangulated, monkeypatch):
    monkeypatch.setenv("RADFIELD_CACHE", str(triangulated / "cache"))
    return triangulated


def test_points_lie_on_the_true_surface_and_have_its_colors(cached):
    scene = train_split()
    vertices = scene.ground_truth.vertices.double()
    distances = torch.cdist(scene.points, vertices).amin(1)
    pixel = 4.0 / float(scene.cameras.intrinsics[0, 0])  # its size at the middle of the scene
    assert len(scene.points) > 100
    assert float(distances.median()) < 1.5 * pixel, "the median error is a pixel or so"
    seen = scene.observations
    columns, rows = seen.pixels.round().long().unbind(-1)
    shown = scene.images.gather(seen.views, rows.clamp(0, 159), columns.clamp(0, 159))[:, :3].int()
    difference = (shown - scene.point_colors[seen.points].int()).abs().amax(-1).float()
    assert float(difference.median()) < 40
    assert any("triangulated from 8 training views with pycolmap" in line for line in scene.chosen)


def test_the_observations_are_where_the_points_project(cached):
    from radfield_core import project

    scene = train_split()
    seen, errors = scene.observations, []
    for view in range(8):
        rows = seen.views == view
        pixels, _ = project(scene.cameras.view(view), scene.points[seen.points[rows]])
        errors.append((pixels - seen.pixels[rows]).norm(dim=-1))
    assert 0 < float(torch.cat(errors).mean()) < 1.5 and float(torch.cat(errors).max()) < 8
    assert bool((seen.sigmas > 0).all())


def test_the_file_holds_the_points_in_data_coordinates(cached):
    from radfield_core.data import read_ply_points

    points, colors = read_ply_points(cached / "points.ply")
    scene = train_split()
    np.testing.assert_allclose(points, scene.data_points(scene.points).numpy(), atol=1e-9)
    assert np.array_equal(colors, scene.point_colors.numpy())


def test_points_are_not_used_if_a_view_that_made_them_is_now_left_out(cached):
    scene = train_split("data.every=2")
    assert scene.points is None
    (note,) = [note for note in scene.notes if "triangulated points" in note]
    assert "made from 4 views not used for training" in note and "radfield data points" in note
    (path,) = (cached / "cache" / "points").iterdir()
    assert all(name.startswith("train/") for name in KnownPoints.read(path).names)


def test_smaller_images_of_the_same_views_have_the_points_too(cached):
    whole, half = train_split(), train_split("data.downscale=2")
    torch.testing.assert_close(half.points, whole.points)
    torch.testing.assert_close(half.observations.pixels + 0.5, (whole.observations.pixels + 0.5) / 2)


def test_cameras_stay_as_they_are(tmp_path):
    write({"train": train_split()}, tmp_path / "known")
    converter = Triangulated(TriangulatedConfig(neighbors=3))
    stages: list[tuple[str, int, int]] = []
    converter.convert(tmp_path / "known", tmp_path / "found", lambda *done: stages.append((converter.stage, *done)))
    before, after = (read_model(tmp_path / name / "sparse" / "0") for name in ("known", "found"))
    assert list(after.cameras.values()) == list(before.cameras.values())
    for one, other in zip(before.images, after.images, strict=True):
        assert one.name == other.name
        np.testing.assert_allclose(other.translation, one.translation, atol=1e-12)
        np.testing.assert_allclose(np.abs(other.quaternion @ one.quaternion), 1.0, atol=1e-12)
    assert list(dict.fromkeys(stage for stage, _, _ in stages)) == ["features", "matches", "triangulation"]
    pairs = len(near_pairs(np.stack([camera_to_world(image) for image in before.images]), 3))
    assert {("features", 4, 8), ("features", 8, 8), ("matches", pairs, pairs), ("triangulation", 1, 1)} <= set(stages)


def test_pairs_are_those_of_a_nested_loop():
    c2w = toy_capture(9).cameras.c2w.numpy()
    distance = [[math.dist(a[:, 3], b[:, 3]) for b in c2w] for a in c2w]
    usual = np.median([distance[i][j] for i in range(9) for j in range(9) if i != j])
    expected = set()
    for i in range(9):
        scores = []
        for j in range(9):
            angle = math.acos(min(1.0, max(-1.0, float(c2w[i][:, 2] @ c2w[j][:, 2]))))
            scores.append((math.inf if i == j else distance[i][j] / usual + angle, j))
        expected |= {(min(i, j), max(i, j)) for _, j in sorted(scores)[:3]}
    assert near_pairs(c2w, 3) == sorted(expected)
    assert len(near_pairs(c2w, 100)) == 36, "all pairs"


def test_images_without_texture_are_one_clear_error_and_leave_nothing(tmp_path):
    from dataclasses import replace

    from radfield_core.data import MemoryImages

    scene = toy_capture(4)
    width, height = scene.cameras.sizes[0].tolist()
    write({"train": replace(scene, images=MemoryImages(torch.full((4, height, width, 3), 128, dtype=torch.uint8)))},
          tmp_path / "known")  # fmt: skip
    with pytest.raises(DatasetError, match="no points could be triangulated from 4 images"):
        Triangulated(TriangulatedConfig()).convert(tmp_path / "known", tmp_path / "found")
    assert not (tmp_path / "found").exists()


def test_without_pycolmap_the_command_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pycolmap", None)
    with pytest.raises(PluginError, match="triangulating points needs pycolmap") as caught:
        Triangulated(TriangulatedConfig()).convert(Path("nowhere"), tmp_path / "found")
    assert 'pip install "radfield-colmap[process]"' in str(caught.value.problems[0].hint)
