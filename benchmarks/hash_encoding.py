"""Prints how fast the hash encoding is: torch reference, twin, ratio, and share of the measured gather limit.

    python benchmarks/hash_encoding.py [--device cuda] [--threads 1] [--repeats 7] [--json FILE]

Medians after a warm-up, reference and twin in one process: on a shared machine only the ratios are worth something. On
one thread, times are CPU seconds. The reference is the definition in plain torch, which fetches by `index_select`:
indexing `table[number]` instead is slower, and ratios to that would be larger. The gather limit takes all corners from
random places; corners that are neighbours along x often share a line of the cache, so that a share can exceed 100 %.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

BASIS = "reference: plain torch by index_select, level by level; times: medians, on one CPU thread of CPU time"


def main() -> int:
    """Measure, print, and write the file asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures, with the machine")
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(args.threads)

    import torch
    from radfield_hash.bench import measure

    from radfield_core.benchmarking import machine, write

    torch.set_num_threads(args.threads)
    print(BASIS)
    rows = measure(repeats=args.repeats, device=args.device)
    print(f"{'size':<40} {'task':<46} {'torch ms':>9} {'twin ms':>8} {'ratio':>6} {'of limit':>8}")
    for row in rows:
        share = f"{row['share_of_limit']:8.0%}" if row["share_of_limit"] is not None else f"{'':8}"
        print(
            f"{row['size']:<40} {row['task']:<46} {row['reference_ms']:9.1f} {row['twin_ms']:8.2f} "
            f"{row['ratio']:6.1f} {share}"
        )
    if args.json:
        write({"machine": machine(args.threads), "basis": BASIS, "rows": rows}, args.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
