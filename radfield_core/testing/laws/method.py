"""Laws of methods. n is a number of rays."""

from __future__ import annotations

from typing import Any

import torch

from radfield_core.config.files import dump, parse_table, read_preset
from radfield_core.config.fit import check
from radfield_core.config.mistakes import Mistakes
from radfield_core.config.run import RunConfig
from radfield_core.config.run_slots import run_options
from radfield_core.config.schedules import Schedule
from radfield_core.config.structure import Entry, Structurer
from radfield_core.interfaces import Method, Model, method_of
from radfield_core.model import build_context
from radfield_core.testing.law import expect, expect_close, expect_shape, law
from radfield_core.testing.training import toy_scene
from radfield_core.testing.under_test import TESTED, PartUnderTest, qualified_name
from radfield_core.types import Batch, Step


def _composed(tested: PartUnderTest, table: dict[str, Any]) -> RunConfig:
    """The config of the run that a table describes."""
    mistakes = Mistakes()
    entry = Entry("preset", table, tested.component.distribution)
    run = run_options(Structurer(tested.registry, mistakes), [entry])
    mistakes.finish()
    assert run is not None
    return run


def _built(tested: PartUnderTest) -> tuple[Method, Model]:
    """The method under test, and the model that it builds for the toy ball."""
    run = tested.run_config()
    method = method_of(run.method)
    return method, method.build(build_context(toy_scene(), run))


@law("method", fix="Declare a preset. It may name only parts of distributions that the method's distribution requires.")
def presets_fit_and_survive_a_round_trip(tested: PartUnderTest) -> None:
    """Every preset gives a run whose parts fit together. The run's config is the same after writing and reading it."""
    for name in tested.component.preset or (tested.component.name,):
        table = {**read_preset(tested.component, name), "data": "toy-ball"}
        table["method"] = {**table.get("method", {}), "type": qualified_name(tested.component)}
        run = _composed(tested, table)
        check(run, tested.registry)
        text = dump(run)
        expect(
            dump(_composed(tested, parse_table(text))) == text,
            f"preset {name} changes when its config is written and read again",
        )


@law("method", fix="Put each parameter that requires gradients into one group with 'name' and 'lr'.")
def every_parameter_is_in_one_group(tested: PartUnderTest) -> None:
    """param_groups contains each trainable parameter of the model exactly once. Each group has a unique name and a
    learning rate above 0."""
    method, model = _built(tested)
    groups = method.param_groups(model)
    names = [group.get("name") for group in groups]
    unique = all(isinstance(name, str) for name in names) and len(set(names)) == len(names)
    expect(unique, f"the groups do not have unique names: {names}")
    expect(
        all(max(Schedule.of(group.get("lr", 0)).values()) > 0 for group in groups),
        "a group has no learning rate above 0",
    )
    found = [id(parameter) for group in groups for parameter in group["params"]]
    expect(len(found) == len(set(found)), "a parameter is in two groups")
    missing = [name for name, p in model.named_parameters() if p.requires_grad and id(p) not in set(found)]
    expect(not missing, f"these parameters are in no group: {', '.join(missing[:5])}")


@law(
    "method",
    fix="Compute lr_scale from step.index and step.progress only. Up to the last step, keep it finite and ≥ 0.",
)
def learning_rates_depend_only_on_the_step(tested: PartUnderTest) -> None:
    """lr_scale(step, group) is finite and at least 0 at every step, and greater than 0 at one step at least. Calls for
    the same step return the same value."""
    method, model = _built(tested)
    for group in method.param_groups(model):
        steps = [Step(index, 1000, 0) for index in (0, 1, 500, 999, 1000, 3)]
        scales = [method.lr_scale(step, group["name"]) for step in steps]
        again = [method.lr_scale(step, group["name"]) for step in reversed(steps)][::-1]
        expect(scales == again, "a second call of lr_scale returns another value")
        expect(all(0 <= scale < float("inf") for scale in scales), f"lr_scale returns {scales}")
        expect(any(scale > 0 for scale in scales), "lr_scale is 0 at every step")


@law("method", fix="Return [n, 3] in [0, 1], or None. Draw only from step.generator, and draw nothing if step is None.")
def background_is_a_color(tested: PartUnderTest) -> None:
    """background(step, n, device) returns colors [n, 3] in [0, 1], or None. Calls for the same step return the same
    colors. In evaluation, where step is None, all rays have the same color."""
    method: Method = tested.build()
    for step in (Step(3, 10, 0), None):
        for n in (0, 5):
            found = method.background(step, n, "cpu")
            if found is None:
                continue
            expect_shape("the background", found, (n, 3))
            expect(bool(((found >= 0) & (found <= 1)).all()), "the background lies outside [0, 1]")
            again = method.background(step, n, "cpu")
            same = again is not None and torch.equal(found, again)
            expect(same, "a second call for the same step returns another background")
    plain = method.background(None, 5, "cpu")
    expect(plain is None or bool((plain == plain[:1]).all()), "in evaluation the background differs between rays")


@law("method", "loss", fix="Average over rays with radfield_core.ops.segments.mean, whose mean over no rays is 0.")
def losses_are_means_over_rays(tested: PartUnderTest) -> None:
    """Each loss of a batch is one finite number, and equals the mean of the losses of its two halves. Splitting a batch
    into micro-batches therefore changes nothing. The losses of a batch without rays are finite too."""
    trainer = tested.trainer(tested.run_config(), "losses")
    step, method = Step(0, 3, 0), trainer.method
    if method.batching != "rays":
        return
    model = trainer.model.eval()
    model.begin_step(step)
    batch = trainer.drawer.draw(step, 16)

    def losses(part: Batch) -> dict[str, torch.Tensor]:
        if tested.kind == "loss":
            return {TESTED: trainer.train_step(part, step).terms[TESTED]}
        return method.losses(method.forward(model, part), part, model, step)

    whole, first, second = losses(batch), losses(batch[0:8]), losses(batch[8:16])
    for name, loss in whole.items():
        expect(loss.numel() == 1 and bool(loss.isfinite().all()), f"loss {name} is not one finite number")
        halves = 0.5 * (first[name] + second[name])
        expect_close(f"the mean of loss {name} over the two halves", halves.reshape(()), loss.reshape(()), 1e-4)
    for name, loss in losses(batch[0:0]).items():
        expect(bool(loss.isfinite().all()), f"loss {name} of a batch without rays is {loss.item():g}")
