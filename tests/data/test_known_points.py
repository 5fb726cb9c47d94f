"""Triangulated points: what is kept is read back, and used only with the views and cameras that it was made from."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch

from radfield_core.cameras import project
from radfield_core.data.known_points import KnownPoints, points_file, with_known_points
from radfield_core.data.normalize import normalized
from radfield_core.data.observations import Observations
from radfield_core.data.scene import Scene
from radfield_core.errors import DatasetError
from radfield_core.testing.captures import toy_capture


@dataclass(frozen=True)
class Config:
    root: str = "somewhere"


def seen_scene(n: int = 4) -> Scene:
    """A capture with colored points, each seen by view 1 and view 2."""
    scene = toy_capture(n)
    points = scene.points[:20].double()
    views = torch.arange(2).repeat_interleave(20) + 1
    numbers = torch.arange(20).repeat(2)
    pixels = torch.cat([project(scene.cameras.view(view), points)[0] for view in (1, 2)])
    colors = torch.arange(60, dtype=torch.uint8).view(20, 3)
    seen = Observations(views, numbers, pixels, torch.linspace(0.1, 1.0, 40, dtype=torch.float64))
    return replace(scene, points=points, point_colors=colors, observations=seen, depths=None)


def test_points_are_read_back_and_fit_to_a_scene_in_other_coordinates(tmp_path) -> None:
    scene = seen_scene()
    KnownPoints.of(scene, "solver 1.2").write(tmp_path / "a")
    bare = replace(scene, points=None, point_colors=None, observations=None)
    other = normalized(bare.only([3, 2, 1, 0]), torch.tensor([1.0, 2.0, 3.0]), 5.0)
    found = KnownPoints.read(tmp_path / "a").applied(other)
    assert torch.equal(found.point_colors, scene.point_colors)
    torch.testing.assert_close(found.data_points(found.points), scene.data_points(scene.points))
    seen = found.observations
    assert seen.views.tolist() == [2] * 20 + [1] * 20
    torch.testing.assert_close(seen.sigmas, scene.observations.sigmas / 5)
    for view in (1, 2):
        rows = seen.views == view
        pixels, _ = project(found.cameras.view(view), found.points[seen.points[rows]])
        torch.testing.assert_close(pixels, seen.pixels[rows], rtol=0, atol=1e-6)
    assert "20 points, triangulated from 4 training views with solver 1.2, are used" in found.chosen


@pytest.mark.parametrize("kind", ["views", "poses", "focal"])
def test_points_of_other_views_or_cameras_are_refused(kind) -> None:
    scene = seen_scene()
    known, cameras = KnownPoints.of(scene, "solver"), scene.cameras
    if kind == "views":
        other, message = scene.only([0, 1, 2]), "made from 1 view not used for training"
    elif kind == "poses":
        c2w = cameras.c2w.clone()
        c2w[2, 0, 3] += 0.01
        other, message = replace(scene, cameras=replace(cameras, c2w=c2w)), "made with other cameras"
    else:
        intrinsics = cameras.intrinsics.clone()
        intrinsics[:, 0] *= 1.2
        other, message = replace(scene, cameras=replace(cameras, intrinsics=intrinsics)), "made with other cameras"
    with pytest.raises(DatasetError, match=message):
        known.applied(other)


def test_more_training_views_than_the_points_were_made_from_are_fine() -> None:
    scene = seen_scene(5)
    known = KnownPoints.of(scene.only([1, 2, 4]), "solver")
    assert known.applied(scene).observations.views.unique().tolist() == [1, 2]


def test_a_damaged_file_is_one_note_and_its_points_are_not_used() -> None:
    scene = seen_scene()
    bare, path = replace(scene, points=None, point_colors=None, observations=None), points_file("toy", Config())
    assert with_known_points(bare, "toy", Config()) is bare, "there are none"
    KnownPoints.of(scene, "solver").write(path)
    assert with_known_points(scene, "toy", Config()) is scene, "the data set has points of its own"
    assert len(with_known_points(bare, "toy", Config()).points) == 20
    assert with_known_points(bare, "toy", Config("elsewhere")) is bare
    good = path.read_bytes()
    for bad in (b"", good[: len(good) // 2], b"\0" * 100, good.replace(b'"made_with"', b'"made_when"')):
        path.write_bytes(bad)
        found = with_known_points(bare, "toy", Config())
        assert found.points is None and "triangulated points are not used" in found.notes[-1]


@pytest.mark.parametrize(
    "changes",
    [
        {"points": torch.full((20, 3), torch.inf, dtype=torch.float64)},
        {"points": torch.zeros(19, 3, dtype=torch.float64)},
        {"colors": torch.zeros(20, 3)},
        {"views": torch.full((40,), 4)},
        {"numbers": torch.full((40,), -1)},
        {"sigmas": torch.full((40,), torch.nan, dtype=torch.float64)},
    ],
)
def test_impossible_values_are_refused(changes, tmp_path) -> None:
    replace(KnownPoints.of(seen_scene(), "solver"), **changes).write(tmp_path / "a")
    with pytest.raises(DatasetError, match="is damaged"):
        KnownPoints.read(tmp_path / "a")
