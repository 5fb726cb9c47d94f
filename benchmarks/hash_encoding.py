"""Prints how fast the hash encoding is: torch reference, kernel, ratio, and share of the measured gather limit.

    python benchmarks/hash_encoding.py [--device cuda] [--threads 1] [--repeats 7] [--json FILE]

Medians after a warm-up, reference and kernel in one process: on a shared machine only the ratios mean something. On
one thread, times are CPU seconds. The reference is the definition in plain torch, one level after the other and by
`index_select`; the last rows compare it and the kernel with usual torch code: all levels at once, indexing
`table[number]`. The gather limit takes all corners from random places, one by one; corners that are neighbors along x
often share a line of the cache, and some processors fetch eight at a time, so that a share can exceed 100 %.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

BASIS = "reference: plain torch by index_select, level by level; times: medians, on one CPU thread of CPU time"


def main() -> int:
    """Measure, print the results and, if requested, write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results and the machine to a file")
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(args.threads)

    import torch
    from radfield_hash.bench import measure

    from radfield_core.bench.machine import machine
    from radfield_core.files.results import write_results

    torch.set_num_threads(args.threads)
    print(BASIS)
    rows = measure(repeats=args.repeats, device=args.device)
    print(f"{'size':<40} {'task':<46} {'torch ms':>9} {'kernel ms':>9} {'ratio':>6} {'of limit':>8}")
    for row in rows:
        share = f"{row['share_of_limit']:8.0%}" if row["share_of_limit"] is not None else f"{'':8}"
        print(
            f"{row['size']:<40} {row['task']:<46} {row['reference_ms']:9.1f} {row['kernel_ms']:9.2f} "
            f"{row['ratio']:6.1f} {share}"
        )
    usual = compare_with_usual(args.device)
    print(f"\ntorch as usually written, {usual['size']}, forward + backward:")
    for name in ("usual_ms", "reference_ms", "kernel_ms"):
        print(f"{name:<16} {usual[name]:9.1f} {usual['usual_ms'] / usual[name]:8.1f}x")
    if args.json:
        write_results(args.json, {"machine": machine(args.threads), "basis": BASIS, "rows": rows, "usual": usual})
    return 0


def compare_with_usual(device: str) -> dict[str, Any]:
    """Milliseconds of forward + backward: torch as usually written, the reference and the kernel."""
    import torch
    from radfield_hash.bench import SIZES
    from radfield_hash.encoding import encode
    from radfield_hash.levels import build

    from radfield_core.bench.timing import median_ms
    from radfield_core.ops.backend import using

    size, (log2_points, grid_sizes) = next(iter(SIZES.items()))
    grid = build(*grid_sizes)
    x = torch.rand(2**log2_points, 3, device=device)
    table = torch.rand(grid.n_entries, grid.n_features, device=device).sub_(0.5).requires_grad_()
    g = torch.randn(2**log2_points, grid.out_dim, device=device)
    torch.testing.assert_close(usually_written(x[:999], table, grid), encode(x[:999], table, grid), rtol=0, atol=1e-5)

    def step(function: Callable[..., Any]) -> None:
        table.grad = None
        function(x, table, grid).backward(g)

    with using("torch"):
        usual = median_ms(partial(step, usually_written), 3, device)
        reference = median_ms(partial(step, encode), 3, device)
    kernel = median_ms(partial(step, encode), 7, device)
    return {"size": size, "usual_ms": usual, "reference_ms": reference, "kernel_ms": kernel}


def usually_written(x: Any, table: Any, grid: Any) -> Any:
    """The encoding [M, L·F] by tensors [M, L] of all levels at once, for each of the eight corners."""
    import torch
    from radfield_hash.levels import PRIMES

    def column(name: str) -> Any:
        return torch.tensor([getattr(level, name) for level in grid.levels], device=x.device)

    resolution, size, hashed = column("resolution"), column("size"), column("hashed")
    position = x.clamp(0, 1)[:, None] * column("scale")[:, None] + 0.5
    cell = position.floor()
    fraction, features = position - cell, torch.zeros((), device=x.device)
    for corner in product((0, 1), repeat=3):
        offset = torch.tensor(corner, device=x.device)
        i, j, k = (cell.long() + offset).unbind(-1)
        dense = i + j * resolution + k * resolution**2
        number = torch.where(hashed, i * PRIMES[0] ^ j * PRIMES[1] ^ k * PRIMES[2], dense) % size + column("offset")
        weight = torch.where(offset > 0, fraction, 1 - fraction).prod(-1, keepdim=True)
        features = features + weight * table[number]
    return features.flatten(1)


if __name__ == "__main__":
    sys.exit(main())
