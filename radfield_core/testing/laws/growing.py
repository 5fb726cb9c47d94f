"""Laws of parts whose parameters change their shape during training."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from radfield_core.errors import RadfieldError
from radfield_core.runs import checkpoint
from radfield_core.runtime import randomness
from radfield_core.testing.law import expect, law
from radfield_core.testing.laws.training import TRAINED, expect_equal_states, has_color
from radfield_core.testing.under_test import ExampleMissing, PartUnderTest
from radfield_core.train.trainer import Trainer

STEPS = 8


def _may_grow(tested: PartUnderTest) -> bool:
    """True if the part, or the model of a method that brings its own, may have growing parameters."""
    if tested.kind == "method":
        return "field" not in tested.component.slots
    try:
        return has_color(tested) and bool(tested.choice.load().growing)
    except RadfieldError:  # the part cannot be imported, which other laws report
        return False


@law(
    *TRAINED,
    when=_may_grow,
    fix="Replace parameters only by parameters.replace in adapt, and decide there by the step, parameters and buffers.",
)
def growing_parameters_survive_resuming(tested: PartUnderTest) -> None:
    """In a run of eight steps, the shapes in `growing` change. Resumed from the checkpoint before or after the change,
    the run ends exactly as without interruption. The optimizer trains every parameter after the change."""
    run = tested.run_config(STEPS, {"save_every": 1, "keep_checkpoints": STEPS})
    whole = tested.trainer(run, "whole")
    if not any(getattr(module, "growing", ()) for module in whole.model.modules()):
        return
    start = _shapes(whole.model.state_dict())
    whole.train()
    trained = {id(parameter) for group in whole.optimizer.param_groups for parameter in group["params"]}
    lost = [name for name, p in whole.model.named_parameters() if p.requires_grad and id(p) not in trained]
    expect(not lost, f"after the change, the optimizer does not train {', '.join(lost)}")
    saved = {step: checkpoint.load(whole.folder.checkpoints / f"step-{step:09d}") for step in range(1, STEPS + 1)}
    shapes = [start, *(_shapes(state.model) for state in saved.values())]
    change = next((step for step in saved if shapes[step] != shapes[step - 1]), None)
    if change is None:
        raise ExampleMissing(
            f"no shape changes in a run of {STEPS} steps",
            hint="Let the options say when as a share of the run, or give the test options= with which it happens",
        )
    for step in {max(1, change - 1), change}:
        _expect_same_end(whole, tested.trainer(run, f"from-{step}"), saved[step])


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def _expect_same_end(whole: Trainer, resumed: Trainer, state: checkpoint.State) -> None:
    """Raise LawBroken unless a run resumed from a state ends as the whole run did."""
    with randomness.undisturbed():
        resumed.restore(state)
        resumed.train()
    expect_equal_states(whole, resumed)
