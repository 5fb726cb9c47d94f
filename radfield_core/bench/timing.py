"""Measure how long an operation's kernels and its torch reference take, by running them alternately in one process."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import torch

WARM_UP = 2  # number of runs that are not counted: the first compiles kernels, the second fills caches
Result = TypeVar("Result")

Loss = Callable[[], tuple[torch.Tensor, tuple[torch.Tensor, ...]]]
"""Function that returns a scalar loss, and the tensors with respect to which the loss is differentiated."""


@dataclass(frozen=True)
class Timing:
    """The median times of an operation on the same inputs: with its torch reference, and with one of its kernels.

    Attributes:
        op: name of the operation.
        case: description of the computation and of the size of its inputs.
        backend: backend of the kernel.
        reference_ms: time of the torch reference in milliseconds.
        kernel_ms: time of the kernel in milliseconds.
        limit: the basic operation that takes most of the time, such as "gather" or "GEMM"; "" if there is none.
        limit_ms: time of that basic operation alone in milliseconds, measured in the same process.

    Example:
        >>> timing = Timing("marching", "4096 rays", "numba", reference_ms=30.0, kernel_ms=2.0)
        >>> timing.ratio
        15.0
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
        """reference_ms / kernel_ms. A ratio of 2 means that the kernel is twice as fast as the reference."""
        return self.reference_ms / self.kernel_ms

    @property
    def share_of_limit(self) -> float | None:
        """limit_ms / kernel_ms, or None if there is no limit. If the share is 1, the kernel cannot be made faster."""
        return None if self.limit_ms is None else self.limit_ms / self.kernel_ms


def median_ms(run: Callable[[], object], repeats: int, device: str) -> float:
    """Return the median time of a function in milliseconds, measured after a warm-up.

    Args:
        run: the function.
        repeats: number of timed runs.
        device: "cpu", "cuda" or "cuda:N". The device decides which clock `now` reads.

    Example:
        >>> median_ms(lambda: sum(range(1000)), repeats=3, device="cpu") > 0
        True
    """
    return medians_ms({"": run}, repeats, device)[""]


def medians_ms(runs: Mapping[str, Callable[[], object]], repeats: int, device: str) -> dict[str, float]:
    """Run several functions alternately. Return name -> median time of the function in milliseconds.

    The arguments are those of `median_ms`, except that `runs` maps names to functions.
    """
    times = turns({name: partial(elapsed_ms, run, device) for name, run in runs.items()}, repeats)
    return {name: statistics.median(each) for name, each in times.items()}


def turns(runs: Mapping[str, Callable[[], Result]], repeats: int) -> dict[str, list[Result]]:
    """Run functions alternately, so that a change in the machine's load affects all of them alike.

    Args:
        runs: name -> function.
        repeats: number of rounds after the warm-up. In one round, each function runs once.

    Returns:
        name -> the results of the function with this name, without the results of the warm-up.

    Example:
        >>> turns({"a": lambda: 1, "b": lambda: 2}, repeats=2)
        {'a': [1, 1], 'b': [2, 2]}
    """
    results: dict[str, list[Result]] = {name: [] for name in runs}
    for turn in range(WARM_UP + repeats):
        for name, run in runs.items():
            result = run()
            if turn >= WARM_UP:
                results[name].append(result)
    return results


def now(device: str) -> float:
    """Wait until the device has finished its work, then read a clock in seconds.

    If torch runs on one CPU thread, the clock counts CPU time, because other load on the machine affects CPU time less
    than wall time. On CUDA or with several threads, the clock counts wall time.
    """
    if device != "cpu":
        torch.cuda.synchronize(device)
    single_threaded = device == "cpu" and torch.get_num_threads() == 1
    return time.process_time() if single_threaded else time.perf_counter()


def elapsed_ms(run: Callable[[], object], device: str) -> float:
    """Call a function once. Return the milliseconds that the call took, measured with the clock that `now` reads."""
    start = now(device)
    run()
    return 1e3 * (now(device) - start)


def gradient_medians_ms(losses: Mapping[str, Loss], repeats: int, device: str) -> dict[str, dict[str, float]]:
    """Compute several losses and their gradients alternately, and return the median times.

    Returns:
        name -> median times in milliseconds: `forward_ms` is the time of the loss, `backward_ms` is the time of its
        gradients, and `both_ms` is the time of both together.
    """
    times = turns({name: partial(_elapsed_both_ms, loss, device) for name, loss in losses.items()}, repeats)
    return {
        name: {
            "forward_ms": statistics.median(forward for forward, _ in pairs),
            "backward_ms": statistics.median(backward for _, backward in pairs),
            "both_ms": statistics.median(map(sum, pairs)),
        }
        for name, pairs in times.items()
    }


def _elapsed_both_ms(loss: Loss, device: str) -> tuple[float, float]:
    """Compute a loss and its gradients. Return the time of the loss and the time of the gradients, in milliseconds."""
    start = now(device)
    value, inputs = loss()
    middle = now(device)
    torch.autograd.grad(value, inputs)
    return 1e3 * (middle - start), 1e3 * (now(device) - middle)
