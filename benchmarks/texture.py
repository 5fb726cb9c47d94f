"""PSNR of held-out photographs against the mesh of a DTU scan: with a texture, with colors of vertices, and rendered.

    python benchmarks/texture.py DATA [--scans 37 65] [--runs DIR] [--write] [key=value ...]

DATA holds dtu/scan37 and dtu/scan65. Each is trained with `neus-fast` and masks on seven of eight views, then exported
with a texture from the photographs and without one, and every eighth view is compared (`metric:texture`). Processor
time of an export is that of the whole command. `--runs` keeps the runs, and takes a run that is there already.
`--write` adds the results to benchmarks/results/texture.json. Exits 1 if a texture is not good enough.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from neus import measure, radfield, train

from radfield_core.bench.machine import machine
from radfield_core.files.results import write_results

RESULTS = Path(__file__).parent / "results" / "texture.json"
WANTED = {"psnr_with_gain": 20.5, "gain_over_vertices": 3.0}
RESOLUTION = "resolution=384"


def timed_export(run: Path, out: Path, *words: str) -> float:
    """Export the run, and return the processor time in seconds."""
    before = os.times()
    radfield("export", str(run), "--out", str(out), RESOLUTION, *words)
    after = os.times()
    return round(after.children_user + after.children_system - before.children_user - before.children_system, 1)


def scan(folder: Path, run: Path, words: list[str]) -> dict[str, Any]:
    """Train on a scan unless the run is there, export its mesh in both ways, and compare the held-out views."""
    found: dict[str, Any] = {}
    if not (run / "checkpoints").is_dir():
        options = ["data.apply_mask=true", "data.hold_every=8", "trainer.eval_views=1", *words]
        found["training"] = train(run, 600.0, "--data", str(folder), *options)
    radfield("eval", str(run), "--quiet")
    rendered = json.loads((run / "results.json").read_text())["metrics"]
    found["rendered"] = {name: round(value, 3) for name, value in rendered.items()}
    for name, file, options in (
        ("photos", "photos.glb", ["texture=photos", "cull_unseen=true"]), ("vertices", "vertices.ply", []),
    ):  # fmt: skip
        seconds = timed_export(run, run / file, *options)
        result = measure(run, "texture", "--reference", str(run / file))
        kept = {key: round(result[key], 3) for key in ("psnr", "psnr_with_gain", "share_of_pixels", "pixel_size")}
        found[name] = {**kept, "cpu_seconds": seconds, "megabytes": round((run / file).stat().st_size / 1e6, 1)}
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder that holds dtu/scan37 and dtu/scan65")
    parser.add_argument("--scans", nargs="+", default=["37", "65"], help="numbers of the scans (default: 37 65)")
    parser.add_argument("--runs", type=Path, help="folder of the runs: scan37 and scan65")
    parser.add_argument("--write", action="store_true", help="add the results to benchmarks/results/texture.json")
    parser.add_argument("overrides", nargs="*", help="options over those of the preset")
    args = parser.parse_intermixed_args()
    failed, results = False, {}
    for number in args.scans:
        with tempfile.TemporaryDirectory() as temporary:
            run = (args.runs or Path(temporary)) / f"scan{number}"
            results[f"scan{number}"] = found = scan(args.data / "dtu" / f"scan{number}", run, args.overrides)
        gained = found["photos"]["psnr_with_gain"] - found["vertices"]["psnr_with_gain"]
        for name in ("photos", "vertices", "rendered"):
            print(f"scan{number} {name:9}", json.dumps(found[name]), flush=True)
        missed = found["photos"]["psnr_with_gain"] < WANTED["psnr_with_gain"] or gained < WANTED["gain_over_vertices"]
        print(f"scan{number}: {gained:+.2f} dB over colors of vertices{', less than wanted' if missed else ''}")
        failed |= missed
    if args.write:
        kept = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
        write_results(RESULTS, {**kept, **results, "machine": machine()})
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
