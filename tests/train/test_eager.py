"""Optimizers take their steps without torch's compiler, and otherwise as if they took them themselves."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import nn

from radfield_core.testing.training import CountingAdam
from radfield_core.train.eager import take_step

TRAINING = """
import sys, tempfile
from pathlib import Path
from radfield_core import compose, get_registry, train_run
from radfield_core.runs.folder import find_run
words = ["data.type=synthetic", "data.resolution=8", "data.n_train=2", "data.n_val=1", "data.n_test=1"]
words += ["field.width=16", "trainer.n_rays=8", "trainer.max_steps=2", "trainer.device=cpu", "sampler.n_samples=4"]
run = compose(get_registry(), method="tiny-nerf", overrides=words).run
with tempfile.TemporaryDirectory() as folder:
    out = Path(folder) / "run"
    train_run(run, out=out, quiet=True)
    train_run(run, resume=find_run(out)[0], quiet=True)
raise SystemExit("torch._dynamo is imported" if "torch._dynamo" in sys.modules else 0)
"""


def test_training_and_resuming_import_no_compiler() -> None:
    done = subprocess.run([sys.executable, "-c", TRAINING], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def after_steps(make: Any, step: Any) -> list[torch.Tensor]:
    """The parameters and the state of an optimizer after three steps."""
    parameters = [nn.Parameter(torch.linspace(-1, 1, 6).view(2, 3)), nn.Parameter(torch.ones(4))]
    optimizer = make(parameters)
    for number in range(3):
        for parameter in parameters:
            parameter.grad = (parameter.detach() + number).sin()
        step(optimizer)
        optimizer.zero_grad(set_to_none=True)
    state = [value for entries in optimizer.state.values() for value in entries.values()]
    return [*parameters, *(value for value in state if isinstance(value, torch.Tensor))]


@pytest.mark.parametrize(
    "make",
    [
        lambda p: torch.optim.Adam(p, lr=0.1, fused=True),
        lambda p: torch.optim.AdamW(p, lr=0.1),
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
        lambda p: torch.optim.RAdam(p, lr=0.1, decoupled_weight_decay=True),
        lambda p: CountingAdam([{"params": p, "lr": 0.1}]),
    ],
    ids=["Adam", "AdamW", "SGD", "RAdam", "not torch's"],
)
def test_a_step_changes_the_same_bits(make: Any) -> None:
    expected, found = after_steps(make, lambda optimizer: optimizer.step()), after_steps(make, take_step)
    assert len(expected) == len(found) > 2
    assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True))


def test_a_step_of_a_third_party_and_hooks_are_called() -> None:
    weight = nn.Parameter(torch.ones(1))
    counting = CountingAdam([{"params": [weight], "lr": 0.1}])
    weight.grad = torch.ones(1)
    take_step(counting)
    assert counting.param_groups[0]["count"] == 1
    hooked, calls = torch.optim.SGD([weight], lr=0.1), []
    hooked.register_step_pre_hook(lambda *_: calls.append("before"))
    hooked.register_step_post_hook(lambda *_: calls.append("after"))
    take_step(hooked)
    assert calls == ["before", "after"]


def test_a_scheduler_of_torch_sees_the_steps() -> None:
    """Schedulers replace the method of an optimizer by one that counts."""
    weight = nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    torch.optim.lr_scheduler.StepLR(optimizer, 1)
    take_step(optimizer)
    assert optimizer._opt_called  # type: ignore[attr-defined]
