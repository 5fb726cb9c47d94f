"""Benchmarks that compare each kernel with its torch reference. The results are a table and rows for a JSON file.

On a machine with other load, the same work may take several times as long. Two quantities vary little: the CPU time,
and the ratio of two times measured in one process. The results also record the load and the number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from radfield_core.bench.offered import chosen
from radfield_core.bench.timing import Timing
from radfield_core.ops.backend import choose_device
from radfield_core.plugin import load
from radfield_core.plugins.registry import get_registry


def micro(names: Sequence[str] = (), *, device: str = "cpu", repeats: int = 7) -> tuple[list[Timing], dict[str, str]]:
    """Run benchmarks of kernels. If a benchmark fails, the others are still run.

    Args:
        names: the benchmarks to run. If `names` is empty, all benchmarks are run.
        device: "cpu", "cuda" or "cuda:N".
        repeats: number of timed runs. The reported time is their median.

    Returns:
        One timing for each kernel and case, and a dictionary: failed benchmark -> reason.

    Raises:
        UsageError: a benchmark is unknown, or the machine has no such device.
    """
    on = str(choose_device(device, "--device"))
    timings, failures = list[Timing](), dict[str, str]()
    for name, function in chosen(get_registry(), names).items():
        try:
            timings += load(function)(on, repeats)
        except Exception as error:  # the benchmark of a plugin may raise any exception
            failures[name] = f"{type(error).__name__}: {error}"
    return timings, failures


def table(timings: Sequence[Timing]) -> str:
    """Format timings as a table for the terminal, with one row for each timing."""
    lines = [f"{'op':<14} {'case':<86} {'backend':<10} {'torch ms':>9} {'kernel ms':>9} {'ratio':>6}  share of limit"]
    for each in timings:
        share = "" if each.share_of_limit is None else f"{each.share_of_limit:.0%} of {each.limit}"
        lines.append(
            f"{each.op:<14} {each.case:<86} {each.backend:<10} {each.reference_ms:>9.2f} {each.kernel_ms:>9.2f} "
            f"{each.ratio:>6.1f}  {share}"
        )
    return "\n".join(lines)


def timing_row(timing: Timing) -> dict[str, Any]:
    """Convert a timing to a row of the JSON file. Its numbers are rounded to four significant digits."""
    return {
        "op": timing.op,
        "case": timing.case,
        "backend": timing.backend,
        "torch_ms": _four_digits(timing.reference_ms),
        "kernel_ms": _four_digits(timing.kernel_ms),
        "ratio": _four_digits(timing.ratio),
        "limit": timing.limit or None,
        "share_of_limit": _four_digits(timing.share_of_limit),
    }


def _four_digits(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")
