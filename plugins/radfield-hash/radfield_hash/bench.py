"""Benchmark of the encoding. It times the torch reference and the kernels in one process.

The times are compared with the gather limit. The encoding fetches 8 entries per point and level from random addresses.
The gather limit is the time of a loop that only fetches entries, at precomputed random indices of tables as large as
the levels, and adds them up. This loop fetches one entry at a time. A kernel that fetches several entries at once and
reuses cache lines can be faster than the limit.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import chain
from statistics import median
from typing import Any

import numpy as np
import torch
from numba import float32, uint64
from torch import Tensor

from radfield_core.bench import Timing, elapsed_ms, median_ms, turns, with_backend
from radfield_core.ops import kernel
from radfield_hash.encoding import OP, encode
from radfield_hash.levels import Grid, build
from radfield_hash.simd import pair

SIZES = {
    "2^18 points, T=2^19, 16 levels to 2048": (18, (16, 2, 19, 16, 2048)),
    "2^18 points, T=2^15, 16 levels to 2048": (18, (16, 2, 15, 16, 2048)),
    "2^14 points, T=2^16, 8 levels to 256": (14, (8, 2, 16, 16, 256)),
}


def measure(
    *, repeats: int = 7, reference_repeats: int = 3, device: str = "cpu", sizes: dict[str, Any] = SIZES
) -> list[dict[str, Any]]:
    """Measure the median times of the reference and of the kernels.

    The reference and the kernels run alternately, so that changes in the machine's speed affect both.

    Args:
        repeats: number of runs of each kernel.
        reference_repeats: number of runs of the reference.
        device: "cpu" or "cuda".
        sizes: dictionary: name of a size -> (log2 of the number of points, arguments of `levels.build`).

    Returns:
        One row per size, task and backend, with the keys size, task, backend, reference_ms, kernel_ms, ratio,
        gather_limit_ms and share_of_limit.
    """
    rows = []
    for name, (log2_points, sizes_of_grid) in sizes.items():
        rows += _measure_size(name, 2**log2_points, build(*sizes_of_grid), repeats, reference_repeats, device)
    return rows


def timings(device: str, repeats: int) -> list[Timing]:
    """Return the timings of the encoding that `radfield bench micro` shows.

    For forward passes on the CPU, the timings include the gather limit.
    """
    rows = measure(repeats=repeats, reference_repeats=max(1, repeats // 2), device=device)
    return [_timing(row) for row in rows]


def _timing(row: dict[str, Any]) -> Timing:
    limit = ("gather", row["gather_limit_ms"]) if row["share_of_limit"] is not None else ()
    case = f"{row['size']}: {row['task']}"
    return Timing("hash encoding", case, row["backend"], row["reference_ms"], row["kernel_ms"], *limit)


def _measure_size(
    name: str, n: int, grid: Grid, repeats: int, reference_repeats: int, device: str
) -> list[dict[str, Any]]:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(n, 3, generator=generator).to(device)
    table = torch.rand(grid.n_entries, grid.n_features, generator=generator).sub_(0.5).to(device).requires_grad_()
    g = torch.randn(n, grid.out_dim, generator=generator).to(device)
    limit = gather_limit(grid, n, repeats) if device == "cpu" else None
    rows = []
    for task, run in _tasks(x, table, g, grid).items():
        per_turn = {"torch": 1} | dict.fromkeys(OP.loadable(device), -(-repeats // reference_repeats))
        runs = {name: with_backend(name, partial(_times_ms, run, device, times)) for name, times in per_turn.items()}
        medians = {name: median(chain(*times)) for name, times in turns(runs, reference_repeats).items()}
        reference = medians.pop("torch")
        for backend, kernel_ms in medians.items():
            row = {"size": name, "task": task, "backend": backend, "reference_ms": reference, "kernel_ms": kernel_ms}
            share = limit / kernel_ms if limit is not None and task == "forward" else None
            rows.append(row | {"ratio": reference / kernel_ms, "gather_limit_ms": limit, "share_of_limit": share})
    return rows


def _times_ms(run: Callable[[], object], device: str, times: int) -> list[float]:
    return [elapsed_ms(run, device) for _ in range(times)]


def _tasks(x: Tensor, table: Tensor, g: Tensor, grid: Grid) -> dict[str, Callable[[], object]]:
    def forward() -> None:
        with torch.no_grad():
            encode(x, table, grid)

    def both() -> None:
        table.grad = None
        torch.autograd.backward(encode(x, table, grid), g)

    def eikonal() -> None:
        """Compute a loss on the features and on their position gradient, as for a signed distance field."""
        table.grad = None
        points = x.detach().requires_grad_()
        y = encode(points, table, grid)
        (p,) = torch.autograd.grad(y, points, g, create_graph=True)
        torch.autograd.backward((p.norm(dim=-1) - 1).square().mean() + (y * g).mean())

    return {"forward": forward, "forward + backward": both, "with position gradient and double backward": eikonal}


def gather_limit(grid: Grid, n: int, repeats: int) -> float:
    """Measure the gather limit: the milliseconds that one thread takes to fetch 8 n random entries of every level."""
    random = np.random.default_rng(0)
    total = 0.0
    for level in grid.levels:
        entries = random.random(level.size * 2, dtype=np.float32)
        index = random.integers(0, level.size, 8 * n).astype(np.uint32)
        total += median_ms(partial(_gather, entries, index), repeats, "cpu")
    return total * grid.n_features / 2


@kernel
def _gather(entries: Any, index: Any) -> Any:
    """Fetch entries, which are pairs, and return a number that depends on all of them.

    The entries are added up in four independent sums, so that no addition waits for the previous one.
    """
    none = pair.scale(pair.load(entries, uint64(0)), float32(0.0))
    a, b, c, d = none, none, none, none
    two = uint64(2)
    for i in range(0, index.size - 3, 4):
        a = pair.add(a, pair.load(entries, uint64(index[i]) * two))
        b = pair.add(b, pair.load(entries, uint64(index[i + 1]) * two))
        c = pair.add(c, pair.load(entries, uint64(index[i + 2]) * two))
        d = pair.add(d, pair.load(entries, uint64(index[i + 3]) * two))
    total = pair.add(pair.add(a, b), pair.add(c, d))
    return pair.dot(total, total)
