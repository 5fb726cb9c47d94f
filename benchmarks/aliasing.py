"""PSNR of mip-NeRF with and without its integrated encoding, by image scale, on a multiscale scene.

    python benchmarks/aliasing.py blender_multiscale/lego [--steps 3000] [--write] [key=value ...]

Trains `mipnerf-small` twice for the same steps with the same seed, once with `field.disable_integration=true`, and
evaluates every test view of every scale by the command line. Prints both columns; `--write` saves them as
benchmarks/results/aliasing.json. Exits 1 unless integration gains at least 1 dB at ¼ and at ⅛ of the size.
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
VARIANTS = {"mipnerf-small": [], "without integration": ["field.disable_integration=true"]}
WANTED_DB = {"1/4": 1.0, "1/8": 1.0}


def train_and_evaluate(data: Path, out: Path, overrides: list[str]) -> dict[str, Any]:
    """Metrics of each scale and of all test views, and the training time, of one variant."""
    command = [str(RADFIELD), "train", "--method", "mipnerf-small", "--data", str(data), "--out", str(out), "--quiet"]
    subprocess.run([*command, *overrides], check=True)
    subprocess.run([str(RADFIELD), "eval", str(out), "--quiet"], check=True)
    results = json.loads((out / "results.json").read_text())
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    scales = {**results["groups"], "mean": {"views": len(results["per_image"]), **results["metrics"]}}
    return {
        "steps": results["step"],
        "training_seconds": round(rows[-1]["seconds"], 1),
        "scales": {name: {key: round(value, 4) for key, value in row.items()} for name, row in scales.items()},
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="a folder in the multiscale layout")
    parser.add_argument("--steps", type=int, default=3_000, help="steps of each variant")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/aliasing.json")
    parser.add_argument("overrides", nargs="*", help="options of both variants, over those of the preset")
    args = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, words) in enumerate(VARIANTS.items()):
            options = [f"trainer.max_steps={args.steps}", *args.overrides, *words]
            found[name] = train_and_evaluate(args.data, Path(folder) / str(number), options)
    mip, plain = (found[name]["scales"] for name in VARIANTS)
    print(f"{'':8} {'mipnerf-small':>22} {'without integration':>22} {'gain':>9}")
    for scale, row in mip.items():
        other = plain[scale]
        columns = [f"{each['psnr']:.2f} dB  {each['ssim']:.4f}" for each in (row, other)]
        print(f"{scale:8} {columns[0]:>22} {columns[1]:>22} {row['psnr'] - other['psnr']:>9.2f}")
    if args.write:
        path = Path(__file__).parent / "results" / "aliasing.json"
        write_results(path, {"machine": machine(), "overrides": args.overrides, **found})
    return 0 if all(mip[scale]["psnr"] - plain[scale]["psnr"] >= db for scale, db in WANTED_DB.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
