"""Error of meshes that are fused from the depths of splats, against the exact surface of the synthetic scene.

    python benchmarks/surfels.py [--steps 2000] [--size 128] [--views 40] [--cells 128] [--write]

`splat-2d` (disks) and `splat-small` (3-D Gaussians) are trained on one thread on the same images, exporter:tsdf fuses
their depths, and exact distances are measured between points on both surfaces. The bottom of the scene is seen, too.
`--write` saves the results as benchmarks/results/surfels.json.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "surfels.json"


def measure(preset: str, args: argparse.Namespace) -> dict[str, Any]:
    """Train a preset, fuse its depths, and return the distances over the scene's radius, and the CPU seconds."""
    import numpy as np
    from radfield_mesh import distance
    from radfield_mesh.config import TsdfConfig
    from radfield_mesh.metrics import ground_truth
    from radfield_mesh.tsdf import TsdfExporter

    from radfield_core import compose, get_registry, open_run, train_run

    data = [f"resolution={args.size}", f"n_train={args.views}", "n_val=4", "n_test=4", "min_elevation=-60"]
    options = ["data.type=synthetic", *(f"data.{option}" for option in data), f"trainer.max_steps={args.steps}"]
    run = compose(get_registry(), method=preset, overrides=[*options, "trainer.device=cpu"]).run
    with tempfile.TemporaryDirectory(prefix="radfield-surfels-") as folder:
        started = time.process_time()
        trained = open_run(train_run(run, out=Path(folder) / "run", quiet=True).folder)
        training = time.process_time() - started
        scene, exporter = trained.scenes.get("train"), TsdfExporter(TsdfConfig(resolution=args.cells))
        started = time.process_time()
        mesh = exporter.surface(exporter.depths(trained.model, scene), scene)
        fusing = time.process_time() - started
    truth = ground_truth(scene)
    faces, true_faces = np.asarray(mesh.faces), np.asarray(truth.faces)
    ours = distance.sample_surface(mesh.vertices, faces, 50_000, 0)
    theirs = distance.sample_surface(truth.vertices, true_faces, 50_000, 1)
    accuracy = distance.Triangles.of(truth.vertices, true_faces).distance(ours)
    completeness = distance.Triangles.of(np.asarray(mesh.vertices), faces).distance(theirs)
    radius = float(np.linalg.norm(theirs - theirs.mean(0), axis=1).max())
    return {
        "accuracy_over_radius": float(accuracy.mean() / radius),
        "completeness_over_radius": float(completeness.mean() / radius),
        "chamfer_over_radius": float((accuracy.mean() + completeness.mean()) / 2 / radius),
        "median_over_radius": float(np.median(accuracy) / radius),
        "training_cpu_seconds": round(training, 1),
        "fusion_cpu_seconds": round(fusing, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=2000, help="training steps (default: 2000)")
    parser.add_argument("--size", type=int, default=128, help="width and height of the images (default: 128)")
    parser.add_argument("--views", type=int, default=40, help="number of training views (default: 40)")
    parser.add_argument("--cells", type=int, default=128, help="resolution of exporter:tsdf (default: 128)")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}")
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    from radfield_core.bench.machine import machine
    from radfield_core.files.results import write_results

    torch.set_num_threads(1)
    results = {}
    for preset in ("splat-2d", "splat-small"):
        results[preset] = measure(preset, args)
        shown = ", ".join(f"{name} {value:.4g}" for name, value in results[preset].items())
        print(f"{preset:<12} {shown}", flush=True)
    if args.write:
        settings = {name: getattr(args, name) for name in ("steps", "size", "views", "cells")}
        write_results(RESULTS, {"machine": machine(), "scene": "synthetic", **settings, "meshes": results})


if __name__ == "__main__":
    main()
