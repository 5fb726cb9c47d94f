"""Laws of observers. The config of a run lists its observers."""

from __future__ import annotations

import logging

import attrs
import torch

from radfield_core.runs import checkpoint, observers
from radfield_core.testing.law import expect, law
from radfield_core.testing.under_test import TESTED, PartUnderTest
from radfield_core.train.session import train_run


@law("observer", fix="Expect only the scalars that every run has, and write only below run.folder.")
def a_run_is_observed_without_an_error(tested: PartUnderTest) -> None:
    """In a run of three steps, the observer raises no exception and writes only into the run's folder. The run logs
    every step and ends with an evaluation."""
    run = tested.run_config(3, {"log_every": 1, "eval_share": "none"})
    before = {path.name for path in tested.folder.iterdir()}
    said: list[str] = []
    listener = logging.Handler()
    listener.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    observers.logger.addHandler(listener)
    try:
        train_run(run, out=tested.folder / "run", quiet=True)
    finally:
        observers.logger.removeHandler(listener)
    failures = [line for line in said if line.startswith(f"observer {TESTED} failed")]
    expect(not failures, "; ".join(failures))
    new = {path.name for path in tested.folder.iterdir()} - before - {"run"}
    expect(not new, f"the observer wrote outside the run's folder: {', '.join(sorted(new))}")


@law("observer", fix="Do not change tensors, generators or options. Copy what is to be kept.")
def training_is_the_same_with_and_without_the_observer(tested: PartUnderTest) -> None:
    """The parameters after three steps are bit-equal with the observer and without it."""
    states = []
    for name in ("with", "without"):
        run = tested.run_config(3, {"log_every": 1, "eval_share": "none"})
        if name == "without":
            run = attrs.evolve(run, observers={})
        folder = train_run(run, out=tested.folder / name, quiet=True).folder
        states.append(checkpoint.load(folder / "checkpoints" / "step-000000003").model)
    different = [name for name, tensor in states[0].items() if not torch.equal(tensor, states[1][name])]
    expect(not different, f"with the observer, these tensors differ: {', '.join(different[:5])}")
