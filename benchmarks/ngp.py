"""PSNR of `ngp-small` against seconds of training on one thread, as `radfield train` trains it.

    python benchmarks/ngp.py tiny DATA [--seconds 60] [--every 25] [--write] [key=value ...]
    python benchmarks/ngp.py lego DATA [--seconds 300] [--every 250] [--write] [key=value ...]

`tiny` takes tiny_nerf_lego.npz; its curve and its result are of the held-out views 100 to 105. `lego` takes the Blender
lego at 400 × 400; its curve is of a few validation views, its result of all test views. PEERS holds the times of other
implementations, measured on one thread of a comparable processor. Seconds are of training alone; CPU seconds are given
too, because other jobs may use the machine. `--write` saves the results as benchmarks/results/ngp_tiny_lego.json or
ngp_lego.json, and the curve as a picture of the same name. Exits 1 if a target is missed.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

from radfield_core.cli.bench import set_threads

RESULTS = Path(__file__).parent / "results"
SCENES: dict[str, dict[str, Any]] = {
    "tiny": {"name": "ngp_tiny_lego", "seconds": 60.0, "every": 25, "limits": {25: 15.0, 28: 25.0, 30: 40.0}},
    "lego": {"name": "ngp_lego", "seconds": 300.0, "every": 250, "final": 30.0},
}
PEERS = {
    "nerfstudio tensorf, 512 rays, 100×100 lego on white": {20: 62.0, 25: 240.0},
    "fast-ngp (repaired), 100×100 lego": {21: 60.0, 22: 120.0},
    "nerfstudio nerfacto, 100×100 lego: stays under 19 dB": {},
}
"""Seconds of training on one thread until a PSNR (dB), of other implementations that run on a CPU."""
WANTED_SPEEDUP = 15.0  # to 25 dB, over the fastest of the peers


def compare(reached: dict[str, dict[str, float] | None]) -> list[dict[str, Any]]:
    """Rows of our seconds, those of each peer, and their ratio."""
    rows = []
    for peer, times in PEERS.items():
        for threshold, theirs in times.items():
            ours = reached[f"{threshold}"]
            rows.append(
                {
                    "peer": peer,
                    "psnr": threshold,
                    "peer_seconds": theirs,
                    "seconds": ours and ours["seconds"],
                    "cpu_seconds": ours and ours["cpu_seconds"],
                    "ratio": ours and round(theirs / ours["seconds"], 1),
                }
            )
    return rows


def missed(scene: dict[str, Any], results: dict[str, Any]) -> list[str]:
    """The targets that a run missed, by wall time."""
    found = []
    for threshold, limit in scene.get("limits", {}).items():
        when = results["reached"][f"{threshold}"]
        if when is None or when["seconds"] > limit:
            found.append(f"{threshold} dB within {limit:g} s")
    if results["final"]["psnr"] < scene.get("final", 0.0):
        found.append(f"{scene['final']:g} dB on all test views")
    if "limits" in scene:
        found += [
            f"{row['psnr']} dB {WANTED_SPEEDUP:g} times as fast as {row['peer']}"
            for row in results["peers"]
            if row["psnr"] == 25 and (row["ratio"] or 0.0) < WANTED_SPEEDUP
        ]
    return found


def show(results: dict[str, Any]) -> None:
    """Print the curve, the thresholds and the peers."""
    print(f"{'step':>8} {'seconds':>8} {'CPU s':>8} {'PSNR':>7}")
    for point in results["curve"]:
        print(f"{point['step']:>8} {point['seconds']:>8.1f} {point['cpu_seconds']:>8.1f} {point['psnr']:>7.2f}")
    for threshold, when in results["reached"].items():
        times = f"{when['seconds']:.1f} s, {when['cpu_seconds']:.1f} CPU s" if when else "not reached"
        print(f"{threshold} dB: {times}")
    final = results["final"]
    print(
        f"{final['views']} test views after {final['seconds']:.1f} s: {final['psnr']:.2f} dB, SSIM {final['ssim']:.4f}"
    )
    for row in results.get("peers", []):
        ours = "not reached" if row["seconds"] is None else f"{row['seconds']:.1f} s, {row['ratio']:g} times as fast"
        print(f"{row['psnr']} dB: {row['peer']} {row['peer_seconds']:g} s; here {ours}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scene", choices=SCENES)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seconds", type=float, help="seconds of training (default: 60 for tiny, 300 for lego)")
    parser.add_argument(
        "--every", type=int, help="steps between points of the curve (default: 25 for tiny, 250 for lego)"
    )
    parser.add_argument("--write", action="store_true", help="save the results and the curve in benchmarks/results")
    parser.add_argument("overrides", nargs="*", help="options over those of the preset")
    args = parser.parse_args()
    set_threads(1)
    from radfield_core.bench.learning_curve import plot, whole_run
    from radfield_core.files.results import write_results

    scene = SCENES[args.scene]
    results = whole_run(
        "ngp-small",
        str(args.data),
        seconds=args.seconds or scene["seconds"],
        every=args.every or scene["every"],
        overrides=args.overrides,
        thresholds=(20, 21, 22, 25, 28, 30),
    )
    if args.scene == "tiny":
        results["peers"] = compare(results["reached"])
    show(results)
    results["missed"] = missed(scene, results)
    for target in results["missed"]:
        print(f"missed: {target}")
    if args.write:
        path = RESULTS / f"{scene['name']}.json"
        write_results(path, results)
        plot(results, path.with_suffix(".png"))
    return 1 if results["missed"] else 0


if __name__ == "__main__":
    sys.exit(main())
