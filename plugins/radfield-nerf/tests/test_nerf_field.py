"""The field of NeRF: its queries agree with its forward pass, in every layout and with every kind of encoding."""

from __future__ import annotations

import torch

from radfield_core import Field, Model, RayBundle, RaySamples, Step, compose, get_registry
from radfield_core.ops import Packing
from radfield_core.testing import toy_context


def build(*overrides: str, method: str = "nerf-small") -> Model:
    torch.manual_seed(0)
    run = compose(get_registry(), method=method, overrides=overrides, needs_data=False).run
    method_class = run.method.load()
    return method_class(run.method.config).build(toy_context(run))


def field(*overrides: str, method: str = "nerf-small") -> Field:
    made = build(*overrides, method=method).main_field.eval()
    made.density_head.bias.data += 0.5  # so that the ReLU of most points lets something through
    return made


def rays(n: int) -> RayBundle:
    origins = torch.nn.functional.normalize(torch.randn(n, 3), dim=-1) * 4
    directions = torch.nn.functional.normalize(-origins + 0.5 * torch.randn(n, 3), dim=-1)
    one = torch.ones(n)
    return RayBundle(origins, directions, directions, 2 * one, 6 * one, 0.01 * one)


def test_queries_at_points_equal_the_forward_pass_at_the_same_points():
    nerf, bundle = field(), rays(5)
    samples = RaySamples.from_edges(bundle, torch.linspace(2, 6, 8).expand(5, 8))
    outputs, x = nerf(samples), samples.positions()
    torch.testing.assert_close(nerf.density(x), outputs.density)
    torch.testing.assert_close(nerf.point_color(x, samples.per_sample(bundle.viewdirs)), outputs.rgb)
    torch.testing.assert_close(nerf.occupancy(x, 0.1), 1 - torch.exp(-0.1 * outputs.density))
    assert (outputs.density >= 0).all() and outputs.density.max() > 0


def test_packed_samples_give_what_the_same_samples_give_on_even_rays():
    nerf, bundle = field(), rays(3)
    even = RaySamples.from_edges(bundle, torch.linspace(2, 6, 5).expand(3, 5))
    packed = RaySamples.packed(bundle, even.t_starts, even.t_ends, Packing.from_counts(torch.tensor([4, 4, 4])))
    torch.testing.assert_close(nerf(packed).rgb, nerf(even).rgb)
    torch.testing.assert_close(nerf(packed).density, nerf(even).density)


def test_no_samples_give_no_outputs():
    outputs = field()(RaySamples.packed(rays(2), torch.empty(0), torch.empty(0), Packing.from_counts(torch.zeros(2))))
    assert outputs.density.shape == (0,) and outputs.rgb.shape == (0, 3)


def test_color_without_a_direction_is_the_mean_over_the_six_axis_directions():
    nerf, x = field(), torch.randn(4, 3)
    axes = [sign * torch.eye(3)[i].expand(4, 3) for i in range(3) for sign in (1.0, -1.0)]
    expected = torch.stack([nerf.point_color(x, axis) for axis in axes]).mean(0)
    torch.testing.assert_close(nerf.point_color(x), expected)
    assert (nerf.point_color(x, axes[0]) - nerf.point_color(x, axes[1])).abs().max() > 1e-4


def test_without_a_direction_encoding_color_is_the_same_from_everywhere():
    nerf, bundle = field(method="tiny-nerf"), rays(4)
    samples = RaySamples.from_edges(bundle, torch.linspace(2, 6, 5).expand(4, 5))
    expected = nerf(samples).rgb
    other = RayBundle(bundle.origins, bundle.directions, -bundle.viewdirs, bundle.near, bundle.far, bundle.radii)
    assert torch.equal(nerf(RaySamples.from_edges(other, torch.linspace(2, 6, 5).expand(4, 5))).rgb, expected)
    torch.testing.assert_close(nerf.point_color(samples.positions()), expected)


def test_every_parameter_gets_a_gradient_on_both_levels():
    model = build("field.density_activation=softplus")
    model.begin_step(Step(0, 10, 0))
    bundle = rays(8)
    outputs = model.trace(bundle, torch.ones(8, 3))
    sum(level.rendered.rgb.square().mean() for level in outputs.levels).backward()
    silent = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert not silent


def test_there_are_as_many_networks_as_levels_ask_for():
    assert len(build().fields) == 2
    assert len(build("sampler.n_importance=0").fields) == 1
    assert len(build(method="tiny-nerf").fields) == 1


def test_noise_is_a_function_of_the_step():
    model = build("field.density_noise=1.0").train()
    samples = RaySamples.from_edges(rays(3), torch.linspace(2, 6, 5).expand(3, 5))
    noisy = []
    for index in (4, 5, 4):
        model.begin_step(Step(index, 10, 0))
        noisy.append(model.main_field(samples).density)
    assert torch.equal(noisy[0], noisy[2]) and not torch.equal(noisy[0], noisy[1])
    assert torch.equal(model.main_field.density(samples.positions()), model.main_field.eval()(samples).density)
