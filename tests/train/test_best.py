"""The best checkpoint is kept, named and found."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from radfield_core.errors import UsageError
from radfield_core.render.quick_evaluation import QuickResult
from radfield_core.runs import checkpoint
from radfield_core.runs.folder import find_run
from radfield_core.testing.training import toy_trainer
from radfield_core.train.best import BestCheckpoint
from radfield_core.train.trainer import Trainer


class Scores:
    """An evaluation whose PSNR is given for each call."""

    split, count = "val", 2

    def __init__(self, *scores: float):
        self.scores, self.seconds = list(scores), []

    def __call__(self, model, report, seconds):
        self.seconds.append(seconds)
        return QuickResult({"psnr": self.scores.pop(0)}, 2, 5, (16, 16))


def trained(folder: Path, *scores: float, **options: object) -> Trainer:
    """A trainer after one evaluation every ten steps."""
    options = {"max_steps": 10 * len(scores), "eval_every": 10, "save_every": 10, "keep_best": True, **options}
    trainer = toy_trainer(folder, evaluation=Scores(*scores), **options)  # type: ignore[arg-type]
    trainer.train()
    return trainer


def steps(folder: Path) -> list[int]:
    return [int(path.name[5:]) for path in checkpoint.list_steps(folder / "checkpoints")]


def test_the_best_is_kept_beside_the_newest_and_named(tmp_path: Path) -> None:
    trained(tmp_path, 10.0, 30.0, 20.0, 29.0, 30.0)
    assert steps(tmp_path) == [20, 40, 50]
    assert json.loads((tmp_path / "checkpoints" / "best.json").read_text()) == {
        "checkpoint": "step-000000020", "step": 20, "psnr": 30.0, "split": "val", "views": 2, "size": [16, 16],
    }  # fmt: skip
    (tmp_path / "config.toml").write_text("")
    for path in ("checkpoints/best", "best"):
        assert find_run(tmp_path / path)[1] == tmp_path / "checkpoints" / "step-000000020"
    with pytest.raises(UsageError):
        find_run(tmp_path / "checkpoints" / "worst")


def test_the_best_is_saved_at_steps_between_checkpoints_too(tmp_path: Path) -> None:
    trained(tmp_path, 10.0, 30.0, 20.0, save_every=1000)
    assert steps(tmp_path) == [20, 30]


def test_by_default_only_the_newest_are_kept(tmp_path: Path) -> None:
    trained(tmp_path, 30.0, 20.0, 10.0, keep_best=False)
    assert steps(tmp_path) == [20, 30] and not (tmp_path / "checkpoints" / "best.json").exists()


@pytest.mark.parametrize(("keep_best", "limited"), [(True, False), (False, True)])
def test_evaluations_that_are_compared_are_not_shortened(keep_best: bool, limited: bool, tmp_path: Path) -> None:
    evaluation = Scores(1.0, 2.0)
    toy_trainer(tmp_path, evaluation=evaluation, max_steps=2, eval_every=1, keep_best=keep_best).train()  # type: ignore[arg-type]
    assert [math.isfinite(seconds) for seconds in evaluation.seconds] == [limited, limited]


def test_a_resumed_run_remembers_the_best_and_a_repeated_step_does_not(tmp_path: Path) -> None:
    trained(tmp_path, 10.0, 30.0, 20.0)
    best = BestCheckpoint(tmp_path / "checkpoints")
    saved: list[int] = []
    best.offer(40, "val", QuickResult({"psnr": 29.0}, 2, 5, (16, 16)), lambda: bool(saved.append(40)) or True)
    assert saved == [] and best.names == {"step-000000020"}
    checkpoint.set_aside(tmp_path / "checkpoints", 10)
    assert best.names == frozenset()


@pytest.mark.parametrize(
    "result",
    [QuickResult({"psnr": 1.0}, 4, 5, (16, 16)), QuickResult({"psnr": 1.0}, 2, 5, (8, 8))],
)
def test_an_evaluation_of_other_views_or_another_size_starts_anew(result: QuickResult, tmp_path: Path) -> None:
    trainer = trained(tmp_path, 10.0, 30.0, 20.0)
    trainer._best.offer(30, "val", result, lambda: True)
    assert trainer._best.names == {"step-000000030"}
    trainer._best.offer(20, "val", QuickResult({"psnr": math.nan}, 4, 5, (16, 16)), lambda: True)
    assert trainer._best.names == {"step-000000030"}


@pytest.mark.parametrize("text", ["", "[]", '{"checkpoint": "../../x", "psnr": 1}', '{"checkpoint": 3, "psnr": 1}'])
def test_a_damaged_name_of_the_best_is_no_name(text: str, tmp_path: Path) -> None:
    trained(tmp_path, 10.0)
    (tmp_path / "checkpoints" / "best.json").write_text(text)
    assert BestCheckpoint(tmp_path / "checkpoints").names == frozenset()
