"""Prints how long marching and grid updates take, by backend. One thread; medians of runs that take turns."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from radfield_occupancy.bench import measure, measure_refresh

COLUMNS = ("op", "backend", "n_rays", "n_samples", "both_ms", "speedup")


def main() -> None:
    print("".join(f"{name:>14}" for name in COLUMNS))
    for row in measure() + measure_refresh():
        cells = (row.get(name, "") for name in COLUMNS)
        print("".join(f"{cell:>14.2f}" if isinstance(cell, float) else f"{cell:>14}" for cell in cells))


if __name__ == "__main__":
    main()
