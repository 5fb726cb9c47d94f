"""Effect of `color=exposure` on images whose exposure changes, through the command line.

    python benchmarks/exposure.py [--steps N] [--write] [--also key=value ...] [key=value ...]

Writes the synthetic scene, and a copy in which each image, also each test image, has its own gain between 0.6 and 1.6.
A gain acts as an exposure does: the linear light of the image is multiplied by it, and values above white are clipped.
Alpha stays as it is. `method:ngp-small` is trained on the scene as it is, and on the copy without and with
`color=exposure`. With the part, colors are fitted on the left half of each test image, and the right half is measured;
the other runs measure whole images. `--write` saves the results as benchmarks/results/exposure.json. Exits 1 if the
part, with its default options, loses more than 0.5 dB.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from radfield_core.bench.machine import machine
from radfield_core.files.results import write_results

RADFIELD = Path(sys.executable).parent / "radfield"
LARGEST_LOSS_DB = 0.5
GAINS = (0.6, 1.6)
SCENE = ["data.resolution=100", "data.n_train=60", "data.n_val=4", "data.n_test=10"]


def with_gain(pixels: np.ndarray, gain: float) -> np.ndarray:
    """Return RGBA pixels uint8 after a gain of their linear light, clipped at white."""
    rgb = pixels[..., :3] / 255.0
    light = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    light = np.minimum(gain * light, 1.0)
    shown = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.concatenate([(255.0 * shown).round().astype(np.uint8), pixels[..., 3:]], -1)


def change_exposure(folder: Path, seed: int = 0) -> None:
    """Give each image below a folder its own gain. The gains are spread evenly on a logarithmic scale."""
    files = sorted(folder.rglob("*.png"))
    gains = np.geomspace(*GAINS, len(files))
    for file, gain in zip(files, np.random.default_rng(seed).permutation(gains), strict=True):
        pixels = np.asarray(Image.open(file).convert("RGBA"))
        Image.fromarray(with_gain(pixels, float(gain))).save(file)


def radfield(*words: str) -> None:
    subprocess.run([str(RADFIELD), *words, "--quiet"], check=True)


def measure(data: Path, out: Path, words: list[str]) -> dict[str, Any]:
    """Train on a data set and evaluate its test split. Return the metrics and what they are of."""
    radfield("train", "--method", "ngp-small", "--data", str(data), "--out", str(out), *words)
    radfield("eval", str(out))
    results = json.loads((out / "results.json").read_text())
    metrics = {name: round(value, 4) for name, value in results["metrics"].items()}
    return {"options": words, **metrics, "protocol": results["protocol"]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=2500, help="training steps (default: 2500)")
    parser.add_argument(
        "--also", nargs="*", default=[], help="options of the part, each to measure in a run of its own"
    )
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/exposure.json")
    parser.add_argument("overrides", nargs="*", help="options over those of the preset")
    args = parser.parse_args()
    common = [f"trainer.max_steps={args.steps}", "trainer.eval_views=0", *args.overrides]
    exposure = ["color=exposure", "eval.fit_color=half"]
    with tempfile.TemporaryDirectory() as folder:
        plain, changed = Path(folder, "plain"), Path(folder, "changed")
        for data in (plain, changed):
            radfield("data", "make", str(data), "--format", "blender", *SCENE)
        change_exposure(changed)
        cases = {
            "equal exposure": (plain, []),
            "changing exposure": (changed, []),
            "changing exposure, color=exposure": (changed, exposure),
            **{f"changing exposure, {word}": (changed, [*exposure, word]) for word in args.also},
            "equal exposure, color=exposure": (plain, exposure),
        }
        found = {}
        for index, (name, (data, words)) in enumerate(cases.items()):
            found[name] = measure(data, Path(folder, str(index)), [*common, *words])
            psnr, loss = found[name]["psnr"], found["equal exposure"]["psnr"] - found[name]["psnr"]
            print(
                f"{name:45} {psnr:6.2f} dB  {loss:+6.2f} dB lost  SSIM {found[name].get('ssim', float('nan')):.4f}",
                flush=True,
            )
    lost = round(found["equal exposure"]["psnr"] - found["changing exposure, color=exposure"]["psnr"], 3)
    print(f"with color=exposure, {lost:.2f} dB are lost; at most {LARGEST_LOSS_DB:g} dB are allowed")
    if args.write:
        path = Path(__file__).parent / "results" / "exposure.json"
        content = {"gains": list(GAINS), "scene": SCENE, "lost_db": lost, "runs": found, "machine": machine()}
        write_results(path, content)
        print(path)
    return int(lost > LARGEST_LOSS_DB)


if __name__ == "__main__":
    sys.exit(main())
