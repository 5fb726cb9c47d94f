"""Prints how fast the hash encoding is: torch reference, twin, ratio, and share of the measured gather limit.

    python benchmarks/hash_encoding.py [--device cuda] [--threads 1] [--repeats 7] [--json FILE]

Medians after a warm-up, reference and twin in one process: on a shared machine only the ratios are worth something.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from pathlib import Path


def main() -> int:
    """Measure, print, and write the file asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures, with the machine")
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(args.threads)

    import numba
    import torch
    from radfield_hash.bench import measure

    torch.set_num_threads(args.threads)
    rows = measure(repeats=args.repeats, device=args.device)
    print(f"{'size':<40} {'task':<46} {'torch ms':>9} {'twin ms':>8} {'ratio':>6} {'of limit':>8}")
    for row in rows:
        share = f"{row['share_of_limit']:8.0%}" if row["share_of_limit"] is not None else f"{'':8}"
        print(
            f"{row['size']:<40} {row['task']:<46} {row['reference_ms']:9.1f} {row['twin_ms']:8.2f} "
            f"{row['ratio']:6.1f} {share}"
        )
    if args.json:
        machine = {
            "processor": processor(), "device": device_name(args.device), "threads": args.threads,
            "system": platform.platform(), "python": platform.python_version(),
            "torch": torch.__version__, "numba": numba.__version__,
        }  # fmt: skip
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps({"machine": machine, "rows": rows}, indent=1) + "\n")
    return 0


def processor() -> str:
    """The processor's name as the system tells it."""
    info = Path("/proc/cpuinfo")
    names = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")] \
        if info.exists() else []  # fmt: skip
    return names[0] if names else platform.processor()


def device_name(device: str) -> str:
    """The accelerator's name, or `cpu`."""
    import torch

    return torch.cuda.get_device_name() if device == "cuda" else "cpu"


if __name__ == "__main__":
    sys.exit(main())
