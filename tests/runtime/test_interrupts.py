"""Signals while training: the step ends, its state is saved, and a second one stops at once."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from radfield_core.ops import backend
from radfield_core.render.quick_evaluation import QuickResult
from radfield_core.runs import checkpoint
from radfield_core.runtime.interrupts import Canceled, Interrupts, signals_deferred
from radfield_core.runtime.progress import ProgressCallback
from radfield_core.testing.training import toy_trainer
from radfield_core.types import Step


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGUSR1, 143), (signal.SIGHUP, 129)],
    ids=lambda x: str(x),
)
def test_a_signal_lets_the_step_end_and_saves_it(
    tmp_path: Path, taken: None, number: signal.Signals, code: int
) -> None:
    trainer = toy_trainer(tmp_path)
    trainer.method.spoil = lambda step: step.index == 7 and os.kill(os.getpid(), number)  # type: ignore[assignment]
    assert trainer.train() == number.name
    assert [path.name for path in checkpoint.list_steps(tmp_path / "checkpoints")] == ["step-000000008"]
    from radfield_core.train.session import SIGNAL_CODES

    assert SIGNAL_CODES[number.name] == code
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_second_interrupt_stops_at_once(tmp_path: Path) -> None:
    trainer = toy_trainer(tmp_path)

    def twice(step: Step) -> bool:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("went on")

    trainer.method.spoil = twice
    with pytest.raises(KeyboardInterrupt):
        trainer.train()
    assert checkpoint.list_steps(tmp_path / "checkpoints") == []


def test_a_signal_during_a_save_lets_it_finish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = toy_trainer(tmp_path, save_every=5)
    rename = os.rename
    monkeypatch.setattr(os, "rename", lambda *args: (os.kill(os.getpid(), signal.SIGTERM), rename(*args))[1])
    assert trainer.train() == "SIGTERM"
    state, _, _ = checkpoint.newest(tmp_path / "checkpoints")
    assert state is not None and state.step == 5


@pytest.mark.parametrize(("steps", "every"), [(20, 5), (5, None)])
def test_a_signal_cancels_an_evaluation(tmp_path: Path, steps: int, every: int | None) -> None:

    def endless(model: torch.nn.Module, report: ProgressCallback, seconds: float) -> QuickResult:
        torch.rand(3)
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("went on")

    endless.split, endless.count = "val", 1  # type: ignore[attr-defined]
    trainer = toy_trainer(tmp_path, evaluation=endless, max_steps=steps, eval_every=every)  # type: ignore[arg-type]
    random = torch.random.get_rng_state()
    trainer.method.spoil = lambda step: (random.copy_(torch.random.get_rng_state()), False)[1]  # type: ignore[assignment]
    assert trainer.train() == "SIGTERM" and trainer.model.training
    assert [path.name for path in checkpoint.list_steps(tmp_path / "checkpoints")] == ["step-000000005"]
    assert (torch.random.get_rng_state() == random).all(), "what the evaluation drew is given back"


@pytest.mark.parametrize("error", [OSError("a picture is gone"), KeyboardInterrupt()], ids=["a fault", "Ctrl-C twice"])
def test_a_failure_of_the_last_evaluation_does_not_lose_the_training(tmp_path: Path, error: BaseException) -> None:

    def failing(model: torch.nn.Module, report: ProgressCallback, seconds: float) -> QuickResult:
        raise error

    failing.split, failing.count = "val", 1  # type: ignore[attr-defined]
    trainer = toy_trainer(tmp_path, evaluation=failing, max_steps=5, eval_every=5)  # type: ignore[arg-type]
    with pytest.raises(type(error)) if isinstance(error, KeyboardInterrupt) else contextlib.nullcontext():
        assert trainer.train() == "max_steps"
    assert [path.name for path in checkpoint.list_steps(tmp_path / "checkpoints")] == ["step-000000005"]


def test_compiled_code_does_not_hide_the_cancellation_of_an_evaluation() -> None:
    """numba's dispatchers raise SystemError from the exception of a signal that came while they ran."""
    with pytest.raises(Canceled), Interrupts() as interrupts, interrupts.cancelable():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except Canceled as error:
            raise SystemError("returned a result with an exception set") from error
    with pytest.raises(SystemError), Interrupts() as interrupts, interrupts.cancelable():
        raise SystemError("of another origin")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_deferred_signal_arrives_at_the_end_of_the_block(taken: None, number: int) -> None:
    seen: list[int] = []

    def stop(number: int, frame: object) -> None:
        seen.append(number)
        raise KeyboardInterrupt

    before = signal.signal(number, stop)
    try:
        with pytest.raises(KeyboardInterrupt), signals_deferred():
            os.kill(os.getpid(), number)
            assert not seen
            raise RuntimeError("no compiled object yet")
        assert seen == [number] and signal.getsignal(number) is stop
    finally:
        signal.signal(number, before)


def test_an_interrupted_compilation_is_not_taken_for_a_broken_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = ModuleType("kernels_of_the_test")

    def warm_up() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        raise RuntimeError("no compiled object yet")

    kernel.warm_up = warm_up  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "kernels_of_the_test", kernel)
    monkeypatch.setattr(backend, "_selections", {})
    monkeypatch.setattr(backend, "find_spec", lambda name: object())
    monkeypatch.delenv(backend.VARIABLE, raising=False)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    try:
        with pytest.raises(KeyboardInterrupt):
            backend.Op("an op", {"cpu": {"numba": "kernels_of_the_test"}}).pick(torch.device("cpu"))
    finally:
        signal.signal(signal.SIGINT, before)
    assert backend.selections() == ()


def test_a_closed_terminal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup starts a program
    try:
        with Interrupts() as interrupts:
            os.kill(os.getpid(), signal.SIGHUP)
            assert interrupts.received is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_outside_the_main_thread_signals_are_left_alone() -> None:
    import threading

    before = signal.getsignal(signal.SIGTERM)
    during = []

    def body() -> None:
        with Interrupts():
            during.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert during == [before]
