"""PSNR of `tiny-nerf` on the tiny NeRF scene, during and after training by the command line.

    python benchmarks/tiny_nerf.py tiny_nerf_lego.npz [--write] [key=value ...]

Prints the PSNR of six held-out views against seconds of training, and the metrics of `radfield eval` on all of them.
`--write` saves both as benchmarks/results/tiny_nerf.json. Exits 1 if the final PSNR is below 23 dB.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from radfield_core.bench.machine import machine
from radfield_core.files.results import write_results

RADFIELD = Path(sys.executable).parent / "radfield"
WANTED_DB = 23.0


def train(data: Path, out: Path, overrides: list[str]) -> None:
    """Train into a run folder."""
    command = [str(RADFIELD), "train", "--method", "tiny-nerf", "--data", str(data), "--out", str(out), "--quiet"]
    subprocess.run([*command, "trainer.eval_every=1000", "trainer.eval_views=6", *overrides], check=True)


def curve(out: Path) -> list[dict[str, float]]:
    """Step, seconds of training and PSNR of the held-out views, read from the log of the run."""
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [
        {"step": row["step"], "seconds": round(row["seconds"], 1), "psnr": round(row["eval"]["psnr"], 2)}
        for row in rows
        if "eval" in row
    ]


def evaluate(out: Path) -> dict[str, float]:
    """The mean metrics of all test views."""
    subprocess.run([str(RADFIELD), "eval", str(out), "--quiet"], check=True)
    metrics: dict[str, float] = json.loads((out / "results.json").read_text())["metrics"]
    return {name: round(value, 4) for name, value in metrics.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the tiny NeRF .npz file")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/tiny_nerf.json")
    parser.add_argument("overrides", nargs="*", help="options over those of the preset")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        train(args.data, out, args.overrides)
        points, final = curve(out), evaluate(out)
    print(f"{'step':>8} {'seconds':>8} {'PSNR':>7}")
    for point in points:
        print(f"{point['step']:>8} {point['seconds']:>8.1f} {point['psnr']:>7.2f}")
    print(f"test views: PSNR {final['psnr']:.2f} dB, SSIM {final['ssim']:.4f}")
    if args.write:
        path = Path(__file__).parent / "results" / "tiny_nerf.json"
        write_results(path, {"machine": machine(), "overrides": args.overrides, "curve": points, "test": final})
    return 0 if final["psnr"] >= WANTED_DB else 1


if __name__ == "__main__":
    sys.exit(main())
