"""Surface error and PSNR of `neus-fast` on the synthetic scene, on the same as a DTU folder, and on a DTU scan.

    python benchmarks/neus.py [--scan DIR] [--write] [--only NAME ...] [key=value ...]

All goes through the command line: data make, train, eval, eval --metric. Training time is that of the run, which ends
at the preset's steps or at `--seconds`; the load is the number of processes that wanted the machine's cores meanwhile.
`--write` puts the figures into benchmarks/results/neus.json.
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

RADFIELD = Path(sys.executable).parent / "radfield"
ALL_ROUND = "data.min_elevation=-40"
"""Cameras from below too: what no camera sees is no business of a reconstruction, and is not measured."""


def radfield(*words: str) -> None:
    """Run the program."""
    subprocess.run([str(RADFIELD), *words], check=True)


def train(out: Path, seconds: float, *words: str) -> dict[str, float]:
    """Train; the seconds that training took, the steps, and the processor time per second of it."""
    before = os.times()
    limit = f"trainer.max_seconds={seconds:g}"
    radfield("train", "--method", "neus-fast", "--out", str(out), "--quiet", limit, *words)
    after = os.times()
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return {
        "step": rows[-1]["step"], "seconds": round(rows[-1]["seconds"], 1),
        "processor_seconds_with_start_and_evaluation": round(used, 1), "load": round(os.getloadavg()[1], 1),
    }  # fmt: skip


def measure(out: Path, name: str, *words: str) -> dict[str, Any]:
    """The figures of a metric."""
    radfield("eval", str(out), "--metric", name, *words)
    found: dict[str, Any] = json.loads((out / f"{name}.json").read_text())
    return found


def psnr(out: Path) -> float:
    """Mean PSNR of the test views, dB."""
    radfield("eval", str(out), "--quiet")
    metrics = json.loads((out / "results.json").read_text())["metrics"]
    return round(float(metrics["psnr"]), 2)


def chamfer(out: Path) -> dict[str, Any]:
    """What is shown of the distance to the true surface."""
    found = measure(out, "chamfer")
    shown = {key: found[key] for key in ("chamfer", "chamfer_over_radius", "unit", "components", "watertight")}
    return {**shown, "accuracy_mean": found["accuracy"]["mean"], "completeness_mean": found["completeness"]["mean"]}


def synthetic(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """The analytic scene."""
    out = folder / "synthetic"
    trained = train(out, options.seconds, "data=synthetic", ALL_ROUND, *options.overrides)
    return {**trained, "psnr": psnr(out), **chamfer(out)}


def millimeters(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """The same scene as a DTU folder, in millimeters and off-center."""
    data, out = folder / "dtu", folder / "millimeters"
    radfield("data", "make", str(data), "--format", "dtu", "--quiet", ALL_ROUND)
    words = ("--data", str(data), "data.apply_mask=true", "data.hold_every=8", *options.overrides)
    return {**train(out, options.seconds, *words), "psnr": psnr(out), **chamfer(out)}


def scan(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """A real scan, against its sparse reference points."""
    if options.scan is None:
        raise SystemExit("the scan needs --scan DIR")
    out = folder / "scan"
    trained = train(out, 2 * options.seconds, "--data", str(options.scan), "data.apply_mask=true", *options.overrides)
    found = measure(out, "point-to-mesh", "--reference", str(options.scan / "reference_points.ply"))
    return {**trained, **{key: value for key, value in found.items() if key not in ("metric", "reference", "step")}}


CASES = {"synthetic": synthetic, "millimeters": millimeters, "scan": scan}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scan", type=Path, help="a DTU scan with masks and reference_points.ply")
    parser.add_argument("--seconds", type=float, default=300.0, help="limit of training; twice as long for the scan")
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES), help="cases to run")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/neus.json")
    parser.add_argument("overrides", nargs="*", help="options laid over the preset")
    options = parser.parse_args()
    path = Path(__file__).parent / "results" / "neus.json"
    for name in options.only:
        with tempfile.TemporaryDirectory() as folder:
            figures = CASES[name](Path(folder), options)
        print(name, json.dumps(figures, indent=2))
        if options.write:
            kept = json.loads(path.read_text()) if path.is_file() else {}
            entry = {**figures, "overrides": options.overrides, "machine": machine()}
            path.write_text(json.dumps({**kept, name: entry}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
