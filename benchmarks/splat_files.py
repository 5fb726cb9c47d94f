"""Measures the error of pictures from .ply, .spz and .splat files against the model, also with other programs' readers.

    python benchmarks/splat_files.py DATA [--steps 1200] [--write]

Trains `splat-small` on a data set, exports the Gaussians in each format through the command line, reads the files
again, and compares pictures of the held-out views with those of the model. A picture of a file is drawn by cameras in
data coordinates. The second comparison uses another reader: GaussForge, which contains Niantic's own reader, converts
the file to PLY, and plyfile reads that. `--write` saves the results as benchmarks/results/splat_files.json. Exits 1 if
the pictures of a .ply file are below 45 dB.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gaussforge
import numpy as np
import plyfile
import torch
from radfield_splat import Gaussians, rasterize, read_splats

from radfield_core import View, open_run
from radfield_core.bench.machine import machine
from radfield_core.files.results import write_results

RADFIELD = Path(sys.executable).parent / "radfield"
RESULTS = Path(__file__).parent / "results" / "splat_files.json"
ENDINGS, N_VIEWS, REQUIRED = ("ply", "spz", "splat"), 8, 45.0


def read_elsewhere(path: Path) -> Gaussians:
    """Read the Gaussians of a file with GaussForge and plyfile."""
    converted = gaussforge.GaussForge().convert(path.read_bytes(), path.suffix[1:], "ply")
    other = path.with_suffix(".converted.ply")
    other.write_bytes(converted["data"])
    table = plyfile.PlyData.read(other)["vertex"]
    rest = sum(prop.name.startswith("f_rest_") for prop in table.properties) // 3

    def column(*names: str) -> torch.Tensor:
        return torch.from_numpy(np.stack([table[name] for name in names], -1))

    colors = [[f"f_dc_{c}", *(f"f_rest_{c * rest + k}" for k in range(rest))] for c in range(3)]
    return Gaussians(
        column("x", "y", "z"),
        column("scale_0", "scale_1", "scale_2"),
        column("rot_0", "rot_1", "rot_2", "rot_3"),
        column("opacity")[:, 0].clamp(-20, 20),  # GaussForge writes infinite ones for the bytes 0 and 255
        torch.stack([column(*names) for names in colors], -1),
    )


def in_data(view: View, to_data: torch.Tensor) -> View:
    """The same camera in data coordinates."""
    scale = float(torch.linalg.det(to_data[:3, :3].double())) ** (1 / 3)
    c2w = to_data[:3, :3].double() @ view.c2w.double()
    return View(torch.cat([c2w[:, :3] / scale, c2w[:, 3:] + to_data[:3, 3:].double()], 1), view.camera)


def decibels(gaussians: Gaussians, pictures: list[tuple[View, torch.Tensor]], low_pass: float) -> float:
    """PSNR of pictures of Gaussians against given ones, over white; at most 120."""
    errors = [
        (rasterize(gaussians, view, torch.ones(3), low_pass=low_pass).rgb - picture).square().mean()
        for view, picture in pictures
    ]
    return round(-10 * float(torch.stack(errors).mean().clamp_min(1e-12).log10()), 2)


def measure(data: Path, steps: int, folder: Path) -> dict[str, Any]:
    """Train and export. Return the results of each format."""
    run = folder / "run"
    words = ["train", "--method", "splat-small", "--data", data, "--out", run, "-q", f"trainer.max_steps={steps}"]
    subprocess.run([RADFIELD, *map(str, words)], check=True)
    trained = open_run(run)
    scene: Any = trained.scenes.get("test")
    model: Any = trained.model
    numbers = np.linspace(0, len(scene.cameras) - 1, min(N_VIEWS, len(scene.cameras))).round().astype(int).tolist()
    pictures = []
    for number in dict.fromkeys(numbers):
        view = scene.cameras.view(number)
        shape = view.camera.height, view.camera.width, 3
        pictures.append((in_data(view, scene.to_data), model.render(view, torch.ones(3)).rgb.reshape(shape)))
    results, n = {}, len(model.means)
    for ending in ENDINGS:
        path = folder / f"splats.{ending}"
        export = ["export", str(run), "--exporter", "splats", "--out", str(path)]
        subprocess.run([RADFIELD, *export], check=True, stdout=subprocess.DEVNULL)
        results[ending] = {
            "bytes_per_gaussian": round(path.stat().st_size / n, 1),
            "psnr": decibels(read_splats(path), pictures, model.config.low_pass),
            "psnr_read_elsewhere": decibels(read_elsewhere(path), pictures, model.config.low_pass),
        }
    return {"gaussians": n, "degree": model.config.degree, "views": len(pictures), "formats": results}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="data set to train on")
    parser.add_argument("--steps", type=int, default=1200, help="training steps (default: 1200)")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        found = measure(args.data, args.steps, Path(folder))
    print(f"{found['gaussians']:,} Gaussians of degree {found['degree']}, {found['views']} held-out views")
    for ending, row in found["formats"].items():
        print(
            f".{ending:6} {row['bytes_per_gaussian']:6} bytes per Gaussian, {row['psnr']} dB, "
            f"read elsewhere {row['psnr_read_elsewhere']} dB"
        )
    if args.write:
        versions = {name: version(name) for name in ("gaussforge", "plyfile")}
        content = {"machine": machine(), "readers": versions, "data": args.data.name, "steps": args.steps, **found}
        write_results(RESULTS, content)
    return int(found["formats"]["ply"]["psnr"] < REQUIRED)


if __name__ == "__main__":
    sys.exit(main())
