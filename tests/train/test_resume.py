"""Resuming is exact: a run that was interrupted ends where one that was not does, bit for bit."""

from __future__ import annotations

import copy
import dataclasses
import os
import random
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from radfield_core.runs import checkpoint
from radfield_core.runs.checkpoint import State
from radfield_core.testing.training import ToyMethod, toy_trainer
from radfield_core.train.trainer import Trainer
from radfield_core.types import Batch, ModelOutputs, Step

PLAIN = {
    "max_steps": 200,
    "save_every": 100,
    "keep_checkpoints": 9,
    "n_rays": 24,
    "samples_per_chunk": 100,
    "clip_grad_norm": 0.1,
}
CLOCKS = ("seconds", "cpu_seconds")
EVENTFUL = {
    "max_steps": 60, "save_every": 10, "keep_checkpoints": 9, "n_rays": 40, "target_samples": 640,
    "samples_per_chunk": 200, "max_bad_steps": 3,
}  # fmt: skip


class Eventful(ToyMethod):
    """Three bad steps in a row, a step that runs out of memory, and `later`, halfway, other bad steps."""

    later: tuple[int, ...] = (27,)

    def __init__(self) -> None:
        super().__init__(spoil=self._bad)

    def _bad(self, step: Step) -> bool:
        return step.index in ((12, 13, 14) if step.seed == 0 else self.later if step.seed == 1_000_003 else ())

    def losses(self, outputs: ModelOutputs, batch: Batch, model: Any, step: Step) -> dict[str, torch.Tensor]:
        """The toy's, unless too many rays come at once at one step."""
        assert batch.rays is not None
        if step.index == 25 and len(batch.rays) > 20:
            raise torch.OutOfMemoryError("made up")
        return super().losses(outputs, batch, model, step)


class AtTheBrink(Eventful):
    """Stopped halfway, it has had two bad steps in a row, and the next is the third."""

    later = (28, 29, 30)


KINDS = {"plain": (ToyMethod, PLAIN), "eventful": (Eventful, EVENTFUL), "at the brink": (AtTheBrink, EVENTFUL)}


def run_on(
    folder: Path, state: State, method: Callable[[], ToyMethod], options: dict[str, Any], earlier: Path
) -> Trainer:
    """Go on from a state, beside checkpoints of earlier steps, where everybody drew other random numbers meanwhile."""
    shutil.copytree(earlier, folder / "checkpoints")
    shutil.rmtree(folder / "checkpoints" / f"step-{state.step:09d}")
    checkpoint.save(folder / "checkpoints", state)
    trainer = toy_trainer(folder, method(), **options)
    for _ in range(7):
        torch.rand(3), random.random(), np.random.rand(3)  # noqa: NPY002
    trainer.restore(state)
    trainer.train()
    return trainer


def same(a: Trainer, b: Trainer) -> bool:
    """Compare parameters, buffers, optimizer, generators and counters bit for bit; clocks are left out."""
    return flat(a.state()) == flat(b.state())


def flat(state: State) -> list[object]:
    """Everything in a state but the clocks, in a form that compares."""
    counters = {name: value for name, value in state.progress["counters"].items() if name not in CLOCKS}

    def walk(node: object) -> Iterator[object]:
        if isinstance(node, torch.Tensor):
            yield node.contiguous().view(-1).numpy().tobytes()
        elif isinstance(node, dict):
            for key, value in node.items():
                yield key
                yield from walk(value)
        elif isinstance(node, (list, tuple)):
            for value in node:
                yield from walk(value)
        else:
            yield node

    everything = [dict(state.model), state.optimizer, dict(state.generators), state.progress["generators"], counters]
    return list(walk(everything))


@pytest.fixture(scope="module", params=list(KINDS))
def reference(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Trainer, State, Callable[[], ToyMethod], dict[str, Any], Path]:
    """An uninterrupted run, the state of one that was stopped halfway, and where its checkpoints are."""
    method, options = KINDS[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    trainer = toy_trainer(folder / "whole", method(), **options)
    trainer.train()
    stopped = toy_trainer(folder / "half", method(), **options)
    housekeeping = stopped._housekeeping

    def stop_halfway() -> None:
        housekeeping()
        if stopped.counters.step == options["max_steps"] // 2:
            os.kill(os.getpid(), signal.SIGTERM)

    stopped._housekeeping = stop_halfway  # type: ignore[method-assign]
    assert stopped.train() == "SIGTERM"
    half, _, _ = checkpoint.newest(folder / "half" / "checkpoints")
    assert half is not None and half.step == options["max_steps"] // 2
    return request.param, trainer, half, method, options, folder / "half" / "checkpoints"


def test_a_resumed_run_equals_an_uninterrupted_one(reference: Any, tmp_path: Path) -> None:
    kind, whole, half, method, options, earlier = reference
    resumed = run_on(tmp_path, half, method, options, earlier)
    assert same(resumed, whole)
    assert resumed.counters.step == options["max_steps"]
    assert resumed.counters.seconds > half.progress["counters"]["seconds"] > 0
    counters = whole.counters  # what was meant to happen did
    if kind == "eventful":
        assert (counters.rollbacks, counters.skipped, counters.chunk_rays) == (1, 4, 16)
        assert round(counters.n_rays) > 60
    if kind == "at the brink":
        assert (counters.rollbacks, counters.skipped, counters.chunk_rays) == (2, 6, 16)
        assert half.progress["counters"]["bad_in_a_row"] == 2


def items(state: State) -> Iterator[tuple[str, ...]]:
    """The path of every single thing that a checkpoint keeps."""
    yield from (("model", name) for name in state.model)
    for index, entries in state.optimizer["state"].items():
        yield from (("optimizer", "state", index, name) for name in entries)
    yield ("optimizer", "param_groups", 0, "count")
    yield from (("generators", name) for name in state.generators)
    yield from (("progress", "generators", name) for name in state.progress["generators"])
    yield from (("progress", "counters", name) for name in state.progress["counters"])


def without(state: State, fresh: State, path: tuple[Any, ...]) -> State:
    """The state with one item as it is in a run that has not begun."""
    tree, source = ({f.name: getattr(s, f.name) for f in dataclasses.fields(State)} for s in (state, fresh))
    tree = {key: copy.deepcopy(dict(value) if key == "model" else value) for key, value in tree.items()}
    node = tree
    for key in path[:-1]:
        node = node[key]
        source = source.get(key, {}) if isinstance(source, dict) else source[key]
    if path[-1] in source:
        node[path[-1]] = source[path[-1]]
    else:  # the optimizer's state of a parameter does not exist before the first step
        node[path[-1]] = torch.zeros_like(node[path[-1]])
    return State(**tree)


def test_dropping_any_one_item_of_the_state_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, reference: Any
) -> None:
    """An item that nothing misses would be one that is kept for nothing, or a test that notices nothing."""
    kind, whole, half, method, options, earlier = reference
    folder = tmp_path_factory.mktemp("fresh")
    fresh = toy_trainer(folder, method(), **options).state()
    half.progress["counters"] |= dict.fromkeys(CLOCKS, 1000.0)
    unnoticed = []
    for path in items(half):
        shown_by_events = path[:2] == ("progress", "counters") and path[-1] != "samples_per_ray"
        shown_by = "at the brink" if path[-1] == "bad_in_a_row" else "eventful" if shown_by_events else "plain"
        if kind != shown_by:
            continue
        try:
            resumed = run_on(tmp_path_factory.mktemp("dropped"), without(half, fresh, path), method, options, earlier)
        except checkpoint.CorruptCheckpoint:  # a step that differs from the checkpoint's is refused
            assert path == ("progress", "counters", "step")
            continue
        if same(resumed, whole) and min(resumed.counters.seconds, resumed.counters.cpu_seconds) > 1000.0:
            unnoticed.append(path)
    assert unnoticed == []


def test_a_state_that_does_not_fit_is_refused_in_words(tmp_path: Path) -> None:
    trainer = toy_trainer(tmp_path)
    state = trainer.state()
    model = dict(state.model)
    del model["fields.0.layers.0.weight"]
    with pytest.raises(checkpoint.StorageError, match=r"fields\.0\.layers\.0\.weight"):
        trainer.restore(dataclasses.replace(state, model=model))


def test_the_log_of_a_resumed_run_has_each_step_once(tmp_path: Path) -> None:
    trainer = toy_trainer(tmp_path, max_steps=40, save_every=20, log_every=10)
    trainer.train()
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"step": 40, "lo')  # a kill in the middle of a line
    again = toy_trainer(tmp_path, max_steps=40, save_every=20, log_every=10)
    again.restore(checkpoint.load(tmp_path / "checkpoints" / "step-000000020"))
    again.log.resume(again.counters)
    shutil.rmtree(tmp_path / "checkpoints" / "step-000000040")
    again.train()
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == [f'{{"step": {n}' for n in (10, 20, 30, 40)]
