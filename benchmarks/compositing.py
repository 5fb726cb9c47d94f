"""Prints the time of compositing packed samples by backend: medians of alternating runs, on one thread.

python benchmarks/compositing.py [--json FILE]
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from radfield_core.bench.kernels import measure
from radfield_core.bench.machine import machine
from radfield_core.files.results import write_results

COLUMNS = ("op", "backend", "n_samples", "forward_ms", "backward_ms", "both_ms", "speedup")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results and the machine to a file")
    args = parser.parse_args()
    rows = measure()
    print("".join(f"{name:>14}" for name in COLUMNS))
    for row in rows:
        cells = (row.get(name, "") for name in COLUMNS)
        print("".join(f"{cell:>14.2f}" if isinstance(cell, float) else f"{cell:>14}" for cell in cells))
    if args.json:
        write_results(args.json, {"machine": machine(), "rows": rows})


if __name__ == "__main__":
    main()
