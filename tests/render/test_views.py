"""Views to render: scaled cameras, views along a path, even choices, and pixels whatever the memory allows."""

from __future__ import annotations

import math
from dataclasses import astuple, replace
from pathlib import Path

import pytest
import torch

from radfield_core.cameras import Cameras, angle_across, project
from radfield_core.errors import UsageError
from radfield_core.render.look import Look
from radfield_core.render.views import evenly_spread, framed, path_views, posed, render_view, scaled, view_names
from radfield_core.testing.training import ToyField, ToyMethod, toy_scene, toy_trainer
from radfield_core.types import RaySamples


@pytest.mark.parametrize(("n", "count", "expected"), [(10, 1, [5]), (10, 2, [2, 7]), (3, 9, [0, 1, 2]), (0, 4, [])])
def test_views_are_spread_evenly(n: int, count: int, expected: list[int]) -> None:
    assert evenly_spread(n, count) == expected


def test_running_out_of_memory_while_rendering_changes_no_pixel(tmp_path: Path) -> None:
    scene, method = toy_scene(), ToyMethod()
    model = toy_trainer(tmp_path).model
    whole = render_view(model, method, scene, scene.cameras.view(0), 1000)
    sizes: list[int] = []

    def need_much(field: object, inputs: tuple[RaySamples]) -> None:
        sizes.append(len(inputs[0].rays))
        if sizes[-1] > 60:
            raise torch.OutOfMemoryError("made up")

    next(part for part in model.modules() if isinstance(part, ToyField)).register_forward_pre_hook(need_much)
    parts = render_view(model, method, scene, scene.cameras.view(0), 200)
    assert sizes[:3] == [200, 100, 50] and max(sizes[2:]) == 50
    assert whole.rgb is not None and parts.rgb is not None
    torch.testing.assert_close(parts.rgb, whole.rgb, rtol=0, atol=1e-6)
    torch.testing.assert_close(parts.depth, whole.depth, rtol=0, atol=1e-5)


def test_every_chunk_of_a_view_is_reported(tmp_path: Path) -> None:
    trainer, scene, reported = toy_trainer(tmp_path, ToyMethod(noise=False)), toy_scene(2, size=16), []
    render_view(trainer.model, trainer.method, scene, scene.cameras.view(0), 100, lambda *pair: reported.append(pair))
    assert reported == [(100, 256), (200, 256), (256, 256)]


@pytest.mark.parametrize("scale", [2.0, 0.5])
def test_a_scaled_camera_sees_the_same_field_of_view(scale: float) -> None:
    camera = toy_scene().cameras.camera(0)
    other = scaled(camera, scale)
    assert (other.width, other.height) == (round(16 * scale), round(16 * scale))
    assert other.fx / other.width == camera.fx / camera.width and other.cx / other.width == camera.cx / camera.width
    assert other.fy / other.height == camera.fy / camera.height and other.cy / other.height == camera.cy / camera.height


def test_a_path_s_camera_has_no_distortion_and_sides_of_two_pixels_at_least() -> None:
    poses = torch.eye(4, dtype=torch.float64)[None, :3].repeat(2, 1, 1)
    small, other = path_views(toy_scene(size=16), poses, Look(0.001))
    assert (small.camera.width, small.camera.height) == (2, 2)
    assert small.camera.model == "pinhole" and small.camera.distortion == ()
    assert torch.equal(small.c2w, poses[0]) and torch.equal(other.c2w, poses[1])


def test_a_panorama_of_a_perspective_view_stands_level_and_sees_what_the_view_sees() -> None:
    scene = toy_scene(size=16)
    view, given = scene.cameras.view(1), scene.cameras.camera(1)
    panorama = posed(scene, view.c2w, framed(given, Look(camera="equirectangular", width=64)), given)
    assert (panorama.camera.width, panorama.camera.height, panorama.camera.model) == (64, 32, "equirectangular")
    torch.testing.assert_close(panorama.c2w[:, 1], torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64))
    torch.testing.assert_close(panorama.c2w[:, 3], view.c2w[:, 3])
    ahead = project(panorama, view.c2w[None, :, 3] - 2 * view.c2w[None, :, 2])[0][0]
    assert float(ahead[0]) == pytest.approx(31.5), "the middle of the view is in the middle column"
    same = posed(scene, view.c2w, panorama.camera, panorama.camera)
    assert torch.equal(same.c2w, view.c2w), "panoramas of the data keep their poses"


def test_a_video_of_panoramas_stands_level_and_other_frames_have_no_distortion() -> None:
    scene = toy_scene(size=16)
    panoramas = replace(scene, cameras=Cameras.equirectangular(scene.cameras.c2w, 16))
    poses = scene.cameras.c2w[:2]
    (frame, _), (flat, _) = (
        path_views(panoramas, poses, Look()),
        path_views(panoramas, poses, Look(camera="perspective")),
    )
    assert astuple(frame.camera) == astuple(panoramas.cameras.camera(0))
    torch.testing.assert_close(frame.c2w[:, 1], torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64))
    assert (flat.camera.width, flat.camera.height, flat.camera.model) == (16, 12, "pinhole")
    assert math.degrees(angle_across(flat.camera)) == pytest.approx(90) and torch.equal(flat.c2w, poses[0])


def test_names_of_views_are_equally_wide() -> None:
    assert view_names(toy_scene(6), "test", [0, 5]) == ["test-000", "test-005"]


def test_a_window_shows_the_same_pixels_as_the_whole_picture(tmp_path: Path) -> None:
    scene, method = toy_scene(), ToyMethod(noise=False)
    model, view = toy_trainer(tmp_path, method).model, scene.cameras.view(0)
    whole = render_view(model, method, scene, view, 999)
    part = replace(view, camera=framed(view.camera, Look(window=(3, 5, 13, 9))))
    cut = render_view(model, method, scene, part, 999)
    assert (part.camera.width, part.camera.height) == (10, 4) and whole.rgb is not None and cut.rgb is not None
    torch.testing.assert_close(cut.rgb.view(4, 10, 3), whole.rgb.view(16, 16, 3)[5:9, 3:13], atol=1e-5, rtol=0)
    with pytest.raises(UsageError, match="ends at 17,9, but the picture has 16 × 16"):
        framed(view.camera, Look(window=(3, 5, 17, 9)))


def test_a_background_is_seen_where_the_scene_is_transparent(tmp_path: Path) -> None:
    scene, method = toy_scene(), ToyMethod(noise=False)
    model, view = toy_trainer(tmp_path, method).model, scene.cameras.view(0)

    def shown(look: Look) -> torch.Tensor:
        rgb = render_view(model, method, scene, view, 999, look=look).rgb
        assert rgb is not None
        return rgb

    black, red = shown(Look(transparent=True)), shown(Look(background=(1.0, 0.0, 0.0)))
    opacity = render_view(model, method, scene, view, 999).opacity
    torch.testing.assert_close(red - black, (1 - opacity)[:, None] * torch.tensor([1.0, 0.0, 0.0]))
    torch.testing.assert_close(shown(Look()), shown(Look(background=(1.0, 1.0, 1.0))))  # the method's own is white


def test_a_box_empties_the_rest_only_while_it_is_rendered(tmp_path: Path) -> None:
    scene, method = toy_scene(), ToyMethod(noise=False)
    model, view = toy_trainer(tmp_path, method).model, scene.cameras.view(0)
    away = render_view(model, method, scene, view, 999, look=Look(box=(50.0, 50.0, 50.0, 51.0, 51.0, 51.0)))
    assert float(away.opacity.max()) == 0.0 and model.crop is None
    assert float(render_view(model, method, scene, view, 999).opacity.max()) > 0.1
    with pytest.raises(UsageError, match="Whole renders whole views"):
        render_view(Whole(), method, scene, view, 999, look=Look(box=(0.0, 0.0, 0.0, 1.0, 1.0, 1.0)))


class Whole(torch.nn.Linear):
    """Stands for a model that is not the level loop."""

    def __init__(self) -> None:
        super().__init__(1, 1)
