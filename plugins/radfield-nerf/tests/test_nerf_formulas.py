"""The complete forward pass of NeRF, with the paper's settings, is compared with its formulas in float64 numpy loops.

The formulas do not call the code under test: encoding, MLP, sampling and compositing are written again here.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from radfield_core import BuildContext, Model, RayBundle, SceneBox, Step, compose, get_registry
from radfield_core.model import level_loop

NEAR, FAR, COARSE, FINE = 2.0, 6.0, 64, 128
STEP = Step(7, 100, 3)


def encode(v, frequencies):
    features = list(v)
    for k in range(frequencies):
        features += [math.sin(2**k * c) for c in v] + [math.cos(2**k * c) for c in v]
    return np.array(features)


def dense(weights, name, x):
    return weights[f"{name}.weight"] @ x + weights[f"{name}.bias"]


def mlp(weights, position, direction):
    """Return raw density and color at one point, from eight layers of 256 units, with the input again before the fifth,
    and the color layers."""
    encoded = h = encode(position, 10)
    for layer in range(8):
        if layer == 4:
            h = np.concatenate([h, encoded])
        h = np.maximum(dense(weights, f"trunk.layers.{layer}", h), 0.0)
    raw = dense(weights, "density_head", h)[0]
    joined = np.concatenate([dense(weights, "color_head.bottleneck", h), encode(direction, 4)])
    h = np.maximum(dense(weights, "color_head.joined", joined), 0.0)
    return raw, 1.0 / (1.0 + np.exp(-dense(weights, "color_head.output", h)))


def render(weights, origin, direction, t, noise):
    """Return the color on a white background, and the weight of each sample. The last interval has the length 1e10."""
    transmittance, color, shares = 1.0, np.zeros(3), []
    for i, ti in enumerate(t):
        raw, rgb = mlp(weights, origin + ti * direction, direction)
        length = t[i + 1] - ti if i + 1 < len(t) else 1e10
        alpha = 1.0 - math.exp(-max(raw + noise[i], 0.0) * length)
        shares.append(transmittance * alpha)
        color = color + shares[-1] * rgb
        transmittance *= 1.0 - alpha
    return color + 1.0 - sum(shares), np.array(shares)


def inverse_cdf(t, shares, n):
    """Return n distances between the midpoints of t, by inverting the CDF of the inner shares, which are constant
    between midpoints."""
    middles = [(a + b) / 2 for a, b in itertools.pairwise(t)]
    pdf = (shares[1:-1] + 1e-5) / np.sum(shares[1:-1] + 1e-5)
    cdf = [0.0]
    for p in pdf:
        cdf.append(cdf[-1] + p)
    found = []
    for u in np.linspace(0.0, 1.0, n):
        above = next((i for i, c in enumerate(cdf) if c > u), len(cdf) - 1)
        below = max(above - 1, 0)
        span = cdf[above] - cdf[below]
        share = (u - cdf[below]) / (span if span >= 1e-5 else 1.0)
        found.append(middles[below] + share * (middles[above] - middles[below]))
    return found


def rays(n):
    generator = torch.Generator().manual_seed(5)
    origins = torch.nn.functional.normalize(torch.randn(n, 3, generator=generator, dtype=torch.float64), dim=-1) * 4
    directions = torch.nn.functional.normalize(
        0.3 * torch.randn(n, 3, generator=generator, dtype=torch.float64) - origins, dim=-1
    )
    one = torch.ones(n, dtype=torch.float64)
    return RayBundle(origins, directions, directions, NEAR * one, FAR * one, 0.001 * one)


@pytest.fixture(scope="module")
def model() -> Model:
    """NeRF with its preset. Colors vary, and densities are zero in half of space and large in the other half."""
    torch.manual_seed(0)
    run = compose(get_registry(), method="nerf", overrides=["field.density_noise=1.0"], needs_data=False).run
    model = level_loop(BuildContext(bounds=SceneBox(torch.zeros(3), 1.5), run=run), n_fields=2).double()
    places = 2 * torch.randn(500, 3, dtype=torch.float64)
    for field in model.fields:
        field.density_head.weight.data *= 30
        field.color_head.output.weight.data *= 10
        with torch.no_grad():
            field.density_head.bias -= field.density_head(field.features(places)).median()
    model.begin_step(STEP)
    return model


def weights_of(field):
    return {name: value.numpy() for name, value in field.state_dict().items()}


def test_evaluation_equals_the_formulas_coarse_and_fine(model):
    bundle, white = rays(3), torch.ones(3, 3, dtype=torch.float64)
    with torch.no_grad():
        outputs = model.eval().trace(bundle, white)
    coarse, fine = (weights_of(field) for field in model.fields)
    for r, (origin, direction) in enumerate(zip(bundle.origins.numpy(), bundle.directions.numpy(), strict=True)):
        t = list(np.linspace(NEAR, FAR, COARSE))
        color, shares = render(coarse, origin, direction, t, np.zeros(COARSE))
        np.testing.assert_allclose(outputs.levels[0].rendered.rgb[r], color, atol=1e-5)
        np.testing.assert_allclose(outputs.levels[0].weights.view(3, -1)[r], shares, atol=1e-5)
        t = sorted(t + inverse_cdf(t, shares, FINE))
        color, shares = render(fine, origin, direction, t, np.zeros(COARSE + FINE))
        np.testing.assert_allclose(outputs.levels[1].samples.dense(outputs.levels[1].samples.t_eval)[r], t, atol=1e-5)
        np.testing.assert_allclose(outputs.rendered.rgb[r], color, atol=1e-5)
        np.testing.assert_allclose(outputs.levels[1].weights.view(3, -1)[r], shares, atol=1e-5)
        assert shares.sum() > 0.05 and shares.max() < 0.999


def test_training_equals_the_formulas_with_noise_on_the_raw_density(model):
    n = 2
    bundle, white = rays(n), torch.ones(n, 3, dtype=torch.float64)
    model.begin_step(STEP)
    outputs = model.train().trace(bundle, white)
    for level, field, samples in zip(outputs.levels, model.fields, (COARSE, COARSE + FINE), strict=True):
        generator = STEP.generator("nerf/density-noise")
        noise = torch.randn(n * samples, generator=generator, dtype=torch.float64).view(n, samples).numpy()
        t = level.samples.dense(level.samples.t_eval).numpy()
        rendered = level.rendered.rgb.detach().numpy()
        for r in range(n):
            origin, direction = bundle.origins[r].numpy(), bundle.directions[r].numpy()
            color, shares = render(weights_of(field), origin, direction, list(t[r]), noise[r])
            np.testing.assert_allclose(rendered[r], color, atol=1e-5)
            np.testing.assert_allclose(level.weights.detach().view(n, -1)[r], shares, atol=1e-5)
            silent, _ = render(weights_of(field), origin, direction, list(t[r]), 0 * noise[r])
            assert np.abs(silent - color).max() > 1e-4, "the noise made no difference"


def test_there_is_no_noise_in_evaluation(model):
    bundle, white = rays(4), torch.ones(4, 3, dtype=torch.float64)
    with torch.no_grad():
        first, second = model.eval().trace(bundle, white), model.trace(bundle, white)
    assert torch.equal(first.rendered.rgb, second.rendered.rgb)
