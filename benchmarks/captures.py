"""PSNR of held-out views of real captures after some minutes of training, through the command line.

    python benchmarks/captures.py DATA [--only NAME ...] [--write] [--keep DIR] [key=value ...]

DATA holds instant_ngp/fox, colmap/can and llff/fern. Each is trained as a user would train it, then evaluated on the
views that its format holds out; `--keep` keeps the runs. `--write` saves the results as
benchmarks/results/captures.json. Exits 1 if a PSNR is lower than required.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from radfield_core.bench.machine import machine
from radfield_core.files.results import write_results

RADFIELD = Path(sys.executable).parent / "radfield"
CASES: dict[str, dict[str, Any]] = {
    "fox": {"data": "instant_ngp/fox", "method": "ngp-capture", "least_psnr": 20.0},
    "can": {"data": "colmap/can", "method": "ngp-capture", "options": ["data.type=colmap"]},
    "fern": {"data": "llff/fern", "method": "ngp-small", "options": ["method.background=black"], "least_psnr": 20.0},
}


def measure(case: dict[str, Any], data: Path, out: Path, seconds: float, overrides: list[str]) -> dict[str, Any]:
    """Train on a capture, evaluate the held-out views, and return the metrics and times."""
    words = [*case.get("options", []), f"trainer.max_seconds={seconds:g}", *overrides]
    before = os.times()
    subprocess.run(
        [
            str(RADFIELD),
            "train",
            "--method",
            case["method"],
            "--data",
            str(data / case["data"]),
            "--out",
            str(out),
            "--quiet",
            *words,
        ],
        check=True,
    )
    after = os.times()
    subprocess.run([str(RADFIELD), "eval", str(out), "--quiet"], check=True)
    last = json.loads((out / "metrics.jsonl").read_text().splitlines()[-1])
    metrics = json.loads((out / "results.json").read_text())
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return {
        "method": case["method"],
        "options": words,
        "steps": last["step"],
        "seconds": round(last["seconds"], 1),
        "processor_seconds_with_start_and_evaluation": round(used, 1),
        "load": round(os.getloadavg()[1], 1),
        **{name: round(value, 4) for name, value in metrics["metrics"].items()},
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the captures")
    parser.add_argument("--seconds", type=float, default=300.0, help="seconds of training (default: 300)")
    parser.add_argument(
        "--only", nargs="+", choices=CASES, default=list(CASES), help="captures to train on (default: all)"
    )
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/captures.json")
    parser.add_argument("--keep", type=Path, help="folder to keep the runs in")
    parser.add_argument("overrides", nargs="*", help="options over those of the preset")
    args = parser.parse_args()
    path = Path(__file__).parent / "results" / "captures.json"
    missed = False
    for name in args.only:
        with tempfile.TemporaryDirectory() as folder:
            results = measure(CASES[name], args.data, (args.keep or Path(folder)) / name, args.seconds, args.overrides)
        print(name, json.dumps(results, indent=2))
        missed |= results["psnr"] < CASES[name].get("least_psnr", 0.0)
        if args.write:
            kept = json.loads(path.read_text()) if path.is_file() else {}
            write_results(path, {**kept, name: {**results, "machine": machine()}})
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
