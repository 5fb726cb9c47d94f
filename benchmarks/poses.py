"""Measure how well `rays=poses` corrects wrong camera poses of the synthetic scene, through the command line.

    python benchmarks/poses.py [--method NAME] [--steps N] [--write] [--keep DIR] [key=value ...]

The training poses are moved by up to 1.5° and 2 % of the camera's distance; the test poses stay true. The preset of
`--method` (ngp-small, with a coarse-to-fine hash grid) is trained for the same number of steps on true poses, on the
moved poses, and on these with `rays=poses` (`key=value` are options of this run). Printed are the test PSNR of whole
images, the PSNR of their right halves after the test cameras were fitted to the left halves, and the mean errors of the
training poses after the best similarity. `--write` saves the results as benchmarks/results/poses.json, or
poses_METHOD.json for another preset. Exits 1 if a figure is missed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from radfield_core.bench.machine import machine
from radfield_core.data import similarity_between, transform_cameras
from radfield_core.files.results import write_results

RADFIELD = Path(sys.executable).parent / "radfield"
DEGREES, SHARE = 1.5, 0.02
"""Largest rotation of a pose, and its largest shift relative to the camera's distance from the scene."""

OPTIONS = {"ngp-small": ("field.encoding.start_levels=3", "field.encoding.steps_per_level=150")}
"""Preset -> options for all of its runs."""

LARGEST_LOSS, LEAST_FACTOR = 0.7, 5.0
"""Required: largest loss of PSNR against true poses in dB, and least factor by which pose errors shrink."""


def radfield(*words: object) -> None:
    """Run a command and show nothing unless it fails."""
    subprocess.run([str(RADFIELD), *map(str, words)], check=True, stdout=subprocess.DEVNULL)


def poses(path: Path) -> np.ndarray:
    """Return the camera-to-world matrices [V, 3, 4] in a transforms file."""
    return np.array([frame["transform_matrix"] for frame in json.loads(path.read_text())["frames"]])[:, :3]


def moved(c2w: np.ndarray, seed: int) -> np.ndarray:
    """Return poses that are rotated about their centers and shifted by uniform random amounts in random directions."""
    draw, found = np.random.default_rng(seed), c2w.copy()
    for pose in found:
        axis, direction = (vector / np.linalg.norm(vector) for vector in draw.normal(size=(2, 3)))
        x, y, z = axis
        cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
        angle = np.radians(DEGREES * draw.uniform())
        shift = SHARE * draw.uniform() * np.linalg.norm(pose[:, 3])
        pose[:, :3] = (np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross) @ pose[:, :3]
        pose[:, 3] += shift * direction
    return found


def with_poses(data: Path, out: Path, c2w: np.ndarray) -> None:
    """Copy a data set in the Blender format, and replace its training poses."""
    shutil.copytree(data, out)
    path = out / "transforms_train.json"
    meta = json.loads(path.read_text())
    for frame, pose in zip(meta["frames"], c2w, strict=True):
        frame["transform_matrix"] = [*pose.tolist(), [0.0, 0.0, 0.0, 1.0]]
    path.write_text(json.dumps(meta))


def errors(c2w: np.ndarray, true: np.ndarray) -> dict[str, float]:
    """Return the mean rotation error in degrees and the mean shift in % of the distance, after the best similarity."""
    aligned = transform_cameras(similarity_between(c2w, true), c2w)
    cosines = (np.einsum("vij,vij->v", aligned[:, :, :3], true[:, :, :3]) - 1) / 2
    shifts = np.linalg.norm((aligned - true)[:, :, 3], axis=1) / np.linalg.norm(true[:, :, 3], axis=1)
    degrees = np.degrees(np.arccos(np.clip(cosines, -1, 1)))
    return {"degrees": round(float(degrees.mean()), 4), "percent": round(100 * float(shifts.mean()), 4)}


def trained(data: Path, out: Path, method: str, steps: int, words: list[str]) -> dict[str, Any]:
    """Train, evaluate and export the cameras. Return the metrics, the seconds of training, and the pose errors."""
    radfield("train", "--method", method, "--data", data, "--out", out, "-q", f"trainer.max_steps={steps}",
             "trainer.eval_views=0", *OPTIONS.get(method, ()), *words)  # fmt: skip
    radfield("eval", out, "-q")
    whole = json.loads((out / "results.json").read_text())["metrics"]
    radfield("eval", out, "-q", "--fit-cameras", "half")
    fitted = json.loads((out / "results.json").read_text())["metrics"]
    radfield("export", out, "--exporter", "cameras", "--out", out / "cameras")
    last = json.loads((out / "metrics.jsonl").read_text().splitlines()[-1])
    metrics = {
        **whole,
        "psnr_fitted": fitted["psnr"],
        "ssim_fitted": fitted["ssim"],
        "cpu_seconds": last["cpu_seconds"],
    }
    return {name: round(value, 4) for name, value in metrics.items()}


def measured(folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Make the data, train three times, and return all results."""
    data, noisy = folder / "true_poses", folder / "moved_poses"
    options = (f"data.resolution={args.resolution}", f"data.n_train={args.views}", "data.n_val=2", "data.n_test=10")
    radfield("data", "make", data, "--format", "blender", "-q", *options)
    true = poses(data / "transforms_train.json")
    with_poses(data, noisy, moved(true, args.seed))
    found = {}
    cases = {"true": (data, []), "moved": (noisy, []), "rays=poses": (noisy, ["rays=poses", *args.overrides])}
    for name, (source, words) in cases.items():
        out = folder / f"run_{name.replace('=', '_')}"
        found[name] = trained(source, out, args.method, args.steps, words)
        found[name] |= errors(poses(out / "cameras" / "transforms.json"), true)
        print(f"{name:12} {json.dumps(found[name])}", flush=True)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", default="ngp-small", help="preset to train (default: ngp-small)")
    parser.add_argument("--steps", type=int, default=5000, help="training steps of each run (default: 5000)")
    parser.add_argument("--views", type=int, default=100, help="training views (default: 100)")
    parser.add_argument("--resolution", type=int, default=128, help="width of the images in pixels (default: 128)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the pose errors (default: 0)")
    parser.add_argument("--write", action="store_true", help="write the results as JSON")
    parser.add_argument("--keep", type=Path, help="folder to keep the data and the runs in")
    parser.add_argument("overrides", nargs="*", help="options of the run with rays=poses")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measured(args.keep or Path(folder), args)
    refined, wrong = found["rays=poses"], found["moved"]
    lost, without = (found["true"]["psnr_fitted"] - found[name]["psnr_fitted"] for name in ("rays=poses", "moved"))
    factors = [wrong[name] / max(refined[name], 1e-9) for name in ("degrees", "percent")]
    print("PSNR lost, with fitted test cameras:", end=" ")
    print(f"{lost:.2f} dB with rays=poses, {without:.2f} dB without (at most {LARGEST_LOSS} wanted)")
    print(f"pose errors: rotations ÷ {factors[0]:.1f}, shifts ÷ {factors[1]:.1f} (at least {LEAST_FACTOR} wanted)")
    if args.write:
        settings = {
            name: getattr(args, name) for name in ("method", "steps", "views", "resolution", "seed", "overrides")
        }
        results = {"settings": settings, "machine": machine(), "runs": found}
        name = "poses" if args.method == "ngp-small" else f"poses_{args.method}"
        write_results(Path(__file__).parent / "results" / f"{name}.json", results)
    return int(lost > LARGEST_LOSS or min(factors) < LEAST_FACTOR)


if __name__ == "__main__":
    sys.exit(main())
