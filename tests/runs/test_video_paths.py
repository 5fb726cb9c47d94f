"""The views of a video, by name, between two images, or along a path in a file."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from radfield_core.data.normalize import normalized
from radfield_core.data.scene import Scene
from radfield_core.errors import UsageError
from radfield_core.render.look import Look
from radfield_core.render.trajectories import Trajectory
from radfield_core.render.views import stated_camera
from radfield_core.runs.video_paths import image_pose, video_path
from radfield_core.testing.training import toy_scene


class Splits:
    """The splits of a toy data set, in place of those of a run."""

    splits = ("train", "test")

    def __init__(self, **scenes: Scene):
        self._scenes = scenes

    def views(self, split: str) -> Scene:
        return self._scenes[split]


@pytest.fixture
def scenes() -> Splits:
    scene = toy_scene()
    n = len(scene.cameras)
    train = dataclasses.replace(scene, names=[f"images/left_{i}.png" for i in range(n)])
    moved = dataclasses.replace(scene.cameras, c2w=scene.cameras.c2w + torch.eye(3, 4) * 0 + 1e-3)
    return Splits(
        train=train, test=dataclasses.replace(scene, cameras=moved, names=[f"images/right_{i}.png" for i in range(n)])
    )


def test_a_path_through_the_cameras_begins_and_ends_at_them(scenes: Splits) -> None:
    cameras = scenes.views("train").cameras.c2w.double()
    found = video_path(scenes, "cameras", 3 * (len(cameras) - 1) * 7 + 1, Look())
    assert found.name == "cameras"
    torch.testing.assert_close(found.views[0].c2w, cameras[0])
    torch.testing.assert_close(found.views[-1].c2w, cameras[-1])
    centers = torch.stack([view.c2w[:, 3] for view in found.views])
    nearest = (centers[:, None] - cameras[None, :, :, 3]).norm(dim=-1).amin(0)
    step = float((centers[1:] - centers[:-1]).norm(dim=-1).max())
    assert float(nearest.max()) <= step, "the path passes every camera"
    assert len(video_path(scenes, "cameras", None, Look()).views) == min(300, 10 * len(cameras))


@pytest.mark.parametrize("names", [("images/left_0.png", "right_1"), ("left_0.png", "test-001")])
def test_between_two_images_the_video_begins_at_one_and_ends_at_the_other(
    names: tuple[str, str], scenes: Splits
) -> None:
    found = video_path(scenes, names, 5, Look())
    assert found.name == "between" and len(found.views) == 5
    first, last = scenes.views("train").cameras.c2w[0].double(), scenes.views("test").cameras.c2w[1].double()
    torch.testing.assert_close(found.views[0].c2w, first)
    torch.testing.assert_close(found.views[-1].c2w[:, 3], last[:, 3])
    torch.testing.assert_close(found.views[2].c2w[:, 3], (first + last)[:, 3] / 2)


def test_a_mistyped_image_gets_the_nearest_name(scenes: Splits) -> None:
    with pytest.raises(UsageError) as caught:
        image_pose(scenes, "images/lefft_0.png")
    assert "Write images/left_0.png" in str(caught.value)
    both = Splits(
        train=scenes.views("train"), test=dataclasses.replace(scenes.views("test"), names=scenes.views("train").names)
    )
    with pytest.raises(UsageError, match="2 images: train-000, test-000"):
        image_pose(both, "left_0")
    same = Splits(train=scenes.views("train"), test=scenes.views("train"))
    assert torch.equal(image_pose(same, "left_0"), scenes.views("train").cameras.c2w[0]), "a view of two splits is one"


def test_poses_of_a_file_are_those_of_the_data_whatever_the_scenes_coordinates(scenes: Splits) -> None:
    scene = scenes.views("train")
    data = scene.cameras.c2w[:3].double().numpy()
    path = Trajectory("tour", data, np.full(3, 60.0), np.ones(3), 64, 48, fps=25.0, smooth=False)
    changed = normalized(scene, torch.tensor([1.0, 2.0, 3.0]).double(), 2.5)
    found = video_path(Splits(train=changed), path, None, Look(scale=0.5))
    torch.testing.assert_close(torch.stack([view.c2w for view in found.views]), changed.cameras.c2w[:3].double())
    camera = found.views[0].camera
    assert (camera.width, camera.height, found.fps, found.name) == (32, 24, 25.0, "tour")
    assert camera.fx == pytest.approx(12 / np.tan(np.radians(30))) and camera.fy == camera.fx and camera.cx == 16


def test_more_frames_keep_the_duration() -> None:
    path = Trajectory("tour", np.eye(3, 4)[None].repeat(2, 0), np.full(2, 60.0), np.full(2, 4.0), 64, 48)
    found = video_path(Splits(train=toy_scene()), path, 40, Look())
    assert len(found.views) == 40 and found.fps == 10.0


def test_panoramas_see_a_whole_turn() -> None:
    camera = stated_camera(64, 32, 60.0, "equirectangular")
    assert camera.width / camera.fx == pytest.approx(2 * np.pi) and camera.height / camera.fy == pytest.approx(np.pi)
