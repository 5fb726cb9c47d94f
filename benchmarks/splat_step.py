"""Milliseconds of frames and training steps of the splat rasterizer, on one thread.

    python benchmarks/splat_step.py [--repeats 30] [--write]

The Gaussians are random and lie in a ball that fills the image, with about as many pairs of Gaussians and tiles as a
trained model of the scene has. Times are processor seconds of this process, the least of all repetitions, because other
jobs may use the machine. A step is a frame, the L1 loss, the gradients and Adam. `--write` saves the results as
benchmarks/results/splat_step.json.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from radfield_splat import Gaussians, rasterize
from torch import Tensor

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


def measure(width: int, height: int, n: int, scale: float, repeats: int) -> dict[str, float]:
    """Milliseconds of a frame and of a training step."""
    leaves = [x.requires_grad_() for x in random_gaussians(n, scale).tensors()]
    gaussians, white = Gaussians(*leaves), torch.ones(3)
    focal = 1.39 * min(width, height)
    c2w = torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 4]])
    view = View(c2w, Camera(width, height, focal, focal, width / 2, height / 2))
    truth = torch.rand(height, width, 3, generator=torch.Generator().manual_seed(1))
    optimizer = torch.optim.Adam(leaves, lr=1e-12, fused=True)  # the Gaussians stay where they are

    def step() -> Tensor:
        loss = (rasterize(gaussians, view, white).rgb - truth).abs().mean()
        torch.autograd.backward(loss)
        optimizer.step()
        optimizer.zero_grad()
        return loss

    with torch.no_grad():
        frame = least(lambda: rasterize(gaussians, view, white), repeats)
    return {"frame_ms": round(frame, 1), "step_ms": round(least(step, repeats), 1)}


def main() -> None:
    """Measure all cases and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=30, help="repetitions of each measurement (default: 30)")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}")
    args = parser.parse_args()
    torch.set_num_threads(1)
    results = {name: measure(*case, args.repeats) for name, case in CASES.items()}
    for name, row in results.items():
        print(f"{name}: frame {row['frame_ms']} ms, step {row['step_ms']} ms")
    if args.write:
        write_results(RESULTS, {"machine": machine(), "repeats": args.repeats, "results": results})


if __name__ == "__main__":
    main()
