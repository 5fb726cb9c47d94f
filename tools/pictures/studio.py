"""A folder of runs and data sets, each made once by the command line, and what pictures need of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pictures import sheets

RADFIELD = Path(sys.executable).parent / "radfield"
IMAGES = Path(__file__).parents[2] / "docs" / "images"
SCENE = ("data.resolution=192", "data.n_test=6")
VIEW = 5  # the test view that every picture shows
PSNR_TOLERANCE = 0.05  # dB, between a picture and what `radfield eval` says of its view


class Studio:
    """A folder of runs and data sets, each made once, and the numbers of every picture made from them."""

    def __init__(self, work: Path):
        self.work = work
        self.environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "120"}
        self.made: dict[str, dict[str, Any]] = {}

    def radfield(self, *words: str | Path, code: int = 0, **environment: str) -> str:
        """Run a command and return its output. Raises RuntimeError unless it ends with the exit code expected."""
        done = subprocess.run(
            [str(RADFIELD), *map(str, words)], cwd=self.work, env=self.environment | environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        if done.returncode != code:
            raise RuntimeError(f"radfield {' '.join(map(str, words))}: exit code {done.returncode}\n{done.stdout}")
        return done.stdout

    def data(self, name: str = "truth", *options: str) -> Path:
        """A Blender folder of the synthetic scene: its images are the truth of every held-out view."""
        folder = self.work / name
        if not folder.exists():
            self.radfield("data", "make", folder, "--format", "blender", *SCENE, *options, "--quiet")
        return folder

    def run(self, name: str, method: str, *options: str, data: str | Path = "synthetic") -> Path:
        """A trained and evaluated run with pictures of one held-out view."""
        folder = self.work / "runs" / name
        if not (folder / "results.json").exists():
            scene = SCENE if data == "synthetic" else ()
            self.radfield("train", "--method", method, "--data", data, "--out", folder, "--quiet", *scene, *options)
            self.radfield("eval", folder, "--quiet")
        if not (folder / "images" / f"test-{VIEW:03d}_rgb.png").exists():
            self.radfield("render", folder, "--views", f"{VIEW},", "--video", "none", "--quiet")
        return folder

    def numbers(self, run: Path) -> dict[str, Any]:
        """Steps, CPU seconds of training and mean PSNR of a run's held-out views."""
        last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
        results = json.loads((run / "results.json").read_text())
        return {
            "steps": results["step"], "cpu_seconds": round(last["cpu_seconds"]),
            "psnr": round(results["metrics"]["psnr"], 2),
        }  # fmt: skip

    def view(self, run: Path, kind: str = "rgb") -> Image.Image:
        """The run's picture of the held-out view."""
        return sheets.open_rgb(run / "images" / f"test-{VIEW:03d}_{kind}.png")

    def truth(self, run: Path, background: str = "white") -> Image.Image:
        """The image of the held-out view. Raises ValueError if it is not the one that the run was compared with."""
        image = sheets.open_rgb(self.data() / "test" / f"r_{VIEW}.png", background)
        error = (np.asarray(image, np.float64) - np.asarray(self.view(run), np.float64)) / 255
        found = -10 * np.log10(np.mean(error**2))
        wanted = json.loads((run / "results.json").read_text())["per_image"][VIEW]["psnr"]
        if abs(found - wanted) > PSNR_TOLERANCE:
            raise ValueError(f"{run.name}: the view has {found:.2f} dB, results.json says {wanted:.2f}")
        return image

    def keep(self, name: str, image: Image.Image, **runs: Path) -> None:
        """Write a sheet and note the numbers of the runs in it."""
        self.note(sheets.save(image, IMAGES / f"{name}.webp"), **runs)

    def note(self, path: Path, **runs: Path) -> None:
        """Print a picture's file, size and runs, and remember them."""
        numbers = {label: self.numbers(run) for label, run in runs.items()}
        self.made[path.name] = numbers
        told = "; ".join(f"{label}: " + ", ".join(f"{k} {v}" for k, v in row.items()) for label, row in numbers.items())
        print(f"{path.relative_to(IMAGES.parents[1])}  {path.stat().st_size / 1024:.0f} KiB  {told}", flush=True)
