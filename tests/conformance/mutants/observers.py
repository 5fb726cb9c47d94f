"""Observers with one fault each."""

from __future__ import annotations

import gc

import torch

from mutants.caught import caught_by
from radfield_core.testing.toy_parts import Steps


@caught_by("a_run_is_observed_without_an_error", "observer:toy")
class ExpectsAScalarOfItsOwnMethod(Steps):
    def step_ended(self, step, scalars):
        super().step_ended(step, {"value": scalars["weight_inside"]})


@caught_by("a_run_is_observed_without_an_error", "observer:toy")
class WritesBesideTheRun(Steps):
    def started(self, run):
        super().started(run)
        (run.folder.parent / "log.txt").write_text("started")


@caught_by("training_is_the_same_with_and_without_the_observer", "observer:toy")
class ChangesWhatItFindsInMemory(Steps):
    def step_ended(self, step, scalars):
        for thing in gc.get_objects():
            if isinstance(thing, torch.nn.Parameter):
                thing.data.mul_(0.99)
