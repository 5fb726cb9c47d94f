"""The complete forward pass of mip-NeRF, with the paper's settings, is compared with its formulas in float64 loops.

The formulas have their plain forms: differences of powers for the moments of a frustum, and explicit loops for the
rest.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from radfield_core import BuildContext, Model, RayBundle, SceneBox, Step, compose, get_registry
from radfield_core.model import level_loop

NEAR, FAR, S = 2.0, 6.0, 128


def cone(t0, t1, radius):
    """Return the mean and the variance along a cone, and the variance across it (equation 7, as printed in the
    paper)."""
    volume = t1**3 - t0**3
    mean = 3 * (t1**4 - t0**4) / (4 * volume)
    along = 3 * (t1**5 - t0**5) / (5 * volume) - mean**2
    return mean, along, radius**2 * 3 * (t1**5 - t0**5) / (20 * volume)


def cylinder(t0, t1, radius):
    return (t0 + t1) / 2, (t1 - t0) ** 2 / 12, radius**2 / 4


def gaussian(origin, direction, moments):
    """Return the mean and the diagonal of the covariance in space (equations 8 and 16)."""
    mean, along, across = moments
    outer = np.outer(direction, direction)
    covariance = along * outer + across * (np.eye(3) - outer / (direction @ direction))
    return origin + mean * direction, np.diag(covariance)


def integrated(mean, variance):
    damping = [math.exp(-0.5 * 4**k * v) for k in range(16) for v in variance]
    angles = [2**k * m for k in range(16) for m in mean]
    sines = [d * math.sin(a) for d, a in zip(damping, angles, strict=True)]
    return np.array(sines + [d * math.cos(a) for d, a in zip(damping, angles, strict=True)])


def encode(v, frequencies):
    features = list(v)
    for k in range(frequencies):
        features += [math.sin(2**k * c) for c in v] + [math.cos(2**k * c) for c in v]
    return np.array(features)


def dense(weights, name, x):
    return weights[f"{name}.weight"] @ x + weights[f"{name}.bias"]


def mlp(weights, encoded, direction):
    """Return density and color. There are eight layers of 256 units, with the input again after the fifth. The density
    is softplus(raw − 1), and colors are padded."""
    h = encoded
    for layer in range(8):
        h = np.maximum(dense(weights, f"trunk.layers.{layer}", h), 0.0)
        if layer == 4:
            h = np.concatenate([h, encoded])
    density = math.log1p(math.exp(dense(weights, "density_head", h)[0] - 1.0))
    joined = np.concatenate([dense(weights, "color_head.bottleneck", h), encode(direction, 4)])
    h = np.maximum(dense(weights, "color_head.joined", joined), 0.0)
    rgb = 1.0 / (1.0 + np.exp(-dense(weights, "color_head.output", h)))
    return density, rgb * (1 + 2 * 0.001) - 0.001


def render(weights, origin, direction, edges, radius, moments):
    """Return the color on a white background, and the weight of each interval."""
    optical, color, shares = 0.0, np.zeros(3), []
    for t0, t1 in itertools.pairwise(edges):
        mean, variance = gaussian(origin, direction, moments(t0, t1, radius))
        density, rgb = mlp(weights, integrated(mean, variance), direction)
        shares.append(math.exp(-optical) * (1.0 - math.exp(-density * (t1 - t0))))
        optical += density * (t1 - t0)
        color = color + shares[-1] * rgb
    return color + 1.0 - sum(shares), np.array(shares)


def resample(edges, shares, u):
    """Return the edges at which the integral of the blurred and padded weights has the values u."""
    n = len(shares)
    larger = [max(shares[max(i - 1, 0)], shares[min(i, n - 1)]) for i in range(n + 1)]
    blurred = [(larger[i] + larger[i + 1]) / 2 + 0.01 for i in range(n)]
    total, cdf = sum(blurred), [0.0]
    for value in blurred:
        cdf.append(cdf[-1] + value / total)
    found = []
    for value in u:
        i = next(i for i in range(n) if cdf[i + 1] > value or i == n - 1)
        found.append(edges[i] + (value - cdf[i]) / (cdf[i + 1] - cdf[i]) * (edges[i + 1] - edges[i]))
    return found


def rays(n):
    generator = torch.Generator().manual_seed(5)
    origins = torch.nn.functional.normalize(torch.randn(n, 3, generator=generator, dtype=torch.float64), dim=-1) * 4
    directions = torch.nn.functional.normalize(
        0.3 * torch.randn(n, 3, generator=generator, dtype=torch.float64) - origins, dim=-1
    )
    one = torch.ones(n, dtype=torch.float64)
    return RayBundle(origins, directions, directions, NEAR * one, FAR * one, 0.004 * one)


def build(*overrides: str, ndc: bool = False) -> Model:
    torch.manual_seed(0)
    run = compose(get_registry(), method="mipnerf", overrides=overrides, needs_data=False).run
    context = BuildContext(bounds=SceneBox(torch.zeros(3), 1.5), run=run, ndc=ndc)
    return level_loop(context, run.method.load()(run.method.config).n_fields).double()


@pytest.mark.parametrize("ndc", [False, True])
def test_evaluation_equals_the_formulas_on_both_levels(ndc):
    model, bundle, white = build(ndc=ndc), rays(2), torch.ones(2, 3, dtype=torch.float64)
    model.main_field.density_head.weight.data *= 10  # densities that differ along the ray
    with torch.no_grad():
        outputs = model.eval().trace(bundle, white)
    weights = {name: value.numpy() for name, value in model.main_field.state_dict().items()}
    moments = cylinder if ndc else cone
    for r, (origin, direction) in enumerate(zip(bundle.origins.numpy(), bundle.directions.numpy(), strict=True)):
        edges = list(np.linspace(NEAR, FAR, S + 1))
        color, shares = render(weights, origin, direction, edges, 0.004, moments)
        first, second = outputs.levels
        np.testing.assert_allclose(first.rendered.rgb[r], color, atol=1e-6)
        np.testing.assert_allclose(first.weights.view(2, -1)[r], shares, atol=1e-6)
        assert shares.max() > 2 * shares.mean(), "weights so even that it does not matter how they are blurred"
        edges = resample(edges, shares, np.linspace(0.0, 1.0 - np.finfo(np.float64).eps, S + 1))
        np.testing.assert_allclose(second.samples.edges()[r], edges, atol=1e-6)
        color, shares = render(weights, origin, direction, edges, 0.004, moments)
        np.testing.assert_allclose(outputs.rendered.rgb[r], color, atol=1e-6)
        np.testing.assert_allclose(second.weights.view(2, -1)[r], shares, atol=1e-6)


def test_both_levels_use_one_network_unless_set_otherwise():
    assert len(build().fields) == 1
    assert len(build("method.single_mlp=false").fields) == 2


def test_without_integration_features_are_those_of_points_at_the_same_means():
    model = build("field.disable_integration=true")
    field, bundle = model.main_field.eval(), rays(3)
    narrow = RayBundle(bundle.origins, bundle.directions, bundle.viewdirs, bundle.near, bundle.far, 0 * bundle.radii)
    model.begin_step(Step(0, 10, 0))
    for mine in (bundle, narrow):
        samples = model.sampler.eval().propose(mine, 0, None, field)
        mean, _ = samples.gaussians()
        torch.testing.assert_close(field(samples).density, field.density(mean), atol=1e-12, rtol=0)


def test_training_edges_stay_between_middles_and_resampled_ones_in_range():
    model, bundle = build().train(), rays(16)
    model.begin_step(Step(3, 10, 0))
    outputs = model.trace(bundle, torch.ones(16, 3, dtype=torch.float64))
    even = np.linspace(NEAR, FAR, S + 1)
    middles = (even[1:] + even[:-1]) / 2
    edges = outputs.levels[0].samples.edges().numpy()
    assert (edges[:, 1:] >= middles).all() and (edges[:, :-1] <= middles).all() and edges.std(axis=0)[1:-1].min() > 0
    finer = outputs.levels[1].samples.edges()
    assert (finer.diff(dim=1) >= 0).all() and finer.min() >= edges.min() and finer.max() <= edges.max()
    assert not finer.requires_grad


def test_learning_rate_follows_the_published_curve():
    run = compose(get_registry(), method="mipnerf", needs_data=False).run
    method = run.method.load()(run.method.config)
    for step in (0, 1, 700, 2500, 2501, 400_000, 999_999, 1_000_000):
        delay = 0.01 + 0.99 * math.sin(0.5 * math.pi * min(max(step / 2500, 0), 1))
        share = step / 1_000_000
        expected = delay * math.exp((1 - share) * math.log(5e-4) + share * math.log(5e-6))
        actual = next(run.method.config.lr.values()) * method.lr_scale(Step(step, 1_000_000, 0), "all")
        assert actual == pytest.approx(expected, rel=1e-6)
