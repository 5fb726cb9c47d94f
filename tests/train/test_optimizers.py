"""The optimizers that a run may choose, against their papers' formulas, and runs that resume with them."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from radfield_core.config.run import TrainerConfig
from radfield_core.runs import checkpoint
from radfield_core.testing.training import ToyMethod, toy_trainer
from radfield_core.train.optimizers import make_optimizer

LR, BETAS, EPS, DECAY, MOMENTUM, STEPS = 0.05, (0.8, 0.95), 1e-7, 0.1, 0.7, 12


def moved(name: str, decay: float) -> list[float]:
    """The values of a parameter that starts at 1, with the gradients sin(0), sin(1), …"""
    parameter = torch.nn.Parameter(torch.ones(1, dtype=torch.float64))
    group = {"name": "all", "params": [parameter], "lr": LR, "betas": BETAS, "eps": EPS, "weight_decay": decay}
    optimizer = make_optimizer(TrainerConfig(optimizer=name, momentum=MOMENTUM), ToyMethod(), [group])
    found = []
    for index in range(STEPS):
        parameter.grad = torch.full_like(parameter, math.sin(index))
        optimizer.step()
        found.append(float(parameter))
    return found


def test_gradient_descent_has_the_momentum_of_the_options() -> None:
    x, velocity, expected = 1.0, 0.0, []
    for index in range(STEPS):
        velocity = MOMENTUM * velocity + math.sin(index) + DECAY * x
        x -= LR * velocity
        expected.append(x)
    assert moved("sgd", DECAY) == pytest.approx(expected, rel=1e-12)


def test_radam_is_algorithm_2_of_its_paper_with_decoupled_decay() -> None:
    (b1, b2), x, m, v, expected = BETAS, 1.0, 0.0, 0.0, []
    longest = 2 / (1 - b2) - 1
    for t in range(1, STEPS + 1):
        g = math.sin(t - 1)
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        x *= 1 - LR * DECAY
        length = longest - 2 * t * b2**t / (1 - b2**t)
        step = m / (1 - b1**t)
        if length > 5:  # as in the authors' later code; the paper's limit is 4
            rectified = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
            step *= math.sqrt(rectified) * math.sqrt(1 - b2**t) / (math.sqrt(v) + EPS)
        x -= LR * step
        expected.append(x)
    assert moved("radam", DECAY) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", ["radam", "sgd"])
def test_a_run_with_another_optimizer_resumes_exactly(name: str, tmp_path: Path) -> None:
    options = {"optimizer": name, "max_steps": 12, "save_every": 6, "n_rays": 32}
    whole = toy_trainer(tmp_path / "whole", **options)
    assert type(whole.optimizer).__name__.lower() == name
    whole.train()
    resumed = toy_trainer(tmp_path / "resumed", **options)
    resumed.restore(checkpoint.load(tmp_path / "whole" / "checkpoints" / "step-000000006"))
    resumed.train()
    for found, wanted in zip(resumed.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(found, wanted)
