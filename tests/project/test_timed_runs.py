"""benchmarks/timed_runs.py: runs that take a given time, whatever a step costs."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FILE = Path(__file__).resolve().parents[2] / "benchmarks" / "timed_runs.py"


@pytest.fixture
def timed_runs() -> ModuleType:
    spec = importlib.util.spec_from_file_location("timed_runs", FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def option(words: list[str], name: str) -> float:
    (found,) = (word.split("=")[1] for word in words if word.startswith(f"{name}="))
    return float(found)


@pytest.mark.parametrize(
    ("once", "power", "noise"), [(0.0, 1.0, ()), (6.0, 0.94, ()), (2.0, 1.05, ()), (1.0, 1.0, (1.0, 1.1, 0.9, 1.0))]
)
def test_a_run_takes_the_time_and_never_more(timed_runs, monkeypatch, tmp_path, once, power, noise):
    trained: list[int] = []

    def train(words: list[str], data: Path, out: Path) -> dict[str, Any]:
        out.mkdir()  # fails if the folder of the run before is still there
        steps, limit = int(option(words, "trainer.max_steps")), option(words, "trainer.max_seconds")
        each = 0.08 * (noise[len(trained) % len(noise)] if noise else 1.0)
        seconds = once + each * steps**power
        done = steps if seconds <= limit else int(((limit - once) / each) ** (1 / power))
        trained.append(steps)
        return {"step": done, "cpu_seconds": once + each * done**power}

    monkeypatch.setattr(timed_runs, "train", train)
    last = timed_runs.train_for(300.0, [], tmp_path, tmp_path / "run")
    assert 0.98 * 300 <= last["cpu_seconds"] <= 300
    assert last["step"] >= 0.98 * last["planned"] and last["planned"] == trained[-1]
    assert trained[0] == 200 and len(trained) <= 5
