"""The forms of the depth loss, compared with integrals, nested loops and least squares."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from radfield_capture.depth import (
    EPSILON,
    Depth,
    fitted_error,
    line_of_sight,
    mean_distance,
    probabilities,
    weights_divergence,
)
from radfield_capture.supervision import DepthConfig, depth_capabilities

from radfield_core import Batch, ModelOutputs, Rendered, UsageError
from radfield_core.ops import Packing
from radfield_core.testing.toys import toy_rays
from radfield_core.types import RaySamples


def ragged(seed: int = 0) -> tuple[RaySamples, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Samples of three rays with 4, 0 and 7 intervals, weights, depths and standard deviations, all float64."""
    draw = torch.Generator().manual_seed(seed)
    rays = toy_rays(3, dtype=torch.float64)
    edges = [2.0 + torch.rand(n + 1, generator=draw, dtype=torch.float64).cumsum(0) for n in (4, 7)]
    starts, ends = torch.cat([e[:-1] for e in edges]), torch.cat([e[1:] for e in edges])
    samples = RaySamples.packed(rays, starts, ends, Packing.from_counts(torch.tensor([4, 0, 7])))
    weights = torch.rand(11, generator=draw, dtype=torch.float64) / 8
    return samples, weights, torch.tensor([3.2, 3.0, 4.1]).double(), torch.tensor([0.3, 0.2, 0.8]).double()


def normal_mass(start: float, end: float, z: float, sigma: float, n: int = 20_000) -> float:
    """The mass of a normal distribution in an interval, by the midpoint rule."""
    step = (end - start) / n
    points = (start + (i + 0.5) * step for i in range(n))
    return sum(math.exp(-0.5 * ((t - z) / sigma) ** 2) for t in points) * step / (sigma * math.sqrt(2 * math.pi))


def test_probabilities_are_integrals_of_the_normal_distribution() -> None:
    samples, _, depth, sigma = ragged()
    found = probabilities(samples, depth, sigma)
    rays = samples.ray_indices.tolist()
    for i in range(0, samples.n, 3):
        z, s = float(depth[rays[i]]), float(sigma[rays[i]])
        expected = normal_mass(float(samples.t_starts[i]), float(samples.t_ends[i]), z, s, 2000)
        assert float(found[i]) == pytest.approx(expected, abs=1e-7)


def test_the_divergence_is_the_kullback_leibler_divergence_of_complete_distributions() -> None:
    """Monte Carlo: draw depths from N(z, σ) and average the log ratio of the probabilities of their intervals."""
    rays = toy_rays(1, dtype=torch.float64)
    edges = torch.linspace(2.0, 6.0, 21, dtype=torch.float64)[None]
    samples, depth, sigma = (
        RaySamples.from_edges(rays, edges),
        torch.tensor([4.1]).double(),
        torch.tensor([0.4]).double(),
    )
    draw = torch.Generator().manual_seed(1)
    weights = torch.softmax(-(samples.t_eval - 3.7).square() / 0.5, 0)
    t = depth + sigma * torch.randn(400_000, generator=draw, dtype=torch.float64)
    index = torch.searchsorted(edges[0], t) - 1
    share = torch.bincount(index, minlength=20).double() / len(t)
    ratios = (torch.log(share + EPSILON) - torch.log(weights + EPSILON))[index]
    found = weights_divergence(samples, weights, depth, sigma)
    assert float(found[0]) == pytest.approx(float(ratios.mean()), rel=0.01)


@pytest.mark.parametrize("form", [weights_divergence, line_of_sight])
def test_forms_equal_a_loop_over_rays_and_samples(form) -> None:
    samples, weights, depth, sigma = ragged()
    expected, covered = [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]
    for i, ray in enumerate(samples.ray_indices.tolist()):
        start, end, w = float(samples.t_starts[i]), float(samples.t_ends[i]), float(weights[i])
        z, s = float(depth[ray]), float(sigma[ray])
        p = 0.5 * (math.erf((end - z) / s / 2**0.5) - math.erf((start - z) / s / 2**0.5))
        covered[ray] += p
        if form is weights_divergence:
            expected[ray] += (p + EPSILON) * math.log((p + EPSILON) / (w + EPSILON)) - p + w
        elif start < z + 3 * s:
            expected[ray] += (w - p) ** 2
    if form is weights_divergence:
        expected = [share**2 * value for share, value in zip(covered, expected, strict=True)]
    torch.testing.assert_close(form(samples, weights, depth, sigma), torch.tensor(expected).double())
    weights.requires_grad_()
    assert torch.autograd.gradcheck(lambda w: form(samples, w, depth, sigma), (weights,))


@pytest.mark.parametrize("form", [weights_divergence, line_of_sight])
def test_forms_vanish_exactly_where_the_weights_are_the_probabilities(form) -> None:
    samples, _, depth, sigma = ragged()
    best = probabilities(samples, depth, sigma)
    assert float(form(samples, best, depth, sigma).abs().max()) < 1e-12
    for seed in range(5):
        other = (best + 0.1 * torch.rand(11, generator=torch.Generator().manual_seed(seed))).double()
        assert (form(samples, other, depth, sigma)[[0, 2]] > 1e-5).all()


def test_scale_and_shift_are_those_of_least_squares_for_each_image() -> None:
    draw = torch.Generator().manual_seed(2)
    mean = torch.rand(60, generator=draw, dtype=torch.float64) * 4 + 2
    depth = torch.rand(60, generator=draw, dtype=torch.float64)
    known = torch.rand(60, generator=draw) < 0.7
    images = torch.randint(4, (60,), generator=draw)
    images[:2] = 4  # an image with two rays only
    expected = torch.zeros(60, dtype=torch.float64)
    for image in range(4):
        rows = [i for i in range(60) if images[i] == image and known[i]]
        matrix = torch.stack([mean[rows], torch.ones(len(rows)).double()], -1)
        solution = torch.linalg.lstsq(matrix, depth[rows, None]).solution
        residual = (matrix @ solution)[:, 0] - depth[rows]
        expected[rows] = residual.square() / depth[rows].var(correction=0)
    found = fitted_error(mean, depth, known, images, 5)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(fitted_error(mean, 7.0 - 3.0 * depth, known, images, 5), found)
    mean.requires_grad_()
    assert torch.autograd.gradcheck(lambda t: fitted_error(t, depth, known, images, 5).sum(), (mean,)), (
        "the fitted scale and shift need no gradient of their own, because they are optimal"
    )


def rendered(depth: float, opacity: float = 0.8) -> ModelOutputs:
    return ModelOutputs(
        Rendered(torch.zeros(4, 3), torch.full((4,), depth * opacity), torch.full((4,), opacity)), (), None, 0
    )


def batch_of(**extras: torch.Tensor) -> Batch:
    return Batch(None, None, torch.zeros(4, 3), extras=extras)


def loss(**options) -> Depth:
    return Depth(DepthConfig(**options), SimpleNamespace(n_images=3))


def test_a_model_that_only_renders_depth_is_compared_with_the_depths_that_are_known() -> None:
    nan = torch.nan
    batch = batch_of(depth=torch.tensor([4.0, nan, torch.inf, 5.0]), depth_weights=torch.tensor([2.0, 0.0, 0.0, 2.0]))
    found = loss(form="squared")(rendered(3.0), batch, None, None)
    torch.testing.assert_close(found, torch.tensor([2 * 0.25**2, 0.0, 0.0, 2 * 0.4**2]))
    torch.testing.assert_close(mean_distance(rendered(3.0)), torch.full((4,), 3.0))
    with pytest.raises(UsageError, match="needs samples on rays"):
        loss(form="kl")(rendered(3.0), batch, None, None)
    torch.testing.assert_close(loss()(rendered(3.0), batch, None, None), torch.tensor([2 * 0.25, 0.0, 0.0, 2 * 0.4]))


def test_an_uncertain_point_counts_less_than_an_exact_one() -> None:
    batch = batch_of(
        point_depth=torch.tensor([4.0, 4.0, 4.0, torch.nan]),
        point_sigma=torch.tensor([0.0, 0.04, 0.08, torch.nan]),
        point_weights=torch.tensor([1.0, 1.0, 1.0, 0.0]),
    )
    found = loss(form="squared")(rendered(5.0), batch, None, None)
    torch.testing.assert_close(found, 0.25**2 * torch.tensor([1.0, 1.0, 0.25, 0.0]))
    torch.testing.assert_close(
        loss(form="absolute", source="points")(rendered(5.0), batch, None, None),
        0.25 * torch.tensor([1.0, 1.0, 0.5, 0.0]),
    )


def test_estimated_depths_are_fitted_along_the_optical_axis() -> None:
    cosines = torch.tensor([1.0, 0.9, 0.8, 0.7])
    along_axis = torch.tensor([2.0, 3.0, 4.0, 6.0])
    outputs = ModelOutputs(Rendered(torch.zeros(4, 3), along_axis / cosines, torch.ones(4)), (), None, 0)
    extras = {"depth": (0.3 * along_axis + 5.0) / cosines, "depth_weights": torch.ones(4), "depth_cosines": cosines}
    assert float(loss(form="scale_shift")(outputs, batch_of(**extras), None, None).max()) < 1e-8


def test_the_declaration_follows_the_source() -> None:
    needs = [depth_capabilities(DepthConfig(source=source))[1]["data"] for source in ("auto", "images", "points")]
    assert needs == [{"depths|observations|sparse_points"}, {"depths"}, {"observations|sparse_points"}]
    assert Depth.ray_shares(DepthConfig(source="images")) == {}
    assert Depth.ray_shares(DepthConfig(share=0.4)) == {"observations": 0.4, "sparse_points": 0.4}
    with pytest.raises(ValueError, match="share is 0"):
        DepthConfig(source="points", share=0.0)


def test_a_loss_that_is_not_needed_is_zero_for_data_without_depths() -> None:
    assert depth_capabilities(DepthConfig(needed=False))[1]["data"] == {"depths|observations|sparse_points|images"}
    found = loss(needed=False)(rendered(3.0), batch_of(), None, None)
    assert torch.equal(found, torch.zeros(4))
