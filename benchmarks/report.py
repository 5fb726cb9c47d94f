"""Time and size of a report on many views, beside rendering them.

    python benchmarks/report.py [--views 100] [--side 400] [--work DIR] [--write]

Trains tiny-nerf for a few steps on 100 training images of smooth noise, and writes its report with 100 test views.
Rendering is what the report itself renders; all else is opening the run, thumbnails of the cameras, maps of error and
SSIM, and encoding. Times are CPU time of one thread, which other load on the machine raises least.
`--write` saves the results as benchmarks/results/report.json. Exits 1 if a limit is exceeded.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from PIL import Image

LIMITS = {"beside rendering, s": 10.0, "size, MB": 10.0}


def write_data(folder: Path, views: int, side: int) -> None:
    """Write a data set of smooth noise in Blender's format: 100 training views, one for validation, and test views."""
    generator = np.random.default_rng(0)
    for split, n in (("train", 100), ("val", 1), ("test", views)):
        frames = []
        for i in range(n):
            coarse = Image.fromarray(generator.integers(0, 256, (16, 16, 3), dtype=np.uint8))
            (folder / split).mkdir(parents=True, exist_ok=True)
            coarse.resize((side, side), Image.Resampling.BICUBIC).save(folder / split / f"r_{i}.png")
            angle = 2.0 * math.pi * i / n
            c, s = math.cos(angle), math.sin(angle)
            pose = [[-s, 0.0, c, 4.0 * c], [c, 0.0, s, 4.0 * s], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
            frames.append({"file_path": f"./{split}/r_{i}", "transform_matrix": pose})
        table = {"camera_angle_x": 0.7, "frames": frames}
        (folder / f"transforms_{split}.json").write_text(json.dumps(table))


def trained(folder: Path, views: int, side: int) -> Path:
    """Return the folder of a run whose data have as many test views."""
    from radfield_core import compose, get_registry, train_run

    if (folder / "run" / "training.json").exists():
        return folder / "run"
    write_data(folder / "data", views, side)
    words = [
        "trainer.max_steps=20", "trainer.n_rays=64", "field.width=8", "sampler.n_samples=8", "trainer.eval_views=0",
        "trainer.device=cpu",
    ]  # fmt: skip
    run = compose(get_registry(), method="tiny-nerf", data=folder / "data", overrides=words).run
    return train_run(run, out=folder / "run", quiet=True).folder


def measure(folder: Path, views: int, side: int) -> dict[str, float]:
    """Return the CPU times of a report and its size."""
    from radfield_report.config import ReportConfig
    from radfield_report.observer import Report

    from radfield_core.runs import compared

    rendering, render = 0.0, getattr(compared, "render_view")  # noqa: B009 (the module does not export it)

    def measured(*arguments: Any, **options: Any) -> Any:
        nonlocal rendering
        started = time.process_time()
        found = render(*arguments, **options)
        rendering += time.process_time() - started
        return found

    started = time.process_time()
    with patch.object(compared, "render_view", measured):
        path = Report(ReportConfig(views=views, size=side, seconds=1e6)).write([folder])
    total = time.process_time() - started
    return {
        "rendering, s": round(rendering, 2),
        "beside rendering, s": round(total - rendering, 2),
        "size, MB": round(path.stat().st_size / 1e6, 2),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--views", type=int, default=100, help="number of views in the report (default: 100)")
    parser.add_argument("--side", type=int, default=400, help="width and height of a view, pixels (default: 400)")
    parser.add_argument("--work", metavar="DIR", type=Path, help="folder in which the run is kept")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/report.json")
    args = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = trained(args.work or Path(temporary), args.views, args.side)
        found = measure(folder, args.views, args.side)
    print(f"report on {args.views} views of {args.side}×{args.side}")
    for name, value in found.items():
        print(f"{name:<22} {value:>8.2f}  {f'limit {LIMITS[name]:g}' if name in LIMITS else ''}")
    if args.write:
        from radfield_core.bench.machine import machine
        from radfield_core.files.results import write_results

        content = {"machine": machine(1), "views": args.views, "side": args.side, "limits": LIMITS, "results": found}
        write_results(Path(__file__).parent / "results" / "report.json", content)
    return 0 if all(found[name] <= limit for name, limit in LIMITS.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
