"""Losses and presets of mip-NeRF."""

from __future__ import annotations

import pytest
import torch

from radfield_core import (
    Batch,
    FieldOutputs,
    Level,
    ModelOutputs,
    RayBundle,
    RaySamples,
    Rendered,
    Step,
    compose,
    get_registry,
)
from radfield_core.config import fit
from radfield_core.testing import toy_context
from radfield_core.train.groups import Groups


def run_of(method: str, *overrides: str):
    return compose(get_registry(), method=method, overrides=overrides, needs_data=False).run


def method_of(*overrides: str):
    run = run_of("mipnerf", *overrides)
    return run.method.load()(run.method.config)


def outputs_with(*colors: torch.Tensor) -> ModelOutputs:
    n = colors[0].shape[0]
    one = torch.ones(n)
    rays = RayBundle(torch.zeros(n, 3), torch.zeros(n, 3), torch.zeros(n, 3), one, 2 * one, one)
    samples = RaySamples.from_edges(rays, torch.tensor([[1.0, 2.0]]).expand(n, 2))
    levels = tuple(Level(samples, FieldOutputs(density=one), one, Rendered(color, one, one)) for color in colors)
    assert levels[-1].rendered is not None
    return ModelOutputs(levels[-1].rendered, levels, None, n)


@pytest.mark.parametrize("preset", ["mipnerf", "mipnerf-llff", "mipnerf-small"])
def test_presets_compose_and_their_parts_fit(preset):
    fit.check(run_of(preset), get_registry())


def test_the_preset_is_the_published_one():
    run = run_of("mipnerf")
    field, sampler, method = run.field.config, run.sampler.config, run.method.config
    assert (field.depth, field.width, field.skip_layer, field.color_width) == (8, 256, 6, 128)
    assert (field.encoding.config.min_degree, field.encoding.config.max_degree) == (0, 16)
    assert (field.density_activation, field.density_bias, field.rgb_padding) == ("softplus", -1.0, 0.001)
    assert (sampler.n_samples, sampler.n_levels, sampler.resample_padding) == (128, 2, 0.01)
    assert method.lr.constant == 5e-4
    assert (method.lr_final, method.lr_delay_steps, method.lr_delay_mult) == (5e-6, 2500, 0.01)
    assert (method.coarse_loss.constant, run.trainer.n_rays, run.trainer.max_steps) == (0.1, 4096, 1_000_000)
    model = method_of().build(toy_context(run))
    assert sum(parameter.numel() for parameter in model.parameters()) // 1000 == 612


def test_the_coarse_level_counts_a_tenth_and_pixels_by_the_area_they_cover():
    coarse, fine, pixels = torch.rand(4, 3), torch.rand(4, 3), torch.rand(4, 3)
    area = torch.tensor([1.0, 4.0, 16.0, 64.0]) / 21.25  # of mean one
    batch = Batch(rays=None, view=None, rgb=pixels, loss_weights=area)
    losses = method_of().losses(outputs_with(coarse, fine), batch, None, Step(0, 1, 0))
    weighted = {"coarse": 0.0, "fine": 0.0}
    for name, color, factor in (("coarse", coarse, 0.1), ("fine", fine, 1.0)):
        for r, weight in enumerate((1, 4, 16, 64)):
            weighted[name] += factor * weight * float((color[r] - pixels[r]).square().sum()) / (1 + 4 + 16 + 64) / 3
    assert {name: float(loss) for name, loss in losses.items()} == pytest.approx(weighted, rel=1e-5)
    plain = method_of("method.multiscale_loss=false").losses(outputs_with(coarse, fine), batch, None, Step(0, 1, 0))
    assert float(plain["fine"]) == pytest.approx(float((fine - pixels).square().mean()), rel=1e-5)


def test_the_options_of_adam_reach_the_optimizer():
    method = method_of("method.lr=0.003", "method.adam_betas=[0.8, 0.95]", "method.adam_eps=1e-7")
    model = torch.nn.Linear(2, 2)
    model.parameter_groups = list
    optimizer = method.optimizer(Groups(method, model).tables)
    (group,) = optimizer.param_groups
    assert isinstance(optimizer, torch.optim.Adam) and len(group["params"]) == 2
    assert (group["lr"], group["betas"], group["eps"], group["weight_decay"]) == (0.003, (0.8, 0.95), 1e-7, 0)


def test_the_background_is_the_same_in_training_and_evaluation_or_none():
    for name, value in (("white", 1.0), ("black", 0.0)):
        for step in (None, Step(3, 10, 0)):
            found = method_of(f"method.background={name}").background(step, 4, "cpu")
            assert torch.equal(found, torch.full((4, 3), value))
    assert method_of("method.background=none").background(Step(3, 10, 0), 4, "cpu") is None
