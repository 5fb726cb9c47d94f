"""The field of instant-ngp is compared with its formulas in float64, and its queries with its forward pass."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from types import SimpleNamespace

import attrs
import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from radfield_core import BuildContext, Field, RayBundle, RaySamples, SceneBox, compose, get_registry
from radfield_core.ops import Packing

SIZES = [
    "field.encoding=hash", "field.encoding.n_levels=3", "field.encoding.log2_table_size=9",
    "field.encoding.finest_resolution=32",
]  # fmt: skip


def build(*overrides: str, center=(0.1, -0.2, 0.3), radius: float = 1.5, sizes: Sequence[str] = SIZES) -> Field:
    torch.manual_seed(0)
    run = compose(get_registry(), method="ngp-small", overrides=[*sizes, *overrides], needs_data=False).run
    field = BuildContext(bounds=SceneBox(torch.tensor(center), radius), run=run).make(run.field).eval()
    with torch.no_grad():  # entries start near zero, where wrong formulas would agree too
        for name, parameter in field.named_parameters():
            if "table" in name:
                parameter.uniform_(-1.0, 1.0)
    return field.double()


def rays(n: int) -> RayBundle:
    generator = torch.Generator().manual_seed(1)
    origins = torch.nn.functional.normalize(torch.randn(n, 3, generator=generator, dtype=torch.float64), dim=-1) * 4
    directions = torch.nn.functional.normalize(
        -origins + 0.5 * torch.randn(n, 3, generator=generator, dtype=torch.float64), dim=-1
    )
    one = torch.ones(n, dtype=torch.float64)
    return RayBundle(origins, directions, directions, 2 * one, 6 * one, 0.01 * one)


def packed(bundle: RayBundle, counts: list[int]) -> RaySamples:
    starts = torch.cat([torch.linspace(2, 5, n, dtype=torch.float64) for n in counts])
    return RaySamples.packed(bundle, starts, starts + 0.1, Packing.from_counts(torch.tensor(counts)))


def perceptron(weights: list[np.ndarray], x: np.ndarray) -> np.ndarray:
    """Compute a perceptron layer by layer and unit by unit. The last layer is linear."""
    for number, weight in enumerate(weights):
        x = np.array([sum(w * v for w, v in zip(row, x, strict=True)) for row in weight])
        if number < len(weights) - 1:
            x = np.array([max(v, 0.0) for v in x])
    return x


@pytest.mark.parametrize("options", [[], ["field.n_layers=2", "field.color_layers=1", "field.density_bias=0.5"]])
def test_the_forward_pass_is_the_published_network(options):
    field = build(*options)
    bundle = rays(4)
    samples = packed(bundle, [3, 0, 2, 1])
    outputs = field(samples)
    density_net = [weight.detach().numpy() for weight in field.density_weights]
    color_net = [weight.detach().numpy() for weight in field.color_weights]
    assert len(density_net) == field.config.n_layers + 1 and len(color_net) == field.config.color_layers + 1
    for i, ray in enumerate([0, 0, 0, 2, 2, 3]):
        t = 0.5 * (samples.t_starts[i] + samples.t_ends[i])
        x = bundle.origins[ray] + t * bundle.directions[ray]
        features = perceptron(density_net, field.encoding(x[None])[0].detach().numpy())
        direction = field.direction_encoding(bundle.viewdirs[ray : ray + 1])[0].detach().numpy()
        raw = perceptron(color_net, np.concatenate([features, direction]))
        assert outputs.density[i].item() == pytest.approx(math.exp(features[0] + field.config.density_bias), rel=1e-9)
        assert outputs.rgb[i].tolist() == pytest.approx([1 / (1 + math.exp(-v)) for v in raw], rel=1e-9)


def test_queries_at_points_equal_the_forward_pass_at_the_same_points():
    field, bundle = build(), rays(5)
    samples = packed(bundle, [4, 1, 0, 6, 2])
    outputs, x = field(samples), samples.positions()
    torch.testing.assert_close(field.density(x), outputs.density)
    torch.testing.assert_close(field.point_color(x, samples.per_sample(bundle.viewdirs)), outputs.rgb)
    torch.testing.assert_close(field.occupancy(x, 0.1), 1 - torch.exp(-0.1 * outputs.density))
    assert outputs.density.max() > 0


def test_no_samples_give_no_outputs_and_zero_gradients():
    field = build()
    outputs = field(packed(rays(2), [0, 0]))
    assert outputs.density.shape == (0,) and outputs.rgb.shape == (0, 3)
    (outputs.density.sum() + outputs.rgb.sum()).backward()
    assert all(p.grad is None or not p.grad.any() for p in field.parameters())
    assert field.density(torch.empty(0, 3, dtype=torch.float64)).shape == (0,)


def test_every_parameter_gets_a_gradient():
    field = build()
    outputs = field(packed(rays(40), [12] * 40))
    (outputs.density.square().mean() + outputs.rgb.square().mean()).backward()
    assert [name for name, p in field.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_color_without_a_direction_is_seen_along_the_rise_of_density():
    field, step = build(), 1e-7
    x = torch.randn(6, 3, dtype=torch.float64) * 0.4
    rise = torch.stack(
        [
            (field.density(x + step * axis) - field.density(x - step * axis)) / (2 * step)
            for axis in torch.eye(3, dtype=torch.float64)
        ],
        -1,
    )
    inward = rise / rise.norm(dim=-1, keepdim=True)
    torch.testing.assert_close(field.point_color(x), field.point_color(x, inward), atol=1e-5, rtol=0)
    assert (field.point_color(x) - field.point_color(x, -inward)).abs().max() > 1e-4


@given(st.floats(1.0, 1e3))
@settings(max_examples=20, deadline=None)
def test_the_encoding_is_evaluated_at_contracted_positions(distance):
    """Outside the bounds, the distance r in radii becomes 2 − 1/r (mip-NeRF 360, equation 10). Inside, it does not
    change."""
    center, radius = (0.1, -0.2, 0.3), 1.5
    field = build("field.contraction=sphere", center=center, radius=radius)
    toward = torch.nn.functional.normalize(torch.tensor([[1.0, -2.0, 0.5]], dtype=torch.float64), dim=-1)
    encoded = []
    field.encoding.register_forward_pre_hook(lambda module, inputs: encoded.append(inputs[0]))
    for length, wanted in ((distance, 2.0 - 1.0 / distance), (0.7 / distance, 0.7 / distance)):
        field.density(torch.tensor([center], dtype=torch.float64) + radius * length * toward)
        torch.testing.assert_close(encoded.pop(), wanted * toward, atol=1e-6, rtol=0)
    assert field.encoding.radius == 2.0 and field.encoding.center.tolist() == [0.0, 0.0, 0.0]


def test_a_gaussian_far_away_is_contracted_with_its_mean():
    """A Gaussian at (100, 0, 0) with σ = 5 is scaled by 1/r² in the direction of the center, and by (2 − 1/r)/r across
    it."""
    field = build("field.contraction=sphere", "field.encoding.type=ipe", sizes=[], center=(0.0, 0.0, 0.0), radius=1.0)
    encoded = []
    field.encoding.register_forward_pre_hook(lambda module, inputs: encoded.append(inputs[1]))
    field.density(torch.tensor([[100.0, 0.0, 0.0]], dtype=torch.float64), torch.full((1, 3), 25.0, dtype=torch.float64))
    expected = torch.tensor([[25.0 / 100**4, *[25.0 * (1.99 / 100) ** 2] * 2]], dtype=torch.float64)
    torch.testing.assert_close(encoded.pop(), expected, rtol=1e-9, atol=0)


def test_an_encoding_that_takes_gaussians_under_its_options_is_given_them(monkeypatch):
    """An encoding provides the capabilities that it declares, and those that its options add. The field uses both, like
    the check that parts fit."""
    late = SimpleNamespace(capabilities=lambda config: (frozenset({"gaussians"}), {}))
    monkeypatch.setitem(sys.modules, "gaussians_by_option", late)
    run = compose(get_registry(), method="ngp-small", overrides=["field.encoding.type=ipe"], needs_data=False).run
    encoding = run.field.config.encoding
    part = encoding.component._replace(provides=frozenset({"points"}), capabilities="gaussians_by_option:capabilities")
    config = attrs.evolve(run.field.config, encoding=attrs.evolve(encoding, component=part))
    ctx = BuildContext(bounds=SceneBox(torch.zeros(3), 1.5), run=run)
    field = ctx.make(attrs.evolve(run.field, config=config)).eval().double()
    encoded = []
    field.encoding.register_forward_pre_hook(lambda module, inputs: encoded.append(inputs[1:]))
    samples = packed(rays(3), [2, 1, 3])
    mean, cov = samples.gaussians()
    outputs = field(samples)
    torch.testing.assert_close(encoded[0][0], cov)
    torch.testing.assert_close(field.density(mean, cov), outputs.density)
    encoded.clear()
    field.density(mean)
    field.point_color(mean, mean)
    assert encoded == [(None,), (None,)], "without a covariance both queries are about points"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_outputs_are_as_precise_as_the_parameters(dtype):
    field, x = build().to(dtype), torch.zeros(2, 3, dtype=dtype)
    assert field.density(x).dtype == dtype and field.point_color(x, x + 0.5).dtype == dtype


@pytest.mark.parametrize("ndc", [False, True])
def test_ndc_are_not_contracted_because_they_are_bounded(ndc):
    run = compose(
        get_registry(), method="ngp-small", overrides=[*SIZES, "field.contraction=sphere"], needs_data=False
    ).run
    field = BuildContext(bounds=SceneBox(torch.zeros(3), 1.5), ndc=ndc, run=run).make(run.field)
    assert field.encoding.radius == (1.5 if ndc else 2.0)
    outside = torch.tensor([[6.0, 0.0, 0.0], [60.0, 0.0, 0.0]])
    with torch.no_grad():
        field.encoding.table.uniform_(-1.0, 1.0)
    assert ndc == (field.density(outside).unique().numel() == 1)  # without a contraction, they are clamped to the box


def test_without_a_direction_encoding_the_color_is_that_of_the_features_alone():
    field = build("field.direction_encoding=none")
    bundle = rays(4)
    samples = packed(bundle, [2, 0, 3, 1])
    turned = RayBundle(bundle.origins, bundle.directions, -bundle.viewdirs, bundle.near, bundle.far, bundle.radii)
    here, there = field(samples).rgb, field(packed(turned, [2, 0, 3, 1])).rgb
    assert torch.equal(here, there)
    x = samples.positions()
    torch.testing.assert_close(field.point_color(x), here)
    torch.testing.assert_close(field.point_color(x, torch.rand(len(x), 3)), here)
