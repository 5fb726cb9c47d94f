"""Benchmarks. They compare the speed of kernels with that of plain torch, and measure a run's PSNR over time."""

from typing import TYPE_CHECKING

from radfield_core.names import lazy

if TYPE_CHECKING:
    from radfield_core.bench.kernels import with_backend as with_backend
    from radfield_core.bench.timing import (
        Timing as Timing,
        elapsed_ms as elapsed_ms,
        median_ms as median_ms,
        medians_ms as medians_ms,
        now as now,
        turns as turns,
    )

_HOMES = {
    "kernels": "with_backend",
    "timing": "Timing elapsed_ms median_ms medians_ms now turns",
}

if not TYPE_CHECKING:  # if a type checker saw __getattr__, it would accept any name
    __getattr__, __dir__ = lazy(__name__, _HOMES)
