"""Cameras fitted to half of an image, against the pose that made the image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from radfield_core.cameras import Camera, View
from radfield_core.errors import UsageError
from radfield_core.interfaces import Model
from radfield_core.rays import RaySpace, view_rays
from radfield_core.render.camera_fit import fitted_view, movement
from radfield_core.types import RayBundle, Rendered

SPACE = RaySpace(near=1.0, far=8.0)
CAMERA = Camera(60, 48, 55.0, 55.0, 30.0, 24.0)


class Globe(Model):
    """A ball of radius 1 with waves of color, before a black background."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = torch.nn.Parameter(torch.zeros(1))
        self.n_rendered = 0

    def forward(self, batch):
        raise NotImplementedError

    def render(self, view, background=None, chunk=4096, progress=None):
        return self.render_rays(view_rays(SPACE, view))

    def render_rays(self, rays: RayBundle, background: torch.Tensor | None = None, chunk: int = 4096) -> Rendered:
        self.n_rendered += len(rays)
        middle = -(rays.origins * rays.directions).sum(-1)
        nearest = (rays.origins + middle[:, None] * rays.directions).norm(dim=-1)
        half = (1.0 - nearest.square()).clamp_min(0).sqrt()
        points = rays.origins + (middle - half)[:, None] * rays.directions
        opacity = torch.sigmoid((1.0 - nearest) * 40.0)
        waves = 0.5 + 0.5 * torch.sin(points @ torch.tensor([[7.0, 2.0, 0.0], [1.0, 5.0, 6.0], [3.0, -4.0, 5.0]]))
        return Rendered(waves * opacity[:, None], (middle - half) * opacity, opacity)


def looking_at_the_middle() -> torch.Tensor:
    rotation = torch.from_numpy(Rotation.from_euler("zyx", [20, 35, -25], degrees=True).as_matrix())
    return torch.cat([rotation, 4.0 * rotation[:, 2:]], 1)


def off(c2w: torch.Tensor, degrees: float, shift: float, seed: int) -> torch.Tensor:
    draw = np.random.default_rng(seed)
    axis, direction = (vector / np.linalg.norm(vector) for vector in draw.normal(size=(2, 3)))
    turn = torch.from_numpy(Rotation.from_rotvec(np.radians(degrees) * axis).as_matrix())
    return torch.cat([turn @ c2w[:, :3], c2w[:, 3:] + shift * torch.from_numpy(direction)[:, None]], 1)


@pytest.mark.parametrize("seed", range(3))
def test_the_camera_that_made_the_image_is_found(seed: int) -> None:
    model, true = Globe(), looking_at_the_middle()
    truth = model.render(View(true, CAMERA)).rgb.view(48, 60, 3)
    wrong = View(off(true, 1.0, 0.05, seed), CAMERA)
    found = fitted_view(model, SPACE, wrong, truth)
    before, after = (model.render(view).rgb.view(48, 60, 3) - truth for view in (wrong, found))
    assert float(after[:, 30:].square().mean()) < 1e-4 * float(before[:, 30:].square().mean())
    torch.testing.assert_close(found.c2w, true, atol=2e-3, rtol=0)
    assert found.camera == CAMERA and torch.equal(wrong.c2w, off(true, 1.0, 0.05, seed))


def test_a_model_that_renders_only_whole_views_is_fitted_as_one_that_renders_rays() -> None:
    class Painter(Globe):
        render_rays = Model.render_rays

        def render(self, view, background=None, chunk=4096, progress=None):
            return Globe().render(view)

    true = looking_at_the_middle()
    truth = Globe().render(View(true, CAMERA)).rgb.view(48, 60, 3)
    wrong = View(off(true, 1.0, 0.05, 4), CAMERA)
    found = fitted_view(Painter(), SPACE, wrong, truth)
    torch.testing.assert_close(found.c2w, true, atol=2e-3, rtol=0)
    torch.testing.assert_close(found.c2w, fitted_view(Globe(), SPACE, wrong, truth).c2w, atol=1e-3, rtol=0)


def test_the_right_half_and_unusable_pixels_are_not_looked_at() -> None:
    model, true = Globe(), looking_at_the_middle()
    truth = model.render(View(true, CAMERA)).rgb.view(48, 60, 3).clone()
    wrong, usable = View(off(true, 0.5, 0.02, 7), CAMERA), torch.ones(48, 60, dtype=torch.bool)
    usable[:10] = False
    found = fitted_view(model, SPACE, wrong, truth, usable=usable)
    truth[:, 30:], truth[:10] = torch.rand(48, 30, 3), 1.0
    assert torch.equal(fitted_view(model, SPACE, wrong, truth, usable=usable).c2w, found.c2w)
    nothing = fitted_view(model, SPACE, wrong, truth, usable=torch.zeros(48, 60, dtype=torch.bool))
    assert torch.equal(nothing.c2w, wrong.c2w)


def test_a_right_camera_stays_and_a_useless_image_moves_nothing_far() -> None:
    model, true = Globe(), looking_at_the_middle()
    truth = model.render(View(true, CAMERA)).rgb.view(48, 60, 3)
    torch.testing.assert_close(fitted_view(model, SPACE, View(true, CAMERA), truth).c2w, true, atol=1e-5, rtol=0)
    found = fitted_view(model, SPACE, View(off(true, 0.0, 30.0, 0), CAMERA), truth)  # the ball is out of view
    assert bool(found.c2w.isfinite().all())


def test_a_million_pixels_cost_no_more_than_some_thousand() -> None:
    model, true = Globe(), looking_at_the_middle()
    large = replace(CAMERA, width=600, height=480, fx=550.0, fy=550.0, cx=300.0, cy=240.0)
    truth = model.render(View(true, large)).rgb.view(480, 600, 3)
    model.n_rendered = 0
    found = fitted_view(model, SPACE, View(off(true, 0.1, 0.005, 1), large), truth)
    assert model.n_rendered < 13 * 4096 * 21
    torch.testing.assert_close(found.c2w, true, atol=5e-4, rtol=0)


def test_rays_in_ndc_are_refused() -> None:
    from radfield_core.ops.ndc import Ndc

    space = RaySpace(near=0.0, far=1.0, warp=Ndc(1.0, 1.0, 1.0))
    with pytest.raises(UsageError, match="NDC"):
        fitted_view(Globe(), space, View(looking_at_the_middle(), CAMERA), torch.zeros(48, 60, 3))


@pytest.mark.parametrize(("degrees", "shift"), [(0.0, 0.0), (1e-4, 1e-5), (0.7, 0.02), (179.0, 3.0)])
def test_a_movement_is_an_angle_and_a_distance(degrees: float, shift: float) -> None:
    true = looking_at_the_middle()
    assert movement(true, off(true, degrees, shift, 3)) == pytest.approx((degrees, shift), rel=1e-6, abs=1e-12)
