"""CPU time of a view of 400 × 300 pixels on one thread, and how far the picture is from the exact one.

    python benchmarks/view.py RUN [--write]

RUN was trained on a synthetic scene of objects. The exact picture evaluates every sample; a rendering leaves out those
that less than `early_stop_eps` of the light reaches. `--write` saves the results as benchmarks/results/view.json.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import torch
from radfield_synthetic import orbit
from torch import Tensor

from radfield_core import Cameras, open_run
from radfield_core.bench.machine import machine
from radfield_core.files.results import write_results
from radfield_core.model import LevelLoop

WIDTH, HEIGHT, REPEATS = 400, 300, 3


def rendered(model: LevelLoop, cameras: Cameras, index: int) -> tuple[Tensor, float]:
    """Return the colors of a view on white, and the least CPU time of some renderings."""
    times = []
    for _ in range(REPEATS):
        started = time.process_time()
        rgb = model.render(cameras.view(index), torch.ones(3)).rgb
        times.append(time.process_time() - started)
    assert rgb is not None
    return rgb, min(times)


def measured(folder: Path) -> dict[str, Any]:
    """Return the results of a run."""
    torch.set_num_threads(1)
    trained = open_run(folder, "cpu")
    model = trained.model
    assert isinstance(model, LevelLoop)
    focal = 0.5 * HEIGHT / math.tan(0.5 * orbit.FIELD_OF_VIEW)
    cameras = Cameras.pinhole(orbit.round_trip(3), focal, WIDTH, HEIGHT)
    rendered(model, cameras, 0)  # kernels are compiled
    eps, views = model.sampler.early_stop_eps, []
    for index in range(len(cameras)):
        fast, seconds = rendered(model, cameras, index)
        model.sampler.early_stop_eps = 0.0
        exact, all_seconds = rendered(model, cameras, index)
        model.sampler.early_stop_eps = eps
        error = float((fast.double() - exact.double()).square().mean())
        views.append((seconds, all_seconds, -10 * math.log10(max(error, 1e-20))))
    return {
        "method": trained.run.method.name, "scene": getattr(trained.run.data.config, "scene", None),
        "steps": trained.step, "cpu_seconds_a_view": round(max(view[0] for view in views), 2),
        "cpu_seconds_without_early_stop": round(max(view[1] for view in views), 2),
        "least_psnr_to_exact_picture": round(min(view[2] for view in views), 1),
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", metavar="RUN", type=Path, help="folder of a trained run")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/view.json")
    options = parser.parse_args()
    results = measured(options.run)
    print(json.dumps(results, indent=2))
    if options.write:
        path = Path(__file__).parent / "results" / "view.json"
        kept = json.loads(path.read_text()) if path.is_file() else {}
        write_results(path, {**kept, results["method"]: {**results, "machine": machine()}})
    return 0


if __name__ == "__main__":
    sys.exit(main())
