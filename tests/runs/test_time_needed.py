"""The time that rendering takes: proportional to the pixels, measured on a small picture, said in one line."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from radfield_core.cameras import Camera
from radfield_core.render.look import Look
from radfield_core.runs import time_needed
from radfield_core.runs.time_needed import announcement, picture_cameras, seconds_per_ray, small
from radfield_core.runs.video_paths import video_path
from radfield_core.testing.training import toy_scene

CAMERA = Camera(40, 30, 50.0, 50.0, 20.0, 15.0)


def trained(size: int = 16) -> SimpleNamespace:
    scene = toy_scene(6, size)
    run = SimpleNamespace(eval=SimpleNamespace(rays_per_chunk=64))
    return SimpleNamespace(scenes=SimpleNamespace(views=lambda split: scene), model=None, method=None, run=run)


@pytest.mark.parametrize(
    ("pictures", "frame", "said"),
    [
        ([CAMERA], None, "1 view of 40×30 (about 2 min)"),
        ([CAMERA] * 3, CAMERA, "3 views of 40×30 and a video of 60 frames of 40×30 (about 2 h)"),
        ([CAMERA, replace(CAMERA, width=20)], None, "2 views of several sizes (about 3 min)"),
        ([], replace(CAMERA, height=1), "a video of 60 frames of 40×1 (about 4 min)"),
    ],
)
def test_the_time_is_that_of_all_pixels(pictures: list[Camera], frame: Camera | None, said: str) -> None:
    assert announcement(0.1, pictures, frame, 60) == said


def test_the_time_per_ray_is_that_of_a_small_picture_after_the_kernels_were_compiled(monkeypatch) -> None:
    clock = iter([0.0, 100.0, 100.0, 102.048])
    rendered = []
    monkeypatch.setattr(time_needed, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    monkeypatch.setattr(time_needed, "render_view", lambda *given: rendered.append(given[3].camera))
    assert seconds_per_ray(trained(64)) == pytest.approx(2.048 / 32**2)
    assert [(camera.width, camera.height) for camera in rendered] == [(8, 8), (32, 32)]


def test_a_video_is_at_most_400_pixels_wide_and_never_larger_than_the_images() -> None:
    assert frame_width(1600, Look(width=9)) == 400
    assert frame_width(20, Look()) == 20


def frame_width(size: int, look: Look) -> int:
    """The width of the frames of a turntable."""
    run = trained(size)
    return video_path(run.scenes, "turntable", 1, small(run, look)).views[0].camera.width


def test_pictures_have_the_cameras_that_the_look_and_the_views_choose() -> None:
    cameras = picture_cameras(trained(), "test", "0,3", Look(width=10))
    assert [(camera.width, camera.height) for camera in cameras] == [(10, 10)] * 2
    assert len(picture_cameras(trained(), "test", None, Look())) == 4
