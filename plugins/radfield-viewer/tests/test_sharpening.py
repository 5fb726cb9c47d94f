"""Pictures that become sharper: their sizes, their pieces, and what a moving camera interrupts."""

from __future__ import annotations

import numpy as np
import pytest
import torch

pytest.importorskip("viser", reason="radfield-viewer is not installed: pip install -e plugins/radfield-viewer")

from radfield_viewer.sharpening import Sharpening, Wanted

from radfield_core import LiveRun, Rendered

C2W = torch.eye(3, 4).double()


class Painter:
    """Renders the pixel's row and column as its color; takes one second per 100 pixels on its own clock."""

    def __init__(self) -> None:
        self.now, self.sizes = 0.0, []

    def live(self) -> LiveRun:
        def render(view, background, box) -> Rendered:
            camera = view.camera
            self.now += camera.width * camera.height / 100
            self.sizes.append((camera.width, camera.height))
            top = camera.cy - 0.5 * camera.fy * 2 * np.tan(np.radians(25))  # 0 for the first row of the whole picture
            rows, columns = torch.meshgrid(torch.arange(camera.height), torch.arange(camera.width), indexing="ij")
            rgb = torch.stack([rows - top, columns, torch.zeros(rows.shape)], -1).reshape(-1, 3) / 255.0
            ones = torch.ones(len(rgb))
            return Rendered(rgb, ones, ones)

        return LiveRun(0, 1, render)


def worked(sharpening: Sharpening, painter: Painter, per_ray: float) -> list:
    shown = []
    while not sharpening.idle:
        picture, _ = sharpening.work(painter.live(), per_ray)
        shown += [] if picture is None else [picture]
    return shown


def test_pictures_double_their_size_until_the_last_has_the_size_of_the_window() -> None:
    painter, sharpening = Painter(), Sharpening()
    assert sharpening.idle
    sharpening.want(Wanted(C2W, 96, 64, 50.0))
    shown = worked(sharpening, painter, 0.0)
    assert [one.picture.shape[:2] for one in shown] == [(8, 12), (16, 24), (32, 48), (64, 96)]
    assert [one.sharp for one in shown] == [False, False, False, True]


def test_a_picture_in_pieces_is_the_picture_in_one() -> None:
    painter, sharpening = Painter(), Sharpening(lambda: painter.now)
    sharpening.want(Wanted(C2W, 96, 64, 50.0))
    last = worked(sharpening, painter, 0.01)[-1].picture
    rows, columns = np.meshgrid(np.arange(64), np.arange(96), indexing="ij")
    np.testing.assert_array_equal(last[..., 0], rows)
    np.testing.assert_array_equal(last[..., 1], columns)
    assert max(height for _, height in painter.sizes) < 64, "in pieces"


def test_a_fast_model_skips_the_coarse_pictures_and_time_is_measured() -> None:
    painter, sharpening = Painter(), Sharpening(lambda: painter.now)
    sharpening.want(Wanted(C2W, 96, 64, 50.0))
    picture, per_ray = sharpening.work(painter.live(), 1e-6)
    assert picture is not None and picture.sharp and sharpening.idle
    assert per_ray == pytest.approx(0.01)


def test_a_moving_camera_begins_again_with_a_coarse_picture() -> None:
    painter, sharpening = Painter(), Sharpening(lambda: painter.now)
    sharpening.want(Wanted(C2W, 96, 64, 50.0))
    for _ in range(30):
        sharpening.work(painter.live(), 0.01)
    painter.sizes.clear()
    sharpening.want(Wanted(C2W, 96, 64, 50.0))
    assert not sharpening.idle
    shown, _ = sharpening.work(painter.live(), 0.01)
    while shown is None:
        shown, _ = sharpening.work(painter.live(), 0.01)
    assert shown.picture.shape[:2] == (8, 12) and {width for width, _ in painter.sizes} == {12}


def test_the_next_piece_takes_as_long_as_it_is_said_to() -> None:
    painter, sharpening = Painter(), Sharpening(lambda: painter.now)
    sharpening.want(Wanted(C2W, 96, 64, 50.0))
    while not sharpening.idle:
        expected, before = sharpening.seconds(0.01), painter.now
        sharpening.work(painter.live(), 0.01)
        assert painter.now - before <= expected + 1e-9
    assert sharpening.seconds(0.0) == 0.0


def test_what_cannot_be_rendered_is_given_up_until_something_else_is_wanted() -> None:
    painter, sharpening = Painter(), Sharpening()
    sharpening.want(Wanted(C2W, 96, 64, 50.0))
    sharpening.work(painter.live(), 0.01)  # a piece of the first picture
    sharpening.fail()
    assert sharpening.idle
    sharpening.want(Wanted(C2W, 96, 64, 50.0))
    assert not sharpening.idle
    assert [one.picture.shape[:2] for one in worked(sharpening, painter, 0.0)][-1] == (64, 96)
    sharpening.want(Wanted(C2W, 96, 64, 50.0))
    sharpening.want(None)
    assert sharpening.idle


def test_a_missing_kind_is_replaced_and_named() -> None:
    painter, sharpening = Painter(), Sharpening()
    sharpening.want(Wanted(C2W, 8, 8, 50.0, kind="normals"))
    assert {one.kind for one in worked(sharpening, painter, 0.0)} == {"rgb"}


def test_a_camera_that_never_rests_sees_coarse_pictures() -> None:
    """A picture of 8 × 12 pixels takes eight pieces; the camera moves before each of them."""
    painter, sharpening = Painter(), Sharpening(lambda: painter.now)
    shown = []
    for _ in range(24):
        sharpening.want(Wanted(C2W, 96, 64, 50.0))
        picture, _ = sharpening.work(painter.live(), 0.01)
        shown += [] if picture is None else [picture.picture.shape]
    assert shown == [(8, 12, 3)] * 3
