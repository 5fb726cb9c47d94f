"""PSNR of held-out views of real captures after some minutes of one core, through the command line.

    python benchmarks/captures.py DATA [--only NAME ...] [--presets capture usual] [--share] [--write] [key=value ...]

DATA holds instant_ngp/fox, colmap/toy, colmap/south_building, llff/horns and llff/fern. Each is trained with the preset
`capture` and with the preset that was best before it ("usual"), as a user would train it, then evaluated on the views
that its format holds out. Time is that of the processor (`trainer.clock=processor`), so that other programs do not
change the number of steps. All schedules of `capture` are shares of the run, so the number of steps that fit into the
time is found by shorter runs (`timed_runs.py`).

`--share` trains with `capture` as it is, without each of its parts in turn, and with parts that it leaves out.
`--keep` keeps the runs. `--write` adds the results to benchmarks/results/captures.json; two processes may write results
of different scenes. Exits 1 if a result is lower than required.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from timed_runs import evaluated, facts, store, train, train_for

RESULTS = Path(__file__).parent / "results" / "captures.json"
BLACK = ["method.background=black"]
POSES = "with rays:poses"
CASES: dict[str, dict[str, Any]] = {
    "fox": {"data": "instant_ngp/fox", "usual": ["ngp-capture"], "psnr": 29.5, "ssim": 0.82},
    "toy": {"data": "colmap/toy", "usual": ["ngp-capture"], "better_by": 1.0},
    "south_building": {"data": "colmap/south_building", "usual": ["ngp-capture"], "better_by": 1.0},
    "horns": {"data": "llff/horns", "usual": ["ngp-small", *BLACK], "better_by": 0.0, "not": [POSES]},
    "fern": {"data": "llff/fern", "usual": ["ngp-small", *BLACK], "better_by": 0.0, "not": [POSES]},
}
"""Scene -> its data, the preset that was best before, and required results. Poses cannot be learned in NDC (LLFF)."""
PARTS: dict[str, list[str]] = {
    "without sampler:proposal": [
        "sampler=occupancy", "sampler.resolution=64", "sampler.num_samples=256", "sampler.contraction=sphere",
        "sampler.cone_angle=0.016", "sampler.early_stop=always", "trainer.target_samples=20480", "trainer.n_rays=256",
    ],
    "with 16 samples per ray": ["sampler.n_samples=16", "trainer.n_rays=1024"],
    "with 32 samples per ray": ["sampler.n_samples=32", "trainer.n_rays=640"],
    "without near_distance": ["renderer.near_distance=0"],
    "without loss:depth": ["losses.depth=none"],
    "without distortion": ["losses.distortion=none"],
    "without the falling rate": ["method.lr=3e-3"],
    "without a table of 2^18": ["field.encoding.log2_table_size=17"],
    "with color:exposure": ["color=exposure"],
    POSES: ["rays=poses"],
}  # fmt: skip
"""Change of `capture` -> the options that make it."""


def measure(preset: list[str], data: Path, out: Path, seconds: float, overrides: list[str]) -> dict[str, Any]:
    """Train on a capture, evaluate the held-out views, and return the metrics and times."""
    method, *options = preset
    words = ["--method", method, *options, *overrides]
    if method == "capture":
        last = train_for(seconds, words, data, out)
    else:
        words += ["trainer.max_steps=1000000", "trainer.clock=processor", f"trainer.max_seconds={seconds:g}"]
        last = train(words, data, out)
    return {**facts(words, last), **evaluated(out)}


def missed(case: dict[str, Any], results: dict[str, dict[str, Any]]) -> list[str]:
    """Return what the preset `capture` does not reach on a scene."""
    if "capture" not in results:
        return []
    found, wanted = results["capture"], {name: case[name] for name in ("psnr", "ssim") if name in case}
    if "better_by" in case and "usual" in results:
        wanted["psnr"] = results["usual"]["psnr"] + case["better_by"]
    return [f"{name} {found[name]:.3f} is below {least:.3f}" for name, least in wanted.items() if found[name] < least]


def row(*cells: object) -> None:
    print("  ".join(f"{cell!s:<{width}}" for cell, width in zip(cells, (16, 34, 7, 8, 8, 7), strict=True)), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the captures")
    parser.add_argument("--seconds", type=float, default=300.0, help="seconds of one core (default: 300)")
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES), help="captures to train on")
    parser.add_argument("--presets", nargs="+", choices=["capture", "usual"], default=["capture", "usual"])
    parser.add_argument("--share", action="store_true", help="train without each part of capture, on the scenes chosen")
    parser.add_argument("--write", action="store_true", help="add the results to benchmarks/results/captures.json")
    parser.add_argument("--keep", type=Path, help="folder to keep the runs in")
    parser.add_argument("overrides", nargs="*", help="options over those of the preset")
    args = parser.parse_intermixed_args()
    failed = False
    row("scene", "preset", "steps", "CPU s", "PSNR", "SSIM")
    for name in args.only:
        runs = {preset: CASES[name]["usual"] if preset == "usual" else ["capture"] for preset in args.presets}
        if args.share:
            runs = {"capture as it is": ["capture"]}
            changes = {change: options for change, options in PARTS.items() if change not in CASES[name].get("not", ())}
            runs |= {f"capture {change}": ["capture", *options] for change, options in changes.items()}
        results = {}
        for label, preset in runs.items():
            with tempfile.TemporaryDirectory() as folder:
                out = (args.keep or Path(folder)) / f"{name} {label}".replace(" ", "-").replace(":", "-")
                found = measure(preset, args.data / CASES[name]["data"], out, args.seconds, args.overrides)
            results[label] = found
            shown = f"{preset[0]} ({label})" if label == "usual" else label
            row(name, shown, found["steps"], found["cpu_seconds"], f"{found['psnr']:.2f}", f"{found['ssim']:.3f}")
        for text in missed(CASES[name], results):
            print(f"{name}: {text}")
            failed = True
        if args.write:
            store(RESULTS, name, results)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
