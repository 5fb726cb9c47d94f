"""Color maps on the outputs of models: the order of map and background, levels, and whole images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from radfield_core import Batch, Level, ModelOutputs, Rendered, Step, compose
from radfield_core.model.colors import PIXELS, color_map_of, map_colors, pixel_positions, with_map
from radfield_core.testing.toy_parts import Gains, ToyColorConfig
from radfield_core.testing.toys import toy_context, toy_rays
from radfield_core.testing.training import toy_scene
from radfield_core.testing.under_test import make_trainer, with_toys


def gains_model(keeps_background: bool) -> torch.nn.Module:
    """A module with a color map that has the gains 2, 1/2, 1, 1, 1, 1."""
    color_map = Gains(ToyColorConfig(), toy_context())
    with torch.no_grad():
        color_map.log_gains[:2] = torch.tensor([2.0, 0.5]).log()
    color_map.keeps_background = keeps_background
    model = torch.nn.Module()
    model.color_map = color_map
    return model


def outputs_over(background: Tensor, opacity: Tensor, color: Tensor) -> ModelOutputs:
    rgb = opacity[:, None] * color + (1 - opacity[:, None]) * background
    rendered = Rendered(rgb, torch.ones(len(rgb)), opacity)
    level = Level(None, None, None, rendered)  # type: ignore[arg-type]
    darker = replace(level, rendered=Rendered(0.5 * rgb, rendered.depth, opacity))
    return ModelOutputs(rendered, (darker, level), None, 0)


def batch_of(background: Tensor, ids: Tensor | None) -> Batch:
    n = len(background)
    rays = replace(toy_rays(n), image_ids=ids)
    return Batch(rays, None, background, background=background, extras={PIXELS: torch.rand(n, 2)})


@pytest.mark.parametrize("keeps_background", [True, False])
def test_background_is_mapped_only_if_it_was_photographed(keeps_background: bool) -> None:
    opacity, color, background = torch.tensor([1.0, 0.25, 0.0]), torch.rand(3, 3), torch.rand(3, 3)
    ids = torch.tensor([0, 1, 0])
    found = map_colors(
        gains_model(keeps_background), outputs_over(background, opacity, color), batch_of(background, ids)
    )
    for row, gain in enumerate([2.0, 0.5, 2.0]):
        behind = background[row] * (1.0 if keeps_background else gain)
        expected = float(opacity[row]) * gain * color[row] + (1.0 - float(opacity[row])) * behind
        torch.testing.assert_close(found.rendered.rgb[row], expected)
    assert found.levels[1].rendered is found.rendered
    first = found.levels[0].rendered.rgb[0]
    torch.testing.assert_close(first, color[0])  # half as bright, times two


def test_pixels_without_an_image_or_a_map_stay_as_they_are() -> None:
    background = torch.rand(3, 3)
    outputs = outputs_over(background, torch.rand(3), torch.rand(3, 3))
    assert map_colors(gains_model(True), outputs, batch_of(background, None)) is outputs
    assert map_colors(torch.nn.Module(), outputs, batch_of(background, torch.zeros(3, dtype=torch.int64))) is outputs


def test_share_of_the_background_counts_the_background_model() -> None:
    opacity, behind_opacity = torch.tensor([0.5]), torch.tensor([0.8])
    color, far, plain = torch.full((1, 3), 0.4), torch.full((1, 3), 0.2), torch.ones(1, 3)
    behind = ModelOutputs(Rendered(behind_opacity[:, None] * far, opacity, behind_opacity), (), None, 0)
    photographed = 0.5 * color + 0.5 * 0.8 * far
    outputs = ModelOutputs(Rendered(photographed + 0.1 * plain, opacity, opacity), (), behind, 0)
    found = map_colors(gains_model(True), outputs, batch_of(plain, torch.zeros(1, dtype=torch.int64)))
    torch.testing.assert_close(found.rendered.rgb, 2.0 * photographed + 0.1)


def test_gradients_of_empty_and_full_pixels_are_finite_and_right() -> None:
    share = torch.tensor([0.0, 0.3, 1.0], dtype=torch.float64, requires_grad=True)
    rgb = torch.rand(3, 3, dtype=torch.float64, requires_grad=True)
    background = 0.1 * torch.rand(3, 3, dtype=torch.float64)

    def total(rgb: Tensor, share: Tensor) -> Tensor:
        return with_map(lambda c: c.square(), rgb, share, background, straight=True)[:2]

    gradients = torch.autograd.grad(
        with_map(lambda c: c.square(), rgb, share, background, straight=True).sum(), (rgb, share)
    )
    assert all(bool(gradient.isfinite().all()) for gradient in gradients)
    inside = (rgb.detach().clamp_min(0.2).requires_grad_(), share.detach().clamp(0.1, 0.5).requires_grad_())
    assert torch.autograd.gradcheck(total, inside)


def test_whole_image_is_mapped_with_the_number_of_its_view() -> None:
    scene = toy_scene(2, 4)
    rgb = torch.rand(16, 3)
    outputs = ModelOutputs(Rendered(rgb, torch.ones(16), torch.ones(16)), (), None, 0)
    batch = Batch(None, scene.cameras.view(1, image_id=1), rgb, extras={PIXELS: pixel_positions(4, 4)})
    found = map_colors(gains_model(False), outputs, batch)
    torch.testing.assert_close(found.rendered.rgb, 0.5 * rgb)
    assert map_colors(gains_model(False), outputs, replace(batch, view=scene.cameras.view(1))) is outputs


def test_positions_are_pixel_centers_in_shares_of_the_image() -> None:
    found = pixel_positions(4, 2)
    assert found.shape == (8, 2)
    assert [round(v, 3) for v in found[7].tolist()] == [0.875, 0.75]


def run_of(*words: str) -> Any:
    words = ("trainer.max_steps=3", "trainer.n_rays=16", "trainer.device=cpu", "data.size=8", "sampler.n_samples=8",
             "sampler.n_importance=0", "field.width=4", "data=toy-ball", *words)  # fmt: skip
    return compose(with_toys(), method="toy", overrides=words).run


def test_map_is_a_part_of_the_model_and_is_trained(tmp_path: Path) -> None:
    trainer = make_trainer(run_of("color=toy"), tmp_path / "run")
    assert isinstance(color_map_of(trainer.model), Gains)
    assert color_map_of(trainer.model).keeps_background, "the images of the toy ball have an alpha channel"
    assert "color_map.log_gains" in trainer.model.state_dict()
    trainer.train()
    assert bool(color_map_of(trainer.model).log_gains.any())


def test_batches_hold_positions_only_for_a_color_map(tmp_path: Path) -> None:
    plain, colored = (make_trainer(run_of(*w), tmp_path / str(len(w))) for w in ((), ("color=toy",)))
    assert plain.drawer.draw(Step(0, 3, 0), 16).extras == {}
    drawer, step = colored.drawer, Step(1, 3, 0)
    batch = drawer.draw(step, 16)
    _, rows, columns = drawer.draw_pixels(step, 16)
    expected = torch.tensor(
        [[(c + 0.5) / 8, (r + 0.5) / 8] for r, c in zip(rows.tolist(), columns.tolist(), strict=True)]
    )
    torch.testing.assert_close(batch.extras[PIXELS], expected)
    torch.testing.assert_close(batch[3:5].extras[PIXELS], expected[3:5])
