"""Timings of the encoding: torch reference and kernel in one process, and the share of the gather limit reached.

One encode fetches 8 entries per point and level from random places. The limit is what a loop that only fetches and
adds entries reaches, at random numbers that were written out beforehand, on tables as large as each level's. It fetches
them one at a time and never two from one line of the cache: a kernel can do both better, and then exceeds it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import chain, pairwise
from statistics import median
from typing import Any

import numpy as np
import torch
from numba import float32, uint64
from torch import Tensor

from radfield_core.bench import Timing, median_ms, now, turns, with_backend
from radfield_core.ops import kernel
from radfield_hash import pair
from radfield_hash.encoding import OP, encode
from radfield_hash.levels import Grid, build

SIZES = {
    "2^18 points, T=2^19, 16 levels to 2048": (18, (16, 2, 19, 16, 2048)),
    "2^18 points, T=2^15, 16 levels to 2048": (18, (16, 2, 15, 16, 2048)),
    "2^14 points, T=2^16, 8 levels to 256": (14, (8, 2, 16, 16, 256)),
}


def measure(
    *, repeats: int = 7, reference_repeats: int = 3, device: str = "cpu", sizes: dict[str, Any] = SIZES
) -> list[dict[str, Any]]:
    """One row per size and task: milliseconds (medians) of reference and kernel, their ratio, the share of the limit.

    They take turns: the reference once, then the kernel as often as makes `repeats` over all turns.
    """
    rows = []
    for name, (log2_points, sizes_of_grid) in sizes.items():
        rows += _measure_size(name, 2**log2_points, build(*sizes_of_grid), repeats, reference_repeats, device)
    return rows


def timings(device: str, repeats: int) -> list[Timing]:
    """What `radfield bench micro` shows of the encoding: forward against the gather limit, and with gradients."""
    return [
        Timing(
            "hash encoding", f"{row['size']}: {row['task']}", row["backend"], row["reference_ms"], row["kernel_ms"],
            *(("gather", row["gather_limit_ms"]) if row["share_of_limit"] is not None else ()),
        )
        for row in measure(repeats=repeats, reference_repeats=max(1, repeats // 2), device=device)
    ]  # fmt: skip


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
        often = {"torch": 1} | dict.fromkeys(OP.installed(device), -(-repeats // reference_repeats))
        runs = {name: with_backend(name, partial(_times_ms, run, times, device)) for name, times in often.items()}
        medians = {name: median(chain(*times)) for name, times in turns(runs, reference_repeats).items()}
        reference = medians.pop("torch")
        for backend, kernel_ms in medians.items():
            share = limit / kernel_ms if limit is not None and task == "forward" else None
            rows.append(
                {
                    "size": name, "task": task, "backend": backend, "reference_ms": reference, "kernel_ms": kernel_ms,
                    "ratio": reference / kernel_ms, "gather_limit_ms": limit, "share_of_limit": share,
                }
            )  # fmt: skip
    return rows


def _times_ms(run: Callable[[], object], times: int, device: str) -> list[float]:
    marks = [now(device)]
    for _ in range(times):
        run()
        marks.append(now(device))
    return [1e3 * (end - start) for start, end in pairwise(marks)]


def _tasks(x: Tensor, table: Tensor, g: Tensor, grid: Grid) -> dict[str, Callable[[], object]]:
    def forward() -> None:
        with torch.no_grad():
            encode(x, table, grid)

    def both() -> None:
        table.grad = None
        encode(x, table, grid).backward(g)

    def eikonal() -> None:
        """Features, their gradient by position, and a loss on both, as a signed distance field trains."""
        table.grad = None
        points = x.detach().requires_grad_()
        y = encode(points, table, grid)
        (p,) = torch.autograd.grad(y, points, g, create_graph=True)
        ((p.norm(dim=-1) - 1).square().mean() + (y * g).mean()).backward()

    return {"forward": forward, "forward + backward": both, "with position gradient and double backward": eikonal}


def gather_limit(grid: Grid, n: int, repeats: int) -> float:
    """Milliseconds to fetch 8 random entries of every level for each of n points, and nothing else; one thread."""
    random = np.random.default_rng(0)
    total = 0.0
    for level in grid.levels:
        entries = random.random(level.size * 2, dtype=np.float32)
        number = random.integers(0, level.size, 8 * n).astype(np.uint32)
        total += median_ms(partial(_gather, entries, number), repeats, "cpu")
    return total * grid.n_features / 2


@kernel
def _gather(entries: Any, number: Any) -> Any:
    """The sum of the entries (pairs), over four chains so that additions do not wait for each other."""
    none = pair.scale(pair.load(entries, uint64(0)), float32(0.0))
    a, b, c, d = none, none, none, none
    two = uint64(2)
    for i in range(0, number.size - 3, 4):
        a = pair.add(a, pair.load(entries, uint64(number[i]) * two))
        b = pair.add(b, pair.load(entries, uint64(number[i + 1]) * two))
        c = pair.add(c, pair.load(entries, uint64(number[i + 2]) * two))
        d = pair.add(d, pair.load(entries, uint64(number[i + 3]) * two))
    total = pair.add(pair.add(a, b), pair.add(c, d))
    return pair.dot(total, total)
