"""Timing: medians of alternating runs, by CPU time on one thread and after the device has finished."""

from __future__ import annotations

import time
from itertools import count

import pytest
import torch

from radfield_core.bench import timing
from radfield_core.bench.timing import Timing, elapsed_ms, gradient_medians_ms, median_ms, medians_ms, turns


def test_a_timing_compares_with_the_reference_and_with_the_limit():
    row = Timing("march", "1 ray", "numba", 30.0, 2.0, "gather", 1.5)
    assert (row.ratio, row.share_of_limit) == (15.0, 0.75)
    assert Timing("march", "1 ray", "numba", 30.0, 2.0).share_of_limit is None


def test_runs_take_turns_and_warm_up_before_they_count():
    calls = count()
    results = turns({name: lambda: next(calls) for name in ("torch", "numba")}, 3)
    assert timing.WARM_UP == 2
    assert results == {"torch": [4, 6, 8], "numba": [5, 7, 9]}


def test_the_median_is_of_the_runs_after_the_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([0, 100, 0, 100, 0, 1, 0, 9, 0, 2])
    monkeypatch.setattr(timing, "now", lambda device: next(ticks))
    assert medians_ms({"a": lambda: None}, 3, "cpu") == {"a": 2e3}


def test_elapsed_time_is_that_of_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([5.0, 5.25])
    monkeypatch.setattr(timing, "now", lambda device: next(ticks))
    calls: list[int] = []
    assert elapsed_ms(lambda: calls.append(1), "cpu") == 250.0 and calls == [1]


@pytest.mark.parametrize(("threads", "waiting_counts"), [(1, False), (2, True)])
def test_waiting_counts_only_with_several_threads(threads: int, waiting_counts: bool) -> None:
    torch.set_num_threads(threads)
    assert (median_ms(lambda: time.sleep(0.05), 1, "cpu") >= 50) is waiting_counts


def test_the_clock_is_read_when_the_device_is_done(monkeypatch):
    synchronized = []
    monkeypatch.setattr(torch.cuda, "synchronize", synchronized.append)
    for device in ("cuda", "cuda:1"):
        median_ms(lambda: synchronized.clear(), 1, device)
        assert synchronized == [device]


def test_the_gradient_is_timed_apart(monkeypatch):
    ticks = iter([0, 1, 4] * (timing.WARM_UP + 1))
    monkeypatch.setattr(timing, "now", lambda device: next(ticks))
    x = torch.ones(1, requires_grad=True)
    found = gradient_medians_ms({"square": lambda: (x.square().sum(), (x,))}, 1, "cpu")
    assert found == {"square": {"forward_ms": 1e3, "backward_ms": 3e3, "both_ms": 4e3}}
