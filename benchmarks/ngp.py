"""`ngp-small` against the clock: PSNR over seconds of training, on one thread, as `radfield train` trains it.

    python benchmarks/ngp.py tiny DATA [--seconds 60] [--every 25] [--write] [key=value ...]
    python benchmarks/ngp.py lego DATA [--seconds 300] [--every 250] [--write] [key=value ...]

`tiny` takes tiny_nerf_lego.npz with views 100 to 105 held out, which are also the points of the curve; `lego` takes the
Blender lego at 400 × 400, whose curve is of a few validation views and whose result is of all test views. Beside our
figures stand those of others, as measured on one thread of a comparable processor with the settings quoted. Seconds are
of training alone; CPU seconds stand beside them because others may use the machine. `--write` puts the figures into
benchmarks/results/ngp_tiny_lego.json or ngp_lego.json, and the curve beside it. Exits 1 if a figure is missed.
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
}  # fmt: skip
"""Seconds of training to so many dB on one thread, of what can be picked on a CPU otherwise."""
FASTER = 15.0  # times sooner to 25 dB than the best of the peers


def compare(reached: dict[str, dict[str, float] | None]) -> list[dict[str, Any]]:
    """Our seconds beside each of the peers', and their ratio."""
    rows = []
    for peer, times in PEERS.items():
        for threshold, theirs in times.items():
            ours = reached[f"{threshold}"]
            rows.append({
                "peer": peer, "psnr": threshold, "peer_seconds": theirs, "seconds": ours and ours["seconds"],
                "cpu_seconds": ours and ours["cpu_seconds"], "ratio": ours and round(theirs / ours["seconds"], 1),
            })  # fmt: skip
    return rows


def missed(scene: dict[str, Any], figures: dict[str, Any]) -> list[str]:
    """The figures that a run was to reach and did not, by the wall's clock."""
    found = []
    for threshold, limit in scene.get("limits", {}).items():
        when = figures["reached"][f"{threshold}"]
        if when is None or when["seconds"] > limit:
            found.append(f"{threshold} dB within {limit:g} s")
    if figures["final"]["psnr"] < scene.get("final", 0.0):
        found.append(f"{scene['final']:g} dB on all test views")
    if "limits" in scene:
        found += [
            f"{row['psnr']} dB {FASTER:g} times as soon as {row['peer']}"
            for row in figures["peers"] if row["psnr"] == 25 and (row["ratio"] or 0.0) < FASTER
        ]  # fmt: skip
    return found


def show(figures: dict[str, Any]) -> None:
    """Print the curve, the thresholds and the peers."""
    print(f"{'step':>8} {'seconds':>8} {'CPU s':>8} {'PSNR':>7}")
    for point in figures["curve"]:
        print(f"{point['step']:>8} {point['seconds']:>8.1f} {point['cpu_seconds']:>8.1f} {point['psnr']:>7.2f}")
    for threshold, when in figures["reached"].items():
        said = f"{when['seconds']:.1f} s, {when['cpu_seconds']:.1f} s of the processor" if when else "not reached"
        print(f"{threshold} dB: {said}")
    final = figures["final"]
    print(
        f"{final['views']} test views after {final['seconds']:.1f} s: {final['psnr']:.2f} dB, SSIM {final['ssim']:.4f}"
    )
    for row in figures.get("peers", []):
        ours = "not reached" if row["seconds"] is None else f"{row['seconds']:.1f} s, {row['ratio']:g} times as soon"
        print(f"{row['psnr']} dB: {row['peer']} {row['peer_seconds']:g} s; here {ours}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scene", choices=SCENES)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seconds", type=float, help="of training")
    parser.add_argument("--every", type=int, help="steps between points of the curve")
    parser.add_argument("--write", action="store_true", help="write the figures and the curve into benchmarks/results")
    parser.add_argument("overrides", nargs="*", help="options laid over the preset")
    args = parser.parse_args()
    set_threads(1)
    from radfield_core.bench.learning_curve import plot, whole_run
    from radfield_core.bench.micro import write

    scene = SCENES[args.scene]
    figures = whole_run(
        "ngp-small", str(args.data), seconds=args.seconds or scene["seconds"], every=args.every or scene["every"],
        overrides=args.overrides, thresholds=(20, 21, 22, 25, 28, 30),
    )  # fmt: skip
    if args.scene == "tiny":
        figures["peers"] = compare(figures["reached"])
    show(figures)
    figures["missed"] = missed(scene, figures)
    for figure in figures["missed"]:
        print(f"missed: {figure}")
    if args.write:
        path = RESULTS / f"{scene['name']}.json"
        write(figures, path)
        plot(figures, path.with_suffix(".png"))
    return 1 if figures["missed"] else 0


if __name__ == "__main__":
    sys.exit(main())
