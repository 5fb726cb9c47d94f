"""Solve the cameras of photographs, and compare them with given cameras after a similarity.

    python benchmarks/process.py DATA            # the shared data sets in the folder DATA
    python benchmarks/process.py --write DATA    # and write results/process.json

Printed for each set: registered photographs, mean reprojection error in pixels, CPU seconds, and the differences to the
given cameras: the median and the largest angle in degrees, and the median and largest distance between the centers, as
a share of the median distance of the centers from their mean.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from radfield_colmap.config import PhotographsConfig
from radfield_colmap.model import camera_to_world
from radfield_colmap.process import process
from radfield_colmap.reading import read_model

from radfield_core import DatasetError
from radfield_core.config.layers import compose_data
from radfield_core.data import transform_cameras
from radfield_core.interfaces.dataparser import open_data_set
from radfield_core.plugins.registry import get_registry

SETS = {
    "dtu/scan65": "image", "dtu/scan37": "image", "photos/monstree": ".", "instant_ngp/fox": "images",
    "llff/fern": "images_8", "llff/horns": "images_8", "colmap/toy": "images", "colmap/south_building": "images",
}  # fmt: skip
RESULTS = Path(__file__).parent / "results" / "process.json"


def given_cameras(folder: Path) -> dict[str, np.ndarray]:
    """Return the given pose of each photograph by the stem of its name: c2w [3, 4] in the data's own coordinates."""
    choice, _ = compose_data(get_registry(), str(folder), [])
    parser = open_data_set(choice)
    poses: dict[str, np.ndarray] = {}
    for split in parser.splits:
        try:
            scene = parser.parse(split)
        except DatasetError:  # the data has no such split
            continue
        c2w = transform_cameras(scene.to_data.numpy(), scene.cameras.c2w.double().numpy())
        poses |= {Path(name).stem: pose for name, pose in zip(scene.names, c2w, strict=True)}
    return poses


def differences(solved: np.ndarray, given: np.ndarray) -> dict[str, float]:
    """Compare poses [V, 3, 4] after the best similarity (Umeyama 1991)."""
    a, b = solved[:, :, 3], given[:, :, 3]
    x, y = a - a.mean(0), b - b.mean(0)
    u, s, vt = np.linalg.svd(y.T @ x)
    sign = np.diag([1, 1, np.sign(np.linalg.det(u @ vt))])
    turn = u @ sign @ vt
    scale = (s * np.diag(sign)).sum() / (x**2).sum()
    apart = np.linalg.norm(scale * x @ turn.T - y, axis=-1) / np.median(np.linalg.norm(y, axis=-1))
    traces = np.einsum("vij,vij->v", turn @ solved[:, :, :3], given[:, :, :3])
    angles = np.degrees(np.arccos(np.clip((traces - 1) / 2, -1, 1)))
    return {
        "angle_median": float(np.median(angles)), "angle_largest": float(angles.max()),
        "center_median": float(np.median(apart)), "center_largest": float(apart.max()),
    }  # fmt: skip


def measure(data: Path, name: str, inside: str) -> dict[str, object]:
    """Solve one set, and return what is printed."""
    with tempfile.TemporaryDirectory() as scratch:
        source, target = Path(scratch) / "photographs", Path(scratch) / "solved"
        shutil.copytree(data / name / inside, source)
        started = time.process_time()
        report = process(source, target, PhotographsConfig(), lambda *_: None)
        seconds = time.process_time() - started
        model = read_model(target / "sparse" / "0")
    cameras = [{"lens": each.lens, "intrinsics": each.intrinsics, "distortion": each.distortion}
               for each in model.cameras.values()]  # fmt: skip
    row: dict[str, object] = {
        "set": name, "registered": len(report.names), "of": report.total, "error_px": report.reprojection_error,
        "points": report.n_points, "cpu_seconds": seconds, "remarks": report.remarks, "first_camera": cameras[0],
    }  # fmt: skip
    known = given_cameras(data / name) if not name.startswith("photos/") else {}
    solved = {Path(image.name).stem: camera_to_world(image) for image in model.images}
    both = [stem for stem in solved if stem in known]
    if len(both) >= 3:
        row |= differences(np.stack([solved[stem] for stem in both]), np.stack([known[stem] for stem in both]))
    return row


def main() -> None:
    """Print a line of JSON for each set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="*", default=list(SETS))
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    rows = {row["set"]: row for row in json.loads(RESULTS.read_text())} if RESULTS.is_file() else {}
    for name in args.sets:
        rows[name] = measure(args.data, name, SETS[name])
        print(json.dumps(rows[name]), flush=True)
        if args.write:
            RESULTS.write_text(json.dumps(list(rows.values()), indent=1) + "\n")


if __name__ == "__main__":
    main()
