"""Surface error and PSNR of `neus-fast` on the synthetic scenes, on one of them as a DTU folder, and on a DTU scan.

    python benchmarks/neus.py [--scan DIR] [--write] [--only NAME ...] [key=value ...]

Everything runs through the command line: data make, train, eval, eval --metric. Training ends after the preset's number
of steps or after `--seconds` of processor time. "synthetic" is the still life; the other scenes are cases of their own,
which run only if `--only` names them. The load is the machine's load average. `--write` saves the results as
benchmarks/results/neus.json.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from radfield_core.bench.machine import machine
from radfield_core.files.results import write_results

Case = Callable[[Path, argparse.Namespace], dict[str, Any]]
RADFIELD = Path(sys.executable).parent / "radfield"
ALL_ROUND = "data.min_elevation=-40"
"""Adds cameras from below, because a reconstruction is not judged by parts that no camera sees."""


def radfield(*words: str) -> None:
    """Run a verb of the command line."""
    subprocess.run([str(RADFIELD), *words], check=True)


def train(out: Path, seconds: float, *words: str) -> dict[str, float]:
    """Train into a folder, and return the steps, the wall and CPU seconds, and the load."""
    before = os.times()
    limits = (f"trainer.max_seconds={seconds:g}", "trainer.clock=processor")
    radfield("train", "--method", "neus-fast", "--out", str(out), "--quiet", *limits, *words)
    after = os.times()
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return {
        "step": rows[-1]["step"],
        "seconds": round(rows[-1]["seconds"], 1),
        "cpu_seconds": round(rows[-1]["cpu_seconds"], 1),
        "processor_seconds_with_start_and_evaluation": round(used, 1),
        "load": round(os.getloadavg()[1], 1),
    }


def measure(out: Path, name: str, *words: str) -> dict[str, Any]:
    """Measure a metric of a run, and return its results."""
    radfield("eval", str(out), "--metric", name, *words)
    found: dict[str, Any] = json.loads((out / f"{name}.json").read_text())
    return found


def psnr(out: Path) -> float:
    """The mean PSNR of the test views, dB."""
    radfield("eval", str(out), "--quiet")
    metrics = json.loads((out / "results.json").read_text())["metrics"]
    return round(float(metrics["psnr"]), 2)


def chamfer(out: Path) -> dict[str, Any]:
    """The results of the Chamfer distance to the true surface that are reported."""
    found = measure(out, "chamfer")
    shown = {key: found[key] for key in ("chamfer", "chamfer_over_radius", "unit", "components", "watertight")}
    return {**shown, "accuracy_mean": found["accuracy"]["mean"], "completeness_mean": found["completeness"]["mean"]}


def synthetic(folder: Path, options: argparse.Namespace, scene: str = "still-life") -> dict[str, Any]:
    """Results on a synthetic scene."""
    out = folder / "synthetic"
    words = ("data=synthetic", f"data.scene={scene}", ALL_ROUND)
    trained = train(out, options.seconds, *words, *options.overrides)
    return {**trained, "psnr": psnr(out), **chamfer(out)}


def millimeters(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Results on the same scene as a DTU folder, in millimeters and off-center."""
    data, out = folder / "dtu", folder / "millimeters"
    radfield("data", "make", str(data), "--format", "dtu", "--quiet", ALL_ROUND)
    words = ("--data", str(data), "data.apply_mask=true", "data.hold_every=8", *options.overrides)
    return {**train(out, options.seconds, *words), "psnr": psnr(out), **chamfer(out)}


def scan(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Results on a real scan, compared with its sparse reference points."""
    if options.scan is None:
        raise SystemExit("the case scan needs a DTU scan; try: --scan DIR")
    out = folder / "scan"
    trained = train(out, 2 * options.seconds, "--data", str(options.scan), "data.apply_mask=true", *options.overrides)
    found = measure(out, "point-to-mesh", "--reference", str(options.scan / "reference_points.ply"))
    return {**trained, **{key: value for key, value in found.items() if key not in ("metric", "reference", "step")}}


SCENES = ("wires", "crystals", "chrome", "bowls", "globe", "relief")
DEFAULT: dict[str, Case] = {"synthetic": synthetic, "millimeters": millimeters, "scan": scan}
CASES: dict[str, Case] = {**DEFAULT, **{name: partial(synthetic, scene=name) for name in SCENES}}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scan", type=Path, help="a DTU scan with masks and reference_points.ply")
    parser.add_argument(
        "--seconds", type=float, default=300.0, help="limit of training; the scan gets twice as long (default: 300)"
    )
    parser.add_argument(
        "--only",
        nargs="+",
        choices=CASES,
        default=list(DEFAULT),
        help="cases to run (default: synthetic, millimeters, scan)",
    )
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/neus.json")
    parser.add_argument("overrides", nargs="*", help="options over those of the preset")
    options = parser.parse_args()
    path = Path(__file__).parent / "results" / "neus.json"
    for name in options.only:
        with tempfile.TemporaryDirectory() as folder:
            results = CASES[name](Path(folder), options)
        print(name, json.dumps(results, indent=2))
        if options.write:
            kept = json.loads(path.read_text()) if path.is_file() else {}
            entry = {**results, "overrides": options.overrides, "machine": machine()}
            write_results(path, {**kept, name: entry})
    return 0


if __name__ == "__main__":
    sys.exit(main())
