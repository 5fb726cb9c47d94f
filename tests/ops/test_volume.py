"""Volume rendering against closed forms, nested loops and finite differences, in both layouts."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings, strategies as st

from radfield_core.ops import segments, volume
from radfield_core.ops.backend import using
from radfield_core.ops.layout import Layout, Packing

BACKENDS = ["torch", "numba"]

rays = st.lists(st.integers(0, 6), min_size=0, max_size=5)


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("RADFIELD_BACKEND", request.param)
    return request.param


def packed(counts: list[int]) -> Layout:
    return Layout(len(counts), None, Packing.from_counts(torch.tensor(counts, dtype=torch.int64)))


def uniform(n: int, seed: int, *features: int) -> torch.Tensor:
    return torch.rand(n, *features, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def oracle_weights(alpha: torch.Tensor, counts: list[int]) -> torch.Tensor:
    out, start = torch.zeros_like(alpha), 0
    for count in counts:
        transmittance = 1.0
        for i in range(start, start + count):
            out[i] = transmittance * alpha[i]
            transmittance *= 1 - float(alpha[i])
        start += count
    return out


def test_a_slab_of_constant_density_has_the_closed_form(backend: str) -> None:
    sigma, near, far, s = 1.7, 0.5, 3.0, 40
    for layout in (Layout(1, s), packed([s])):
        edges = torch.linspace(near, far, s + 1, dtype=torch.float64)
        lengths, density = edges.diff(), torch.full((s,), sigma, dtype=torch.float64)
        weights = volume.weights_from_density(density, lengths, layout)
        exact = torch.exp(-sigma * (edges[:-1] - near)) - torch.exp(-sigma * (edges[1:] - near))
        torch.testing.assert_close(weights, exact)
        torch.testing.assert_close(
            volume.transmittance_from_density(density, lengths, layout), torch.exp(-sigma * (edges[:-1] - near))
        )
        total = 1 - math.exp(-sigma * (far - near))
        assert float(volume.opacity(weights, layout)) == pytest.approx(total)
        mean_depth = near + 1 / sigma - (far - near) * math.exp(-sigma * (far - near)) / total
        middles = 0.5 * (edges[:-1] + edges[1:])
        assert float(volume.composite(weights, middles, layout) / total) == pytest.approx(mean_depth, rel=2e-3)


@pytest.mark.parametrize("name", BACKENDS)
@given(counts=rays, seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_weights_equal_a_loop_and_the_rest_is_transmitted(name: str, counts: list[int], seed: int) -> None:
    with using(name):
        check_weights(counts, seed)


def check_weights(counts: list[int], seed: int) -> None:
    layout, n = packed(counts), sum(counts)
    density, lengths = 5 * uniform(n, seed), uniform(n, seed + 1)
    alpha = volume.alpha_from_density(density, lengths)
    expected = oracle_weights(1 - torch.exp(-density * lengths), counts)
    torch.testing.assert_close(volume.weights_from_density(density, lengths, layout), expected)
    torch.testing.assert_close(volume.weights_from_alpha(alpha, layout), expected)
    transmitted = torch.exp(-segments.sum(density * lengths, layout))
    torch.testing.assert_close(1 - volume.opacity(expected, layout), transmitted)
    rgb = uniform(n, seed + 2, 3)
    pixels = torch.zeros(len(counts), 3, dtype=torch.float64)
    for i, ray in enumerate(segments.per_sample(torch.arange(len(counts)), layout).tolist()):
        pixels[ray] += expected[i] * rgb[i]
    torch.testing.assert_close(volume.composite(expected, rgb, layout), pixels)
    color, depth, opacity = volume.pixels(expected, rgb, lengths, layout)
    torch.testing.assert_close(color, pixels)
    torch.testing.assert_close(depth, volume.composite(expected, lengths, layout))
    torch.testing.assert_close(opacity, volume.opacity(expected, layout))


def test_an_opaque_sample_hides_what_is_behind_and_gets_a_finite_gradient(backend: str) -> None:
    alpha = torch.tensor([0.25, 1.0, 0.5, 1.0], dtype=torch.float64, requires_grad=True)
    weights = volume.weights_from_alpha(alpha, packed([4]))
    assert weights.tolist() == [0.25, 0.75, 0.0, 0.0]
    weights[2].backward()
    assert alpha.grad is not None and alpha.grad.tolist() == [0.0, -0.375, 0.0, 0.0]


@pytest.mark.parametrize("uniform_layout", [False, True])
def test_an_empty_interval_has_no_opacity(uniform_layout: bool, backend: str) -> None:
    layout = Layout(3, 3) if uniform_layout else packed([3, 3, 3])
    lengths = torch.tensor([0.5, 0.0, 0.5, 0.0, 0.0, 0.0, 0.5, 0.5, 0.0])
    weights = volume.weights_from_density(torch.full((9,), 2.0), lengths, layout)
    assert torch.equal(weights == 0, lengths == 0)
    expected = [1 - math.exp(-2.0), 0.0, 1 - math.exp(-2.0)]
    torch.testing.assert_close(volume.opacity(weights, layout), torch.tensor(expected))


@pytest.mark.parametrize("uniform_layout", [False, True])
def test_an_opaque_far_end_is_the_last_sample_but_not_on_an_empty_ray(uniform_layout: bool, backend: str) -> None:
    layout = Layout(3, 3) if uniform_layout else packed([3, 3, 3])
    lengths = torch.tensor([0.5, 0.0, 0.5, 0.0, 0.0, 0.0, 0.5, 0.5, 0.0])
    weights = volume.weights_from_density(torch.full((9,), 2.0), lengths, layout, opaque_far=True)
    a = math.exp(-1.0)
    torch.testing.assert_close(weights, torch.tensor([1 - a, 0, a, 0, 0, 0, 1 - a, a * (1 - a), a * a]))


def test_the_far_end_is_opaque_only_where_there_is_density() -> None:
    density = torch.tensor([0.0, 0.0, 0.0, 3.0], requires_grad=True)
    weights = volume.weights_from_density(density, torch.ones(4), packed([2, 2]), opaque_far=True)
    assert weights.tolist() == [0.0, 0.0, 0.0, 1.0]


def test_thin_intervals_keep_their_opacity_in_float32() -> None:
    alpha = volume.alpha_from_density(torch.full((1,), 1e-6), torch.full((1,), 1e-3))
    assert float(alpha) == pytest.approx(1e-9, rel=1e-5)


@given(counts=rays, seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_distortion_equals_the_double_sum(counts: list[int], seed: int) -> None:
    layout, n = packed(counts), sum(counts)
    lengths, weights = uniform(n, seed), uniform(n, seed + 1)
    starts = segments.exclusive_cumsum(lengths + 0.1, layout)
    ends = starts + lengths
    expected, start = [], 0
    for count in counts:
        total = 0.0
        for i in range(start, start + count):
            total += float(weights[i] ** 2 * lengths[i]) / 3
            for j in range(start, start + count):
                total += float(weights[i] * weights[j] * (starts[i] + ends[i] - starts[j] - ends[j]).abs()) / 2
        expected.append(total)
        start += count
    result = volume.distortion(weights, starts, ends, layout)
    torch.testing.assert_close(result, torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize("layout", [packed([3, 0, 4, 1]), Layout(2, 4), packed([]), packed([0, 0]), Layout(0, 3)])
def test_gradients_equal_finite_differences(layout: Layout, backend: str) -> None:
    n = layout.packing.ray_indices.shape[0] if layout.packing else layout.n_rays * layout.samples_per_ray
    density, lengths, x = 2 * uniform(n, 1) + 0.1, uniform(n, 2) + 0.1, uniform(n, 3, 3)
    density.requires_grad_(), x.requires_grad_()
    starts = segments.exclusive_cumsum(lengths, layout)

    def pixels(density: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return volume.composite(volume.weights_from_density(density, lengths, layout), x, layout)

    assert torch.autograd.gradcheck(pixels, (density, x))
    alpha = (0.8 * uniform(n, 4) + 0.1).requires_grad_()
    assert torch.autograd.gradcheck(lambda alpha: volume.weights_from_alpha(alpha, layout), alpha)
    assert torch.autograd.gradcheck(lambda alpha: volume.transmittance_from_alpha(alpha, layout), alpha)
    assert torch.autograd.gradcheck(lambda w: volume.distortion(w, starts, starts + lengths, layout), alpha)


def test_half_precision_colors_are_composited_in_float32(backend: str) -> None:
    pixels = volume.composite(torch.ones(2), torch.full((2, 3), 0.5, dtype=torch.float16), packed([2]))
    assert pixels.dtype == torch.float32 and pixels.tolist() == [[1.0, 1.0, 1.0]]


@given(rays, st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_the_median_is_where_a_loop_over_the_weights_reaches_one_half(counts: list[int], seed: int) -> None:
    n = sum(counts)
    weights, ends = oracle_weights(uniform(n, seed), counts), uniform(n, seed + 1).cumsum(0)
    starts, expected, i = ends - 0.1, [], 0
    for count in counts:
        total, found = 0.0, math.inf
        for k in range(i, i + count):
            if total < 0.5 <= total + float(weights[k]):
                found = float(starts[k]) + 0.1 * (0.5 - total) / float(weights[k])
            total += float(weights[k])
        expected.append(found)
        i += count
    found = volume.median(weights, starts, ends, packed(counts))
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))
    if counts and min(counts) == max(counts):
        torch.testing.assert_close(volume.median(weights, starts, ends, Layout(len(counts), counts[0])), found)


def test_the_median_of_a_constant_density_has_the_closed_form() -> None:
    """T = exp(−σ t) is ½ at t = ln 2 / σ."""
    edges = torch.linspace(0.0, 5.0, 20001, dtype=torch.float64)
    weights = volume.weights_from_density(torch.full((20000,), 1.7).double(), edges.diff(), Layout(1, 20000))
    found = volume.median(weights, edges[:-1], edges[1:], Layout(1, 20000))
    assert float(found) == pytest.approx(math.log(2) / 1.7, abs=1e-7)
