"""method:capture: its loss in formulas, and its schedules over the whole run."""

from __future__ import annotations

import pytest
import torch

from radfield_core import Batch, ModelOutputs, Rendered, Step, compose, get_registry
from radfield_core.config import fit
from radfield_core.train.planned_rates import planned_rates


def run_of(*overrides: str):
    return compose(get_registry(), method="capture", overrides=overrides, needs_data=False).run


def loss_of(run, weights=None) -> float:
    colors = torch.tensor([[0.5, 0.5, 0.5], [0.9, 0.1, 0.0]])
    rendered = Rendered(colors, torch.ones(2), torch.ones(2))
    batch = Batch(None, None, torch.tensor([[0.4, 0.5, 0.7], [0.9, 0.1, 0.3]]), loss_weights=weights)
    method = run.method.load()(run.method.config)
    return method.losses(ModelOutputs(rendered, (), None, 0), batch, None, Step(0, 10, 0))["rgb"].item()


def test_the_preset_composes_and_its_parts_fit():
    fit.check(run_of(), get_registry())


@pytest.mark.parametrize(("loss", "factor"), [("smooth_l1", 0.5), ("mse", 1.0)])
def test_the_loss_is_the_mean_error_of_pixels_times_their_weights(loss, factor):
    first, second = (0.1**2 + 0.2**2) / 3, 0.3**2 / 3
    run = run_of(f"method.loss={loss}")
    assert loss_of(run) == pytest.approx(factor * (first + second) / 2, rel=1e-5)
    weights = torch.tensor([0.5, 1.5])
    assert loss_of(run, weights) == pytest.approx(factor * (0.5 * first + 1.5 * second) / 2, rel=1e-5)


@pytest.mark.parametrize("steps", [300, 5000])
def test_the_learning_rate_falls_until_the_end_of_any_run(steps):
    small = ["field.encoding.n_levels=2", "field.encoding.log2_table_size=8", "sampler.encoding.log2_table_size=8"]
    groups = {group.name: group for group in planned_rates(run_of(*small, f"trainer.max_steps={steps}"))}
    assert groups.keys() == {"networks", "encodings"}
    for group in (groups["networks"], groups["encodings"]):
        assert group.rates == pytest.approx((1e-2, (1e-2 + 1e-4) / 2, 1e-4), rel=0.02)
