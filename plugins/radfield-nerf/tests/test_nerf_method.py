"""Losses, learning rate, background and presets of NeRF and tiny-NeRF."""

from __future__ import annotations

import pytest
import torch

from radfield_core import (
    Batch,
    BuildContext,
    FieldOutputs,
    Level,
    ModelOutputs,
    RayBundle,
    RaySamples,
    Rendered,
    SceneBox,
    Step,
    UsageError,
    compose,
    get_registry,
)
from radfield_core.config import fit
from radfield_core.model import level_loop
from radfield_core.train.groups import Groups

PRESETS = ["nerf", "nerf-llff", "nerf-small", "tiny-nerf", "tiny-nerf-tutorial"]


def run_of(method: str, *overrides: str):
    return compose(get_registry(), method=method, overrides=overrides, needs_data=False).run


def method_of(name: str, *overrides: str):
    run = run_of(name, *overrides)
    return run.method.load()(run.method.config)


def outputs_with(*colors: torch.Tensor) -> ModelOutputs:
    n = colors[0].shape[0]
    one = torch.ones(n)
    rays = RayBundle(torch.zeros(n, 3), torch.zeros(n, 3), torch.zeros(n, 3), one, 2 * one, one)
    samples = RaySamples.from_edges(rays, torch.tensor([[1.0, 2.0]]).expand(n, 2))
    levels = tuple(Level(samples, FieldOutputs(density=one), one, Rendered(color, one, one)) for color in colors)
    assert levels[-1].rendered is not None
    return ModelOutputs(levels[-1].rendered, levels, None, n)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_compose_and_their_parts_fit(preset):
    fit.check(run_of(preset), get_registry())


def test_the_nerf_preset_is_the_published_one():
    run = run_of("nerf")
    field, sampler, method = run.field.config, run.sampler.config, run.method.config
    assert (field.depth, field.width, field.skip_layer, field.color_width) == (8, 256, 5, 128)
    assert (field.encoding.config.n_frequencies, field.direction_encoding.config.n_frequencies) == (10, 4)
    assert (sampler.n_samples, sampler.n_importance, run.trainer.n_rays) == (64, 128, 1024)
    assert method.lr.constant == 5e-4
    assert (method.lr_decay, method.lr_decay_steps, method.background) == (0.1, 500_000, "white")
    llff = run_of("nerf-llff")
    assert (llff.trainer.n_rays, llff.trainer.max_steps, llff.field.config.density_noise) == (4096, 200_000, 1.0)
    assert llff.method.config.lr_decay_steps == 250_000


def model_of(run):
    ctx = BuildContext(SceneBox(torch.zeros(3), 1.0), run=run, make_loop=level_loop)
    return run.method.load()(run.method.config).build(ctx)


def numbers_of(field) -> int:
    return sum(parameter.numel() for parameter in field.parameters())


def test_the_coarse_network_may_have_another_size():
    """The numbers of parameters are those of layers with 63 and 27 inputs (figure 7 of the paper)."""
    words = ("method.coarse_field=nerf", "method.coarse_field.depth=2", "method.coarse_field.width=64",
             "method.coarse_field.skip_layer=none", "method.coarse_field.color_width=32")  # fmt: skip
    run = run_of("nerf", *words)
    fit.check(run, get_registry())
    coarse, fine = model_of(run).fields
    assert numbers_of(coarse) == (63 + 1) * 64 + 65 * 64 + 65 + 65 * 64 + (64 + 27 + 1) * 32 + 33 * 3
    assert numbers_of(fine) == 64 * 256 + 6 * 257 * 256 + (256 + 63 + 1) * 256 + 257 + 257 * 256 + 284 * 128 + 129 * 3
    assert [numbers_of(field) for field in model_of(run_of("nerf")).fields] == 2 * [numbers_of(fine)]


def test_a_coarse_network_without_a_coarse_level_is_refused():
    run = run_of("nerf", "method.coarse_field=nerf", "sampler.n_importance=0")
    with pytest.raises(UsageError, match="one level"):
        model_of(run)


def test_a_coarse_network_must_have_colors_as_the_fine_one():
    with pytest.raises(UsageError, match="coarse_field"):
        fit.check(run_of("nerf", "method.coarse_field=proposal"), get_registry())


def test_losses_are_the_mean_squares_of_both_levels():
    coarse, fine, pixels = torch.rand(6, 3), torch.rand(6, 3), torch.rand(6, 3)
    batch = Batch(rays=None, view=None, rgb=pixels)
    losses = method_of("nerf", "method.coarse_loss=0.5").losses(outputs_with(coarse, fine), batch, None, Step(0, 1, 0))
    squares = {"coarse": coarse, "fine": fine}
    for name, color in squares.items():
        squares[name] = sum(float((color[r, c] - pixels[r, c]) ** 2) for r in range(6) for c in range(3)) / 18
    assert set(losses) == {"coarse", "fine"}
    assert float(losses["coarse"]) == pytest.approx(0.5 * squares["coarse"], rel=1e-5)
    assert float(losses["fine"]) == pytest.approx(squares["fine"], rel=1e-5)


def test_loss_weights_weigh_rays():
    color, pixels, weights = torch.rand(3, 3), torch.rand(3, 3), torch.tensor([0.0, 2.0, 1.0])
    batch = Batch(rays=None, view=None, rgb=pixels, loss_weights=weights)
    loss = method_of("tiny-nerf").losses(outputs_with(color), batch, None, Step(0, 1, 0))["fine"]
    expected = sum(w * float((a - b).square().mean()) for w, a, b in zip(weights, color, pixels, strict=True)) / 3
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)


def test_the_learning_rate_falls_by_ten_every_500000_steps():
    method = method_of("nerf")
    assert method.param_groups(torch.nn.Linear(2, 2))[0]["lr"].constant == 5e-4
    for step, factor in ((0, 1.0), (250_000, 10**-0.5), (500_000, 0.1), (1_000_000, 0.01)):
        assert method.lr_scale(Step(step, 500_000, 0), "all") == pytest.approx(factor)


def test_the_options_of_adam_reach_the_optimizer():
    method = method_of("nerf", "method.lr=0.003", "method.adam_betas=[0.8, 0.95]", "method.adam_eps=1e-7")
    model = torch.nn.Linear(2, 2)
    model.parameter_groups = list
    optimizer = method.optimizer(Groups(method, model).tables)
    (group,) = optimizer.param_groups
    assert isinstance(optimizer, torch.optim.Adam) and len(group["params"]) == 2
    assert (group["lr"], group["betas"], group["eps"], group["weight_decay"]) == (0.003, (0.8, 0.95), 1e-7, 0)


@pytest.mark.parametrize(("name", "value"), [("white", 1.0), ("black", 0.0)])
def test_the_background_is_the_same_in_training_and_evaluation(name, value):
    method = method_of("nerf", f"method.background={name}")
    for step in (None, Step(3, 10, 0)):
        assert torch.equal(method.background(step, 4, "cpu"), torch.full((4, 3), value))


def test_photographs_may_have_no_background():
    assert method_of("nerf-llff").background(None, 4, "cpu") is None
