"""Milliseconds of frames and training steps of the splat rasterizer.

    python benchmarks/splat_step.py [--data DIR [--size N] | --run RUN] [--repeats 30] [--write]

The Gaussians of three cases are random and lie in a ball that fills the image, with about as many pairs of Gaussians
and tiles as a trained model of the scene has. `--data` adds the Gaussians that a training makes: the preset splat-small
is trained on the data for 1,500 steps, about a minute, until it has 40,000 Gaussians. `--run` takes those of a run.
Frames and steps of trained Gaussians are means over five training views.

Times are processor seconds of one thread, the least of all repetitions, because other jobs may use the machine. A step
is a frame, the L1 loss, the gradients and Adam. For two threads, the time of each part of the work is measured alone,
and the parts are dealt out as the threads would take them: the result is the gain that the division of the work allows.
What torch does by itself counts as one thread's work. `--write` saves the results as
benchmarks/results/splat_step.json.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from radfield_splat import Gaussians, cpu, rasterize
from torch import Tensor

from radfield_core import compose, get_registry, open_run, train_run
from radfield_core.bench.machine import machine
from radfield_core.cameras import Camera, View
from radfield_core.files.results import write_results

RESULTS = Path(__file__).parent / "results" / "splat_step.json"
CASES = {
    "tiny lego, 100 × 100, 20,000 Gaussians": (100, 100, 20_000, 0.008),
    "lego, 400 × 400, 40,000 Gaussians": (400, 400, 40_000, 0.009),
    "fox, 540 × 960, 40,000 Gaussians": (540, 960, 40_000, 0.012),
}
"""Name -> width, height, number of Gaussians, and median standard deviation. The ball has the radius 1.2."""

STEPS, N_VIEWS = 1500, 5


def random_gaussians(n: int, scale: float, degree: int = 3) -> Gaussians:
    """Gaussians in a ball around the origin."""
    g = torch.Generator().manual_seed(0)
    directions = torch.nn.functional.normalize(torch.randn(n, 3, generator=g), dim=-1)
    means = 1.2 * directions * torch.rand(n, 1, generator=g) ** (1 / 3)
    log_scales = math.log(scale) + 0.6 * torch.randn(n, 3, generator=g)
    logits, harmonics = 1.5 * torch.randn(n, generator=g), 0.2 * torch.randn(n, (degree + 1) ** 2, 3, generator=g)
    return Gaussians(means, log_scales, torch.randn(n, 4, generator=g), logits, harmonics)


def least(run: Callable[[], object], repeats: int) -> float:
    """The least processor time of several calls, in milliseconds."""
    seconds = []
    for _ in range(repeats + 1):  # the first call compiles
        start = time.process_time()
        run()
        seconds.append(time.process_time() - start)
    return 1e3 * min(seconds[1:])


def shared(times: list[float], threads: int) -> float:
    """The time in which threads finish parts of the given times, if each takes the next part when it is free."""
    busy = [0.0] * threads
    for part in times:
        busy[busy.index(min(busy))] += part
    return max(busy)


def gain_of_two_threads(run: Callable[[], object], repeats: int) -> float:
    """The factor by which two threads make a call faster, by the times of its parts."""
    saved: list[float] = []

    def alone(work: Callable[[int, int], object], parts: list[tuple[int, int]]) -> None:
        times = []
        for part in parts:
            start = time.process_time()
            work(*part)
            times.append(time.process_time() - start)
        saved.append(sum(times) - shared(times, 2))

    factors = []
    with patch.object(cpu, "_parallel", alone), patch.object(torch, "get_num_threads", lambda: 2):
        for _ in range(repeats):
            saved.clear()
            start = time.process_time()
            run()
            total = time.process_time() - start
            factors.append((total, total / (total - sum(saved))))
    return min(factors)[1]


def measure(given: Gaussians, views: list[View], repeats: int) -> dict[str, float]:
    """Mean milliseconds of a frame and of a training step over views, and the gains of two threads."""
    leaves = [x.detach().clone().requires_grad_() for x in given.tensors()]
    gaussians, white = Gaussians(*leaves), torch.ones(3)
    optimizer = torch.optim.Adam(leaves, lr=1e-12, fused=True)  # the Gaussians stay where they are
    found: list[tuple[float, ...]] = []
    for view in views:
        size = view.camera.height, view.camera.width, 3
        truth = torch.rand(*size, generator=torch.Generator().manual_seed(1))

        def frame(view: View = view) -> Tensor:
            with torch.no_grad():
                return rasterize(gaussians, view, white).rgb

        def step(view: View = view, truth: Tensor = truth) -> Tensor:
            loss = (rasterize(gaussians, view, white).rgb - truth).abs().mean()
            torch.autograd.backward(loss)
            optimizer.step()
            optimizer.zero_grad()
            return loss

        times = [least(frame, repeats), least(step, repeats)]
        found.append((*times, *(gain_of_two_threads(run, repeats) for run in (frame, step))))
    names = ("frame_ms", "step_ms", "frame_two_threads", "step_two_threads")
    return {name: round(sum(row[k] for row in found) / len(found), 2) for k, name in enumerate(names)}


def random_case(width: int, height: int, n: int, scale: float) -> tuple[Gaussians, list[View]]:
    """Random Gaussians and one view of them."""
    focal = 1.39 * min(width, height)
    c2w = torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 4]])
    return random_gaussians(n, scale), [View(c2w, Camera(width, height, focal, focal, width / 2, height / 2))]


def trained_case(run: Path) -> tuple[str, Gaussians, list[View]]:
    """The name of a case with the Gaussians of a run, the Gaussians, and some of the run's views."""
    trained = open_run(run)
    model: Any = trained.model
    gaussians, cameras = model.gaussians(), trained.scenes.get("train").cameras
    views = [cameras.view(k * len(cameras) // N_VIEWS) for k in range(N_VIEWS)]
    width, height = cameras.sizes[0].tolist()
    return f"trained, {width} × {height}, {len(gaussians):,} Gaussians", gaussians, views


def train(data: Path, size: int, folder: Path) -> Path:
    """Train on data. Return the folder of the run."""
    words = ["method.max_gaussians=40000", f"trainer.max_steps={STEPS}", "trainer.eval_views=0", f"data.size={size}"]
    run = compose(get_registry(), method="splat-small", data=str(data), overrides=words).run
    return train_run(run, out=folder, quiet=True).folder


def main() -> None:
    """Measure all cases and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="data set to train on for a case with trained Gaussians")
    parser.add_argument("--run", type=Path, help="run whose Gaussians to measure, instead of --data")
    parser.add_argument("--size", type=int, default=400, help="longer side of its images (default: 400)")
    parser.add_argument("--repeats", type=int, default=30, help="repetitions of each measurement (default: 30)")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}")
    args = parser.parse_args()
    torch.set_num_threads(1)
    cases = {name: random_case(*case) for name, case in CASES.items()}
    if args.data is not None or args.run is not None:
        with tempfile.TemporaryDirectory() as folder:
            run = args.run or train(args.data, args.size, Path(folder) / "run")
            name, gaussians, views = trained_case(run)
        cases[name] = gaussians, views
    results = {}
    for name, (gaussians, views) in cases.items():
        row = results[name] = measure(gaussians, views, args.repeats)
        print(f"{name}: frame {row['frame_ms']} ms, step {row['step_ms']} ms; ", end="")
        print(f"two threads: frame × {row['frame_two_threads']}, step × {row['step_two_threads']}", flush=True)
    if args.write:
        write_results(RESULTS, {"machine": machine(), "repeats": args.repeats, "results": results})


if __name__ == "__main__":
    main()
