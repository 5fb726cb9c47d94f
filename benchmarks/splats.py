"""PSNR of held-out views after seconds of one core, trained with the presets of method:splat through the command line.

    python benchmarks/splats.py DATA [key=value ...] [--scenes NAME ...] [--seconds S ...] [--write]

DATA holds tiny_nerf, blender/lego, instant_ngp/fox, colmap/toy, colmap/south_building, llff/fern and llff/horns. Each
is trained as a user would train it, on one thread, then evaluated on the views that its format holds out, at full size.
Objects are trained with `splat-small` and photographs with `splat-capture`.

A time is that of the processor in training steps (`trainer.clock=processor`), so that other programs do not change it
much. All schedules are shares of the run. So each time has its own run, whose number of steps is measured first, in
runs of up to an eighth of the time. Finding points (`radfield data points`) is not counted. Memory is the most that the
process which trains held at a time.

`--folder NAME=DIR` takes a scene from another folder, such as one with points. `--keep` keeps the runs. `--write` adds
the results to benchmarks/results/splats.json; two processes may write results of different scenes. Exits 1 if a result
is lower than required.
"""

from __future__ import annotations

import argparse
import fcntl
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
PILOT_STEPS, PILOT_SHARE, PILOT_SECONDS = 200, 0.125, 2.0
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}
WIDTHS = (15, 8, 7, 7, 10, 7, 7, 7)


def train(words: list[str], data: Path, out: Path) -> dict[str, Any]:
    """Train through the command line. Return the last entry of the run's log, with the memory of the process in MiB."""
    command = [str(RADFIELD), "train", "--data", str(data), "--out", str(out), "--quiet", *words]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=ONE_THREAD)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    entries = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return {**[entry for entry in entries if "eval" not in entry][-1], "memory_mib": usage.ru_maxrss // 1024}


def steps_in(seconds: float, words: list[str], data: Path) -> int:
    """Return the number of steps of a run that takes a time of the processor."""
    goal, runs = max(PILOT_SHARE * seconds, PILOT_SECONDS), [(0, 0.0)]
    steps = PILOT_STEPS
    while len(runs) < 3 or runs[-1][1] < 0.7 * goal:
        limits = [f"trainer.max_steps={steps}", "trainer.eval_views=0", f"trainer.log_every={steps}"]
        with tempfile.TemporaryDirectory() as folder:
            runs.append((steps, train([*words, *limits], data, Path(folder) / "run")["cpu_seconds"]))
        steps = int(steps * min(max(goal / runs[-1][1], 2.0), 10.0))
    (fewer, less), (more, longer) = runs[-2:]  # their difference leaves out what a run does once, as reading images
    return max(1, more + int((seconds - longer) * (more - fewer) / max(longer - less, 1e-3)))


def measure(case: dict[str, Any], data: Path, out: Path, seconds: float, overrides: list[str]) -> dict[str, Any]:
    """Train on a scene, evaluate the held-out views, and return the metrics, times and sizes."""
    preset, *options = case["preset"]
    words = ["--method", preset, *options, *overrides]
    words.append(f"trainer.max_steps={steps_in(seconds, words, data)}")
    last = train([*words, "trainer.eval_views=0", "trainer.log_every=50"], data, out)
    command = [str(RADFIELD), "eval", str(out), "--quiet"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=ONE_THREAD)
    metrics = json.loads((out / "results.json").read_text())["metrics"]
    return {
        "options": words[1:],
        "steps": last["step"],
        "cpu_seconds": round(last["cpu_seconds"], 1),
        "seconds": round(last["seconds"], 1),
        "gaussians": int(last["gaussians"]),
        "memory_mib": last["memory_mib"],
        "load": round(os.getloadavg()[1], 1),
        "machine": machine(threads=1),
        **{name: round(value, 4) for name, value in metrics.items()},
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


def store(name: str, results: dict[str, dict[str, Any]]) -> None:
    """Add the results of a scene to the file. Another process may add those of another scene meanwhile."""
    with open(RESULTS.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
        write_results(RESULTS, {**kept, name: {**kept.get(name, {}), **results}})
    RESULTS.with_suffix(".lock").unlink(missing_ok=True)


def row(*cells: object) -> None:
    print("  ".join(f"{cell!s:<{width}}" for cell, width in zip(cells, WIDTHS, strict=True)), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the scenes")
    parser.add_argument("--scenes", nargs="+", choices=CASES, default=list(CASES), help="scenes to train on")
    parser.add_argument("--seconds", type=float, nargs="+", help="seconds of one core (default: those required)")
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
                found = measure(
                    CASES[name], data, (args.keep or Path(folder)) / f"{name}-{seconds:g}s", seconds, args.overrides
                )
            results[f"{seconds:g}"] = found
            row(
                name, f"{seconds:g} s", found["cpu_seconds"], found["steps"], found["gaussians"],
                f"{found['psnr']:.2f}", f"{found['ssim']:.4f}", found["memory_mib"],
            )  # fmt: skip
            for text in missed(found, required(name, seconds)):
                print(f"{name}, {seconds:g} s: {text}")
                failed = True
            if args.write:
                store(name, results)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
