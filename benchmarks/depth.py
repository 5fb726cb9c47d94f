"""PSNR of held-out views of the synthetic scene from few training views, with and without depth, at equal steps.

    python benchmarks/depth.py [--views 6] [--steps 500] [--seeds 0 1] [--write] [key=value ...]

The scene is opaque on black (`method.background=black`), so its outline does not tell where space is empty. The sparse
points are triangulated from the training views, with an error of half a pixel. Each case differs from "none" only in
the words that the table shows. `--write` saves the results as benchmarks/results/depth.json. Exits 1 if the points gain
less than 1.5 dB.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from radfield_core.bench.machine import machine
from radfield_core.files.results import write_results

RADFIELD = Path(sys.executable).parent / "radfield"
CASES = {
    "none": [],
    "points": ["losses.depth=depth", "losses.depth.source=points"],
    "points, line of sight": [
        "losses.depth=depth", "losses.depth.source=points", "losses.depth.form=line_of_sight", "losses.depth.weight=1",
    ],
    "images": ["losses.depth=depth", "losses.depth.source=images"],
}  # fmt: skip
LEAST_GAIN = 1.5


def measure(words: list[str], folder: Path) -> dict[str, float]:
    """Train on the synthetic scene and return the metrics of its test views."""
    train = [
        str(RADFIELD), "train", "--method", "ngp-small", "--data", "synthetic", "--out", str(folder), "--quiet", *words
    ]  # fmt: skip
    subprocess.run(train, check=True, stdout=subprocess.DEVNULL)
    subprocess.run([str(RADFIELD), "eval", str(folder), "--quiet"], check=True, stdout=subprocess.DEVNULL)
    metrics: dict[str, float] = json.loads((folder / "results.json").read_text())["metrics"]
    return metrics


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--views", type=int, default=6, help="number of training views (default: 6)")
    parser.add_argument("--steps", type=int, default=500, help="number of steps of each run (default: 500)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1], help="seeds of the runs (default: 0 1)")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/depth.json")
    parser.add_argument("overrides", nargs="*", help="more options of all runs")
    args = parser.parse_args()
    common = [
        f"data.n_train={args.views}", "data.resolution=96", "data.n_points=4000", "data.n_test=8", "data.n_val=1",
        "method.background=black", f"trainer.max_steps={args.steps}", "trainer.eval_views=0", *args.overrides,
    ]  # fmt: skip
    results, mean = {}, {}
    for name, words in CASES.items():
        found = []
        for seed in args.seeds:
            with tempfile.TemporaryDirectory() as folder:
                found.append(measure([*common, f"trainer.seed={seed}", *words], Path(folder) / "run"))
        mean[name] = statistics.mean(each["psnr"] for each in found)
        ssim = statistics.mean(each["ssim"] for each in found)
        results[name] = {"options": words, "psnr": round(mean[name], 2), "ssim": round(ssim, 4),
                         "psnr_of_each_seed": [round(each["psnr"], 2) for each in found]}  # fmt: skip
        gain = mean[name] - mean["none"]
        print(f"{name:24} PSNR {mean[name]:6.2f} dB  ({gain:+.2f})  SSIM {ssim:.3f}  {' '.join(words)}", flush=True)
    if args.write:
        path = Path(__file__).parent / "results" / "depth.json"
        write_results(path, {"options": common, "cases": results, "machine": machine()})
    return 0 if mean["points"] - mean["none"] >= LEAST_GAIN else 1


if __name__ == "__main__":
    sys.exit(main())
