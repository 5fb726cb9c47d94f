"""Laws of methods."""

from __future__ import annotations

from typing import Any

import torch

from radfield_core.config.files import dump, parse_table, read_preset
from radfield_core.config.fit import check
from radfield_core.config.mistakes import Mistakes
from radfield_core.config.run import RunConfig
from radfield_core.config.structure import Entry, Owner, Structurer
from radfield_core.interfaces import Method, Model
from radfield_core.model import build_context
from radfield_core.testing.law import expect, expect_close, expect_shape, law
from radfield_core.testing.subject import Subject, make_trainer, presets_of
from radfield_core.testing.training import toy_scene
from radfield_core.types import Batch, Step


def _run(subject: Subject, table: dict[str, Any]) -> RunConfig:
    mistakes = Mistakes()
    layer = Entry("preset", table, subject.component.distribution)
    run = Structurer(subject.registry, mistakes).table(RunConfig, [layer], "", Owner())
    mistakes.finish()
    return run


def _built(subject: Subject) -> tuple[Method, Model]:
    run = subject.run_config()
    method: Method = run.method.load()(run.method.config)
    return method, method.build(build_context(toy_scene(), run))


@law("method", mend="name a preset for every method; its parts must be among the distribution's requirements")
def presets_fit_and_survive_a_round_trip(subject: Subject) -> None:
    """Every preset composes, its parts fit, and what is stored of it composes to the same text."""
    for name in presets_of(subject.component):
        table = {**read_preset(subject.component, name), "data": "toy-ball"}
        table["method"] = {**table.get("method", {}), "type": subject.name_of(subject.component)}
        run = _run(subject, table)
        check(run, subject.registry)
        text = dump(run)
        expect(dump(_run(subject, parse_table(text))) == text, f"preset {name} changes when it is stored")


@law("method", mend="param_groups: every parameter that requires gradients once, with 'name' and 'lr'")
def every_parameter_is_in_one_group(subject: Subject) -> None:
    """param_groups names every trainable parameter of the model exactly once, each group with a name and a rate > 0."""
    method, model = _built(subject)
    groups = method.param_groups(model)
    names = [group.get("name") for group in groups]
    expect(
        all(isinstance(name, str) for name in names) and len(set(names)) == len(names), f"names of groups are {names}"
    )
    expect(all(float(group.get("lr", 0)) > 0 for group in groups), "a group has no learning rate above 0")
    found = [id(parameter) for group in groups for parameter in group["params"]]
    expect(len(found) == len(set(found)), "a parameter is in two groups")
    missing = [name for name, p in model.named_parameters() if p.requires_grad and id(p) not in set(found)]
    expect(not missing, f"in no group: {', '.join(missing[:5])}")


@law("method", mend="lr_scale from step.index and step.progress alone; finite and not negative to the last step")
def rates_are_a_function_of_the_step(subject: Subject) -> None:
    """lr_scale is finite, not negative and the same whenever it is asked, for the first step, the last, and those
    between; some step learns."""
    method, model = _built(subject)
    for group in method.param_groups(model):
        steps = [Step(index, 1000, 0) for index in (0, 1, 500, 999, 1000, 3)]
        scales = [method.lr_scale(step, group["name"]) for step in steps]
        again = [method.lr_scale(step, group["name"]) for step in reversed(steps)][::-1]
        expect(scales == again, "asked again lr_scale says something else")
        expect(all(0 <= scale < float("inf") for scale in scales), f"lr_scale gives {scales}")
        expect(any(scale > 0 for scale in scales), "no step has a learning rate above 0")


@law("method", mend="[n, 3] in [0, 1] or None; random only from step.generator, never for step None")
def background_is_a_color(subject: Subject) -> None:
    """The background is [n, 3] within [0, 1] or None, the same for the same step, and one color in evaluation."""
    method: Method = subject.build()
    for step in (Step(3, 10, 0), None):
        for n in (0, 5):
            found = method.background(step, n, "cpu")
            if found is None:
                continue
            expect_shape("the background", found, (n, 3))
            expect(bool(((found >= 0) & (found <= 1)).all()), "the background is outside [0, 1]")
            again = method.background(step, n, "cpu")
            expect(
                again is not None and torch.equal(found, again), "the background of one step differs when asked again"
            )
    plain = method.background(None, 5, "cpu")
    expect(plain is None or bool((plain == plain[:1]).all()), "in evaluation the background differs from ray to ray")


@law("method", mend="mean over rays with ops.segments.mean, whose mean of nothing is zero")
def losses_are_means_over_rays(subject: Subject) -> None:
    """Each loss is one finite number, also for a single ray; the losses of a batch are the means of those of its two
    halves, so that micro-batches change nothing; no rays at all cost nothing and are no error."""
    method, model = _built(subject)
    if method.batching != "rays":
        return
    run = subject.run_config()
    trainer = make_trainer(run, subject.folder / "losses")
    step = Step(0, 3, 0)
    model = trainer.model.eval()
    model.begin_step(step)
    batch = trainer.drawer.draw(step, 16)

    def losses(part: Batch) -> dict[str, torch.Tensor]:
        return method.losses(method.forward(model, part), part, model, step)

    whole, first, second = losses(batch), losses(batch[0:8]), losses(batch[8:16])
    for name, loss in whole.items():
        expect(loss.numel() == 1 and bool(loss.isfinite().all()), f"loss {name} is not one finite number")
        halves = 0.5 * (first[name] + second[name])
        expect_close(f"loss {name} as a mean of halves", halves.reshape(()), loss.reshape(()), 1e-4)
    for name, loss in losses(batch[0:0]).items():
        expect(bool(loss.isfinite().all()), f"loss {name} of no rays is {loss.item():g}")
