"""Measures an op's plain torch definition and its kernels in one process, turn by turn."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import torch

WARM_UP = 2  # runs that are not counted: the first compiles, the next still fills caches
Seen = TypeVar("Seen")


@dataclass(frozen=True)
class Timing:
    """Medians, in milliseconds, of an op's torch reference and one of its kernels on the same inputs.

    limit: what bounds the op ("gather", "GEMM"); limit_ms: how long that alone takes, measured beside it.
    """

    op: str
    case: str
    backend: str
    reference_ms: float
    kernel_ms: float
    limit: str = ""
    limit_ms: float | None = None

    @property
    def ratio(self) -> float:
        """How many times as fast as the reference the kernel is."""
        return self.reference_ms / self.kernel_ms

    @property
    def share_of_limit(self) -> float | None:
        """1 where nothing but the limit takes time, more where the limit's loop is slower at the same; else None."""
        return None if self.limit_ms is None else self.limit_ms / self.kernel_ms


def median_ms(run: Callable[[], object], repeats: int, device: str) -> float:
    """Median milliseconds of a run, by `now`."""
    return medians_ms({"": run}, repeats, device)[""]


def medians_ms(runs: Mapping[str, Callable[[], object]], repeats: int, device: str) -> dict[str, float]:
    """Median milliseconds of each run, by `now`; they take turns."""
    seen = turns({name: partial(elapsed_ms, run, device) for name, run in runs.items()}, repeats)
    return {name: statistics.median(times) for name, times in seen.items()}


def turns(runs: Mapping[str, Callable[[], Seen]], repeats: int) -> dict[str, list[Seen]]:
    """What each run returns, `repeats` times after a warm-up; they take turns, so that drift hits all alike."""
    seen: dict[str, list[Seen]] = {name: [] for name in runs}
    for turn in range(WARM_UP + repeats):
        for name, run in runs.items():
            found = run()
            if turn >= WARM_UP:
                seen[name].append(found)
    return seen


def now(device: str) -> float:
    """Seconds by a clock, when all that was started on the device is done.

    On one thread of a CPU it is CPU time, which other jobs on the machine raise less than they do a clock's.
    """
    if device == "cuda":
        torch.cuda.synchronize()
    alone = device == "cpu" and torch.get_num_threads() == 1
    return time.process_time() if alone else time.perf_counter()


def elapsed_ms(run: Callable[[], object], device: str) -> float:
    """Milliseconds of one run, by `now`."""
    start = now(device)
    run()
    return 1e3 * (now(device) - start)


Loss = Callable[[], tuple[torch.Tensor, tuple[torch.Tensor, ...]]]  # a scalar and what to take its gradient by


def gradient_medians_ms(losses: Mapping[str, Loss], repeats: int, device: str) -> dict[str, dict[str, float]]:
    """forward_ms, backward_ms and both_ms of each loss, medians by `now`; they take turns."""
    seen = turns({name: partial(_elapsed_both_ms, loss, device) for name, loss in losses.items()}, repeats)
    return {
        name: {
            "forward_ms": statistics.median(forward for forward, _ in times),
            "backward_ms": statistics.median(backward for _, backward in times),
            "both_ms": statistics.median(map(sum, times)),
        }
        for name, times in seen.items()
    }


def _elapsed_both_ms(loss: Loss, device: str) -> tuple[float, float]:
    start = now(device)
    value, inputs = loss()
    middle = now(device)
    torch.autograd.grad(value, inputs)
    return 1e3 * (middle - start), 1e3 * (now(device) - middle)
