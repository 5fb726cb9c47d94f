"""PSNR with rays through pixel centers and through pixel corners, on the same file, with the same seeds and steps.

    python benchmarks/pixel_center.py tiny_nerf_lego.npz [--write] [--seeds 2]

Settles where in a pixel the images of a data set were sampled: the wrong place shifts all rays by half a pixel, which
no scene can explain from all sides. Trains each method twice for each seed, and evaluates all held-out views. `--write`
saves the results as benchmarks/results/pixel_center.json.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from radfield_core.bench.machine import machine
from radfield_core.files.results import write_results

RADFIELD = Path(sys.executable).parent / "radfield"
METHODS = {
    "tiny-nerf": ("trainer.max_steps=2000",),
    "ngp-small": ("trainer.max_steps=1000", "method.background=black"),
}
PLACES = {"center": 0.5, "corner": 0.0}


def test_psnr(method: str, data: Path, pixel_center: float, seed: int, out: Path) -> float:
    """Train, evaluate all held-out views, and return their mean PSNR."""
    words = [*METHODS[method], f"data.pixel_center={pixel_center}", f"trainer.seed={seed}", "trainer.eval_views=0"]
    command = [str(RADFIELD), "train", "--method", method, "--data", str(data), "--out", str(out), "--quiet", *words]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    subprocess.run([str(RADFIELD), "eval", str(out), "--quiet"], check=True, stdout=subprocess.DEVNULL)
    return float(json.loads((out / "results.json").read_text())["metrics"]["psnr"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="a file or folder whose format has the option pixel_center")
    parser.add_argument("--seeds", type=int, default=2, help="pairs per method (default: 2)")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/pixel_center.json")
    args = parser.parse_args()
    rows: list[dict[str, Any]] = []
    print(f"{'method':>10} {'seed':>5} {'center':>7} {'corner':>7} {'center − corner':>16}")
    for method in METHODS:
        for seed in range(args.seeds):
            row: dict[str, Any] = {"method": method, "seed": seed, "options": list(METHODS[method])}
            for name, place in PLACES.items():
                with tempfile.TemporaryDirectory() as folder:
                    row[name] = round(test_psnr(method, args.data, place, seed, Path(folder) / "run"), 3)
            rows.append(row)
            gain = row["center"] - row["corner"]
            print(f"{method:>10} {seed:>5} {row['center']:>7.2f} {row['corner']:>7.2f} {gain:>+13.2f} dB", flush=True)
    if args.write:
        path = Path(__file__).parent / "results" / "pixel_center.json"
        write_results(path, {"machine": machine(), "data": args.data.name, "rows": rows})
    return 0


if __name__ == "__main__":
    sys.exit(main())
