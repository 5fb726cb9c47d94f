"""PSNR of held-out views after seconds of one core, trained with the presets of method:splat through the command line.

    python benchmarks/splats.py DATA [key=value ...] [--scenes NAME ...] [--seconds S ...] [--write]

DATA holds tiny_nerf, blender/lego, instant_ngp/fox, colmap/toy, colmap/south_building, llff/fern and llff/horns. Each
is trained as a user would train it, on one thread, then evaluated on the views that its format holds out, at full size.
Objects are trained with `splat-small` and photographs with `splat-capture`.

A time is that of the processor in training steps, so that other programs do not change it much. Each time has its own
run, whose number of steps is found by shorter runs (`timed_runs.py`); `--steps` states the first guess. It takes at
least 98 % of the time, and never more. Finding points is not counted; the results say where the points came from.
Memory is the most that the process which trains held at a time.

`--folder NAME=DIR` takes a scene from another folder, such as one with points. `--keep` keeps the runs. `--write` adds
the results to benchmarks/results/splats.json; two processes may write results of different scenes. Exits 1 if a result
is lower than required.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from timed_runs import FIRST_STEPS, TRIES, evaluated, facts, store, train_for

from radfield_core import open_run
from radfield_core.data.known_points import points_file

RESULTS = Path(__file__).parent / "results" / "splats.json"
FIELDS = Path(__file__).parent / "results" / "captures.json"
SMALL, CAPTURE = ["splat-small"], ["splat-capture"]
CASES: dict[str, dict[str, Any]] = {
    "tiny": {
        "data": "tiny_nerf/tiny_nerf_lego.npz", "preset": SMALL,
        "wanted": {4: {"psnr": 25.0}, 7: {"psnr": 28.0}, 11: {"psnr": 30.0}, 30: {"psnr": 33.0}},
    },
    "lego": {
        "data": "blender/lego", "preset": SMALL, "wanted": {120: {"psnr": 30.0}, 300: {"psnr": 31.8, "ssim": 0.955}},
    },
    "fox": {
        "data": "instant_ngp/fox", "preset": CAPTURE, "wanted": {300: {"psnr": 30.8, "ssim": 0.85, "memory_mib": 700}},
    },
    "toy": {"data": "colmap/toy", "preset": CAPTURE, "wanted": {300: {}}, "better_by": 1.5},
    "south_building": {"data": "colmap/south_building", "preset": CAPTURE, "wanted": {300: {}}, "better_by": 1.5},
    "fern": {"data": "llff/fern", "preset": [*CAPTURE, "data.ndc=false"], "wanted": {300: {}}, "better_by": 0.0},
    "horns": {"data": "llff/horns", "preset": [*CAPTURE, "data.ndc=false"], "wanted": {300: {}}, "better_by": 0.0},
}  # fmt: skip
"""Scene -> its data, preset, and required results by seconds. With `better_by`, the PSNR after the longest time must be
higher than that of the best field method in captures.json by this."""
WIDTHS = (15, 8, 7, 7, 10, 7, 7, 7)


def points_of(out: Path) -> dict[str, Any]:
    """Return the number of a run's known points, and where they came from."""
    run = open_run(out)
    data, points = run.run.data, run.scenes.get("train").points
    if points is None:
        return {"number": 0, "from": "estimated from the images"}
    triangulated = data is not None and points_file(data.name, data.config).is_file()
    return {"number": len(points), "from": "radfield data points" if triangulated else "the data"}


def measure(
    case: dict[str, Any], data: Path, out: Path, seconds: float, overrides: list[str], steps: int, tries: int
) -> dict[str, Any]:
    """Train on a scene, evaluate the held-out views, and return the metrics, times and sizes."""
    preset, *options = case["preset"]
    words = ["--method", preset, *options, *overrides]
    last = train_for(seconds, words, data, out, steps, tries)
    return {
        **facts(words, last),
        "gaussians": int(last["gaussians"]),
        "points": {**points_of(out), "seconds_counted": False},
        **evaluated(out),
    }


def required(name: str, seconds: float) -> dict[str, float]:
    """Return the required results of a scene after a time."""
    case = CASES[name]
    wanted = dict(case["wanted"].get(seconds, {}))
    if "better_by" in case and seconds == max(case["wanted"]):
        fields = json.loads(FIELDS.read_text()).get(name, {})
        best = [row["psnr"] for label, row in fields.items() if label in ("capture", "usual")]
        if best:
            wanted["psnr"] = max(best) + case["better_by"]
    return wanted


def missed(found: dict[str, Any], wanted: dict[str, float]) -> list[str]:
    """Return the requirements that a result misses."""
    return [
        f"{name} {found[name]:g} instead of {limit:g}"
        for name, limit in wanted.items()
        if (found[name] > limit if name == "memory_mib" else found[name] < limit)
    ]


def row(*cells: object) -> None:
    print("  ".join(f"{cell!s:<{width}}" for cell, width in zip(cells, WIDTHS, strict=True)), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the scenes")
    parser.add_argument("--scenes", nargs="+", choices=CASES, default=list(CASES), help="scenes to train on")
    parser.add_argument("--seconds", type=float, nargs="+", help="seconds of one core (default: those required)")
    parser.add_argument("--steps", type=int, default=FIRST_STEPS, help="steps of the first run that is tried")
    parser.add_argument("--tries", type=int, default=TRIES, help="most runs of more than half the time")
    parser.add_argument("--folder", action="append", default=[], metavar="NAME=DIR", help="other data of a scene")
    parser.add_argument("--write", action="store_true", help=f"add the results to {RESULTS.name}")
    parser.add_argument("--keep", type=Path, help="folder to keep the runs in")
    parser.add_argument("overrides", nargs="*", help="options over those of the preset")
    args = parser.parse_intermixed_args()
    folders, failed = dict(text.split("=", 1) for text in args.folder), False
    row("scene", "planned", "CPU s", "steps", "Gaussians", "PSNR", "SSIM", "MiB")
    for name in args.scenes:
        data = Path(folders.get(name, args.data / CASES[name]["data"]))
        results = {}
        for seconds in args.seconds or CASES[name]["wanted"]:
            with tempfile.TemporaryDirectory() as folder:
                out = (args.keep or Path(folder)) / f"{name}-{seconds:g}s"
                found = measure(CASES[name], data, out, seconds, args.overrides, args.steps, args.tries)
            results[f"{seconds:g}"] = found
            row(
                name, f"{seconds:g} s", found["cpu_seconds"], found["steps"], found["gaussians"],
                f"{found['psnr']:.2f}", f"{found['ssim']:.4f}", found["memory_mib"],
            )  # fmt: skip
            for text in missed(found, required(name, seconds)):
                print(f"{name}, {seconds:g} s: {text}")
                failed = True
            if args.write:
                store(RESULTS, name, results)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
