"""Losses, backgrounds and schedules of `method:ngp` are compared with loops and closed forms."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import attrs
import pytest
import torch
from hypothesis import given, strategies as st
from radfield_ngp.config import NgpConfig
from radfield_ngp.method import Ngp

from radfield_core import ModelOutputs, RayBundle, RaySamples, Rendered, Schedule, Step, compose, get_registry
from radfield_core.ops import Packing
from radfield_core.testing import toy_context
from radfield_core.train.groups import Groups

STEP = Step(3, 100, 0)


def method(**options) -> Ngp:
    return Ngp(NgpConfig(**options))


def outputs(rgb, level=None):
    """The attributes of a model's outputs that the losses read."""
    return SimpleNamespace(rendered=SimpleNamespace(rgb=rgb), levels=(level,))


def batch(rgb, loss_weights=None):
    return SimpleNamespace(rgb=rgb, loss_weights=loss_weights)


def smooth_l1(error: float) -> float:
    return 0.5 * error**2 if abs(error) < 1 else abs(error) - 0.5


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("loss", "function"), [("smooth_l1", smooth_l1), ("mse", lambda error: error**2)])
def test_the_photometric_loss_is_the_mean_over_rays_and_channels(loss, function, weighted):
    torch.manual_seed(0)
    shown, wanted = torch.randn(5, 3, dtype=torch.float64) * 2, torch.rand(5, 3, dtype=torch.float64)
    weights = torch.rand(5, dtype=torch.float64) if weighted else None
    total = 0.0
    for ray in range(5):
        for channel in range(3):
            term = function(float(shown[ray, channel] - wanted[ray, channel])) / 15
            total += term * (float(weights[ray]) if weights is not None else 1.0)
    losses = method(loss=loss).losses(outputs(shown), batch(wanted, weights), None, STEP)
    assert set(losses) == {"rgb"} and losses["rgb"].item() == pytest.approx(total)


@pytest.mark.parametrize("weighted", [False, True])
def test_rays_that_hit_nothing_can_be_left_out_of_the_photometric_loss(weighted):
    torch.manual_seed(0)
    shown, wanted = torch.randn(5, 3, dtype=torch.float64), torch.rand(5, 3, dtype=torch.float64)
    opacity = torch.tensor([0.0, 1e-9, 0.5, 0.0, 1.0], dtype=torch.float64)
    weights = torch.rand(5, dtype=torch.float64) if weighted else torch.ones(5, dtype=torch.float64)
    rendered = Rendered(rgb=shown, depth=opacity, opacity=opacity)
    total = 0.0
    for ray in (1, 2, 4):
        for channel in range(3):
            total += smooth_l1(float(shown[ray, channel] - wanted[ray, channel])) * float(weights[ray]) / 9
    found = ModelOutputs(rendered, (), None, 0)
    losses = method(hit_rays_only=True).losses(found, batch(wanted, weights if weighted else None), None, STEP)
    assert losses["rgb"].item() == pytest.approx(total)
    nothing = ModelOutputs(dataclasses.replace(rendered, opacity=0 * opacity), (), None, 0)
    assert method(hit_rays_only=True).losses(nothing, batch(wanted), None, STEP)["rgb"].item() == 0
    behind = ModelOutputs(rendered, (), None, 0)
    both = ModelOutputs(dataclasses.replace(rendered, opacity=opacity.flip(0)), (), behind, 0)
    assert both.hit_rays.tolist() == [True, True, True, True, True] and found.hit_rays.tolist() == [
        False, True, True, False, True,
    ]  # fmt: skip


def test_distortion_is_the_double_sum_over_each_ray_s_samples():
    """Compute equation 15 of mip-NeRF 360 from its definition, over every pair of samples of every ray."""
    torch.manual_seed(0)
    counts = [3, 0, 5, 1]
    n = sum(counts)
    starts = torch.cat([torch.rand(c, dtype=torch.float64).sort().values for c in counts])
    ends, weights = starts + 0.01, torch.rand(n, dtype=torch.float64) / 5
    one = torch.ones(4, dtype=torch.float64)
    bundle = RayBundle(torch.zeros(4, 3), torch.eye(4, 3), torch.eye(4, 3), one, one, one)
    samples = RaySamples.packed(bundle, starts, ends, Packing.from_counts(torch.tensor(counts)))
    total, first = 0.0, 0
    for count in counts:
        for i in range(first, first + count):
            total += float(weights[i] ** 2 * (ends[i] - starts[i])) / 3
            for j in range(first, first + count):
                apart = 0.5 * float(starts[i] + ends[i] - starts[j] - ends[j])
                total += float(weights[i] * weights[j]) * abs(apart)
        first += count
    rgb = torch.zeros(4, 3, dtype=torch.float64)
    level = SimpleNamespace(samples=samples, weights=weights)
    losses = method(distortion=Schedule.of(0.25)).losses(outputs(rgb, level), batch(rgb), None, STEP)
    assert losses["distortion"].item() == pytest.approx(0.25 * total / 4)
    assert losses["rgb"].item() == 0.0


def test_no_rays_cost_nothing():
    nothing = torch.zeros(0, 3)
    assert method().losses(outputs(nothing), batch(nothing), None, STEP)["rgb"].item() == 0.0


def test_random_backgrounds_are_a_function_of_the_step_and_white_in_evaluation():
    random = method(background="random")
    first, again = (random.background(STEP, 1000, "cpu") for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, random.background(Step(4, 100, 0), 1000, "cpu"))
    assert not torch.equal(first, random.background(Step(3, 100, 1), 1000, "cpu"))
    assert first.min() >= 0 and first.max() <= 1 and abs(float(first.mean()) - 0.5) < 0.03
    assert float(first.std(0).min()) > 0.25, "each ray has its own color"
    assert torch.equal(random.background(None, 2, "cpu"), torch.ones(2, 3))


@pytest.mark.parametrize(("name", "level"), [("white", 1.0), ("black", 0.0)])
def test_a_constant_background_is_the_same_in_training_and_evaluation(name, level):
    for step in (STEP, None):
        assert torch.equal(method(background=name).background(step, 4, "cpu"), torch.full((4, 3), level))


@given(st.integers(0, 400), st.integers(0, 60), st.lists(st.integers(1, 300), max_size=4), st.floats(0.1, 1.0))
def test_the_learning_rate_rises_linearly_and_falls_at_each_milestone(index, warmup, milestones, gamma):
    config = NgpConfig(warmup_steps=warmup, lr_milestones=tuple(milestones), lr_gamma=gamma)
    expected = 1.0
    if index < warmup:
        expected = 0.01 * (1 - index / warmup) + 1.0 * (index / warmup)
    for milestone in milestones:
        if index >= milestone:
            expected *= gamma
    for group in ("networks", "encodings"):
        assert Ngp(config).lr_scale(Step(index, 1000, 0), group) == pytest.approx(expected)


def model_of(*overrides: str):
    small = ["field.encoding.n_levels=2", "field.encoding.log2_table_size=8", "sampler.resolution=8"]
    run = compose(get_registry(), method="ngp", overrides=[*small, *overrides], needs_data=False).run
    made = Ngp(attrs.evolve(run.method.config))
    return made, made.build(toy_context(run))


def test_networks_decay_tables_do_not_and_each_parameter_is_in_one_group():
    made, model = model_of()
    groups = {group["name"]: group for group in Groups(made, model).tables}
    assert groups["networks"]["weight_decay"] == 0.01 and groups["encodings"]["weight_decay"] == 0.0
    sizes = {name: sum(p.numel() for p in group["params"]) for name, group in groups.items()}
    assert sizes["encodings"] == model.main_field.encoding.table.numel()
    assert sum(sizes.values()) == sum(p.numel() for p in model.parameters())


def test_an_entry_without_gradient_does_not_move():
    made, model = model_of()
    optimizer = made.optimizer(Groups(made, model).tables)
    table = model.main_field.encoding.table
    table.grad = torch.zeros_like(table)
    table.grad[3] = 1.0
    before = table.detach().clone()
    optimizer.step()
    moved = (table.detach() != before).any(-1).nonzero()[:, 0]
    assert moved.tolist() == [3]
