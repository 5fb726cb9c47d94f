"""The toy parts that grow have the values that their docstrings state, before and after they grow."""

from __future__ import annotations

import torch

from radfield_core.cameras import Camera, View
from radfield_core.interfaces import TrainedParameters
from radfield_core.testing.toy_growing import ToyGrid, ToyGridConfig, ToyPainting, ends_half, twice_as_fine
from radfield_core.testing.toys import toy_context
from radfield_core.types import Step


def test_exactly_one_step_ends_the_first_half() -> None:
    for max_steps in (1, 2, 5, 8):
        ends = [index for index in range(max_steps) if ends_half(Step(index, max_steps, 0))]
        assert ends == [max(1, max_steps // 2) - 1]


def test_a_finer_grid_keeps_the_corners_and_is_linear_between_points() -> None:
    values = torch.arange(4.0).view(1, 1, 4, 1, 1).expand(1, 1, 4, 2, 2)
    finer = twice_as_fine(values)
    assert finer.shape == (1, 1, 8, 4, 4)
    torch.testing.assert_close(finer[0, 0, :, 1, 2], torch.linspace(0.0, 3.0, 8))


def test_the_grid_has_its_values_at_the_grid_points_and_grows_once() -> None:
    grid = ToyGrid(ToyGridConfig(resolution=3), toy_context())
    corner = torch.tensor([[-1.5, -1.5, -1.5], [1.5, 1.5, 1.5], [1.5, 0.0, -1.5]])  # the bounds of the toy context
    raw = torch.stack([grid.values[0, :, 0, 0, 0], grid.values[0, :, 2, 2, 2], grid.values[0, :, 0, 1, 2]])
    torch.testing.assert_close(grid.density(corner), torch.nn.functional.softplus(raw[:, 0]))
    torch.testing.assert_close(grid.point_color(corner), raw[:, 1:].sigmoid())
    for index in range(8):
        grid.adapt(Step(index, 8, 0), TrainedParameters(grid))
        assert grid.values.shape[2] == (3 if index < 3 else 6)


def test_stripes_divide_without_a_change_of_the_picture() -> None:
    model = ToyPainting(2)
    view = View(torch.eye(4)[:3], Camera(8, 2, 5.0, 5.0, 4.0, 1.0))
    before = model.render(view, torch.ones(3)).rgb
    model.adapt(Step(3, 8, 0), TrainedParameters(model))
    after = model.render(view, torch.ones(3)).rgb
    assert len(model.stripes) == 4 and torch.equal(before, after)
    expected = 0.75 * model.stripes[0].sigmoid() + 0.25
    for column in range(4):
        torch.testing.assert_close(before[8 + column], expected)
