"""Measurements for people: every kernel against its torch reference, and the machine that figures were taken on.

Times on a shared machine drift by a factor; ratios within one process, and CPU seconds, drift little. So the load and
the number of threads stand beside every figure.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from radfield_core.bench.timing import Timing
from radfield_core.errors import UsageError, unwritable
from radfield_core.files.durable import write_durably
from radfield_core.plugin import load
from radfield_core.plugins.registry import Registry, get_registry


def write(figures: Any, path: Path) -> None:
    """Write figures as JSON, into a folder that is made if need be. Raises StorageError naming the file."""
    write_file(path, json.dumps(figures, indent=1) + "\n")


def write_file(path: Path, data: bytes | str) -> None:
    """Write a file whole or not at all, into a folder that is made if need be. Raises StorageError naming the file."""
    try:
        write_durably(path, data)
    except OSError as error:
        raise unwritable(error, path) from error


def benchmarks(registry: Registry) -> dict[str, str]:
    """What the installed plugins offer to measure: name -> "module:function"."""
    found: dict[str, str] = {}
    for offered in registry.hooks.hook.radfield_benchmarks():
        found |= offered
    return dict(sorted(found.items()))


def micro(names: Sequence[str] = (), *, device: str = "cpu", repeats: int = 7) -> list[Timing]:
    """Timings of the benchmarks named, by default of all. Raises UsageError for an unknown one or an absent device."""
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError("there is no CUDA device here", path="--device", hint="--device cpu")
    offered = benchmarks(get_registry())
    unknown = [name for name in names if name not in offered]
    if unknown:
        raise UsageError(f"nothing called {', '.join(unknown)} to measure", hint=", ".join(offered))
    return [timing for name in names or offered for timing in load(offered[name])(device, repeats)]


def table(timings: Sequence[Timing]) -> str:
    """Timings for people."""
    lines = [f"{'op':<14} {'case':<86} {'backend':<10} {'torch ms':>9} {'kernel ms':>9} {'ratio':>6}  share of limit"]
    for each in timings:
        share = "" if each.share_of_limit is None else f"{each.share_of_limit:.0%} of {each.limit}"
        lines.append(
            f"{each.op:<14} {each.case:<86} {each.backend:<10} {each.reference_ms:>9.2f} {each.kernel_ms:>9.2f} "
            f"{each.ratio:>6.1f}  {share}"
        )
    return "\n".join(lines)


def timing_row(timing: Timing) -> dict[str, Any]:
    """A timing as JSON holds it."""
    return {
        "op": timing.op, "case": timing.case, "backend": timing.backend, "torch_ms": _short(timing.reference_ms),
        "kernel_ms": _short(timing.kernel_ms), "ratio": _short(timing.ratio), "limit": timing.limit or None,
        "share_of_limit": _short(timing.share_of_limit),
    }  # fmt: skip


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")
