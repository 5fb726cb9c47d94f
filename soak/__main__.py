"""Run the whole soak: kills, then fuzzing. `python -m soak --cases 1000 --kills 20` runs a small one."""

from __future__ import annotations

import argparse
import sys

from soak import fuzz, kills


def main() -> int:
    """Run both. Return 1 if one of them found a fault."""
    parser = argparse.ArgumentParser(prog="python -m soak")
    parser.add_argument("--cases", type=int, default=100_000, help="number of damaged files (default: 100000)")
    parser.add_argument("--first", type=int, default=0, help="number of the first of them (default: 0)")
    parser.add_argument("--kills", type=int, default=200, help="number of kills (default: 200)")
    args = parser.parse_args()
    lost = kills.run(args.kills)
    faults = fuzz.run(args.cases, args.first)
    return 1 if lost or faults else 0


if __name__ == "__main__":
    sys.exit(main())
