"""A resumed run equals an uninterrupted one bit for bit, although the grid, the levels in use and the number of rays
change."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from radfield_core import compose, get_registry
from radfield_core.runs import checkpoint
from radfield_core.runs.folder import RunFolder
from radfield_core.testing import toy_scene
from radfield_core.train.log import TrainingLog
from radfield_core.train.setup import TrainingSetup
from radfield_core.train.trainer import Trainer

STEPS, HALF = 200, 100
OPTIONS = [
    "field.encoding.n_levels=4", "field.encoding.log2_table_size=10", "field.encoding.finest_resolution=64",
    "field.encoding.start_levels=1", "field.encoding.steps_per_level=60", "field.width=16", "field.color_width=16",
    "sampler.resolution=16", "sampler.num_samples=64", "sampler.warmup_steps=32",
    "sampler.update_every=4", "sampler.threshold=0.05", "method.lr_milestones=[120]", "method.distortion=1e-3",
    "trainer.n_rays=16", "trainer.target_samples=2048", f"trainer.max_steps={STEPS}",
    f"trainer.save_every={HALF}", "trainer.keep_checkpoints=3", "trainer.device=cpu",
]  # fmt: skip


def trainer_in(folder: Path) -> Trainer:
    run = compose(get_registry(), method="ngp-small", overrides=OPTIONS, needs_data=False).run
    folder = RunFolder(folder)
    folder.check_writable()
    setup = TrainingSetup.of(run, toy_scene(), torch.device("cpu"))
    return Trainer(setup, folder, TrainingLog(folder, run.trainer, quiet=True))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    """An uninterrupted run."""
    trainer = trainer_in(tmp_path_factory.mktemp("whole"))
    trainer.train()
    return trainer


def resume(trainer: Trainer, state: checkpoint.State) -> Trainer:
    torch.rand(11)  # a new process has drawn other random numbers before
    trainer.restore(state)
    trainer.train()
    return trainer


def halfway(whole: Trainer) -> checkpoint.State:
    return checkpoint.load(whole.folder.checkpoints / f"step-{HALF:09d}")


def differing(a: Trainer, b: Trainer) -> set[str]:
    """Return the names of the tensors (of model and optimizer) and counters that differ in any bit between two runs."""
    one, other = a.state(), b.state()
    names = {name for name in one.model if not torch.equal(one.model[name], other.model[name])}
    for index, entries in one.optimizer["state"].items():
        names |= {
            f"optimizer.{index}.{key}"
            for key, value in entries.items()
            if not torch.equal(value, other.optimizer["state"][index][key])
        }
    counters, others = one.progress["counters"], other.progress["counters"]
    return names | {key for key in counters if "seconds" not in key and counters[key] != others[key]}


def test_a_resumed_run_equals_an_uninterrupted_one(whole, tmp_path):
    assert differing(resume(trainer_in(tmp_path), halfway(whole)), whole) == set()


def test_grid_levels_and_ray_count_change_before_and_after_the_interruption(whole):
    state = halfway(whole)
    bits = state.model["sampler.bits"]
    assert 0 < int((bits > 0).sum()) < bits.numel(), "some space is known to be empty"
    assert not torch.equal(bits, whole.model.state_dict()["sampler.bits"])
    assert 16 < round(state.progress["counters"]["n_rays"]) != round(whole.counters.n_rays)
    active = whole.model.main_field.encoding.active_levels
    assert int(active) == 1 + (STEPS - 1) // 60 > 1 + (HALF - 1) // 60


@pytest.mark.parametrize("item", ["sampler.memory", "sampler.bits", "n_rays"])
def test_losing_the_grid_or_the_ray_count_changes_the_result(item, whole, tmp_path):
    state = halfway(whole)
    if item == "n_rays":
        state.progress["counters"]["n_rays"] = 16.0
    else:
        tensor = state.model[item]
        tensor.fill_(255 if tensor.dtype == torch.uint8 else 0)
    assert differing(resume(trainer_in(tmp_path), state), whole) != set()
