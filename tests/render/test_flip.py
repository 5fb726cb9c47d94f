"""FLIP against values of the authors' own program, and against what the paper states."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings, strategies as st

from radfield_core.render.flip import flip

Pairs = Callable[[int, int, int], tuple[torch.Tensor, torch.Tensor]]

# flip-evaluator 1.7 with "LDR", for `image_pair(height, width, seed)`: the mean, pixels [0, 0], [10, 20] and
# [39, 47], and the mean at 30 pixels per degree.
PUBLISHED = {
    (40, 60, 0): (0.29997870326, (0.34864521027, 0.21163120866, 0.40308532119), 0.34418284893),
    (64, 48, 7): (0.27524048090, (0.39115250110, 0.18477196991, 0.59536373615), 0.35690879822),
}


@pytest.mark.parametrize("case", PUBLISHED, ids=str)
def test_equals_the_authors_program(image_pair: Pairs, case: tuple[int, int, int]) -> None:
    mean, pixels, mean_at_30 = PUBLISHED[case]
    truth, image = image_pair(*case)
    error = flip(image, truth)
    assert float(error.mean()) == pytest.approx(mean, abs=1e-6)
    assert [float(error[at]) for at in ((0, 0), (10, 20), (39, 47))] == pytest.approx(pixels, abs=2e-6)
    assert float(flip(image, truth, pixels_per_degree=30.0).mean()) == pytest.approx(mean_at_30, abs=1e-6)


@settings(max_examples=15, deadline=None)
@given(
    first=st.lists(st.floats(0, 1), min_size=3, max_size=3), second=st.lists(st.floats(0, 1), min_size=3, max_size=3)
)
def test_is_a_symmetric_difference_in_the_unit_interval(first: list[float], second: list[float]) -> None:
    image, truth = (torch.tensor(color, dtype=torch.float64).expand(6, 9, 3) for color in (first, second))
    error = flip(image, truth)
    assert bool((error >= 0).all()) and bool((error <= 1 + 1e-9).all())
    torch.testing.assert_close(error, flip(truth, image))
    assert float(flip(image, image).abs().max()) == 0.0


def test_the_colors_that_differ_most_have_the_error_one() -> None:
    green, blue = torch.tensor([0.0, 1.0, 0.0]).expand(8, 8, 3), torch.tensor([0.0, 0.0, 1.0]).expand(8, 8, 3)
    assert float(flip(green, blue).min()) == pytest.approx(1.0, abs=1e-9)
