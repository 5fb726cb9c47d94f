"""The positional encoding is compared with its formula, computed with Python's sines."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings, strategies as st
from radfield_frequency.config import FrequencyConfig
from radfield_frequency.encoding import Frequency

from radfield_core import BuildContext, SceneBox, Step, UsageError

CONTEXT = BuildContext(bounds=SceneBox(torch.zeros(3), 1.0))


def build(in_dim: int = 3, **options) -> Frequency:
    return Frequency(FrequencyConfig(**options), CONTEXT, in_dim=in_dim)


def written_out(row: list[float], n_frequencies: int, include_input: bool, scale: float) -> list[float]:
    features = list(row) if include_input else []
    for k in range(n_frequencies):
        features += [math.sin(scale * 2.0**k * value) for value in row]
        features += [math.cos(scale * 2.0**k * value) for value in row]
    return features


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(st.lists(st.floats(-6, 6), min_size=3, max_size=3), max_size=5),
    n_frequencies=st.integers(1, 12),
    include_input=st.booleans(),
    angular_scale=st.sampled_from(["none", "pi"]),
)
def test_features_are_those_of_the_formula_in_its_order(rows, n_frequencies, include_input, angular_scale):
    encoding = build(n_frequencies=n_frequencies, include_input=include_input, angular_scale=angular_scale).double()
    scale = math.pi if angular_scale == "pi" else 1.0
    x = torch.tensor(rows, dtype=torch.float64).reshape(-1, 3)
    expected = torch.tensor(
        [written_out(row, n_frequencies, include_input, scale) for row in x.tolist()], dtype=torch.float64
    ).reshape(len(rows), encoding.out_dim)
    torch.testing.assert_close(encoding(x), expected, atol=1e-11, rtol=0)


def test_published_sizes_are_63_and_27():
    assert build(n_frequencies=10).out_dim == 63
    assert build(n_frequencies=4).out_dim == 27
    assert build(n_frequencies=10)(torch.rand(7, 3)).shape == (7, 63)


@pytest.mark.parametrize("include_input", [True, False])
def test_first_and_second_derivatives_by_position_equal_finite_differences(include_input):
    encoding = build(n_frequencies=4, include_input=include_input).double()
    x = torch.rand(3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(encoding, (x,))
    assert torch.autograd.gradgradcheck(encoding, (x,))


def test_a_gaussian_is_encoded_by_its_mean():
    encoding, x = build(), torch.rand(5, 3)
    assert torch.equal(encoding(x, torch.ones(5, 3)), encoding(x))


def test_a_checkpoint_holds_no_constants():
    assert build().state_dict() == {}


def test_an_encoding_without_features_is_a_usage_error():
    with pytest.raises(UsageError, match="n_frequencies"):
        build(n_frequencies=0, include_input=False)


def test_linear_frequencies_are_evenly_spaced_up_to_the_same_highest_one():
    encoding = build(1, n_frequencies=4, spacing="linear", include_input=False).double()
    x = 0.37
    expected = [wave(x * (1 + k * 7 / 3)) for k in range(4) for wave in (math.sin, math.cos)]
    assert encoding(torch.tensor([[x]], dtype=torch.float64))[0].tolist() == pytest.approx(expected, abs=1e-6)


def test_frequencies_fade_in_one_after_the_other():
    """Nerfies, equation 8. After the share p, frequency k of L has the weight (1 − cos π·clip(pL − k, 0, 1)) / 2."""
    encoding, plain = build(n_frequencies=4, fade_in_steps=40), build(n_frequencies=4)
    x = torch.rand(5, 3)
    for index, weights in ((0, [0, 0, 0, 0]), (5, [0.5, 0, 0, 0]), (15, [1, 0.5, 0, 0]), (40, [1] * 4), (90, [1] * 4)):
        encoding.begin_step(Step(index, 1000, 0))
        expected = plain(x)
        expected[:, 3:] *= torch.tensor(weights).repeat_interleave(6)
        torch.testing.assert_close(encoding(x), expected, atol=1e-6, rtol=0)
