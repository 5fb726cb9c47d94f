"""CUDA: kernels against the torch reference, tinycudann and nerfacc where they are installed; PSNR against seconds.

    python benchmarks/gpu.py [--data LEGO] [--seconds 300] [--repeats 15] [--method ngp]

`--data` takes the Blender lego; at its published 800 × 800 the figures compare with published ones. Everything goes
into benchmarks/results/gpu.json, and the curve into gpu.png. Without a CUDA device it says so and writes nothing.
"""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from radfield_core.bench.kernels import packed_samples
from radfield_core.bench.learning_curve import plot, whole_run
from radfield_core.bench.machine import machine
from radfield_core.bench.micro import micro, table, timing_row, write
from radfield_core.bench.timing import Timing, median_ms

RESULTS = Path(__file__).parent / "results"
DEVICE = "cuda"


def nerfacc_compositing(reference: Timing, repeats: int) -> Timing:
    """nerfacc on the samples that `radfield bench micro compositing` takes: color, depth, opacity, and gradients."""
    import nerfacc

    layout, density, rgb, t, lengths = packed_samples(4096, 253_000, DEVICE)
    assert layout.packing is not None
    counts = layout.packing.counts
    rays = torch.repeat_interleave(torch.arange(len(counts), device=DEVICE), counts)
    starts, ends = t - 0.5 * lengths, t + 0.5 * lengths

    def run() -> None:
        weights, _, _ = nerfacc.render_weight_from_density(starts, ends, density, ray_indices=rays, n_rays=len(counts))
        parts = [
            nerfacc.accumulate_along_rays(weights, values, ray_indices=rays, n_rays=len(counts))
            for values in (rgb, t[:, None], None)
        ]
        torch.autograd.grad(sum(part.square().mean() for part in parts), (density, rgb))

    return Timing("compositing", reference.case, "nerfacc", reference.reference_ms, median_ms(run, repeats, DEVICE))


def nerfacc_marching(reference: Timing, repeats: int) -> Timing:
    """nerfacc's traversal of the grid that `radfield bench micro marching` marches through, with the same step."""
    import nerfacc
    from radfield_occupancy.bench import RADIUS, shell_grid, shell_rays
    from radfield_occupancy.grid import unpack

    binaries = unpack(shell_grid(128).bits, 128).to(DEVICE)
    box = torch.tensor([[-RADIUS] * 3 + [RADIUS] * 3], device=DEVICE)
    origins, directions, near, far = (x.to(DEVICE) for x in shell_rays(4096, 0))
    step = 2 * 3**0.5 * RADIUS / 1024

    def run() -> object:
        return nerfacc.traverse_grids(origins, directions, binaries, box, near, far, step_size=step, cone_angle=0.0)

    return Timing("marching", reference.case, "nerfacc", reference.reference_ms, median_ms(run, repeats, DEVICE))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a Blender scene; without it only kernels are measured")
    parser.add_argument("--method", default="ngp")
    parser.add_argument("--seconds", type=float, default=300.0, help="of training")
    parser.add_argument("--every", type=int, default=1000, help="steps between points of the curve")
    parser.add_argument("--repeats", type=int, default=15)
    args = parser.parse_args()
    if not torch.cuda.is_available():
        print("no CUDA device here: nothing is measured and nothing written")
        return 0
    timings = micro(device=DEVICE, repeats=args.repeats)
    if find_spec("nerfacc") is not None:
        first = {timing.op: timing for timing in reversed(timings)}
        timings.append(nerfacc_compositing(first["compositing"], args.repeats))
        timings.append(nerfacc_marching(first["marching"], args.repeats))
    print(table(timings))
    figures: dict[str, Any] = {"machine": machine(), "kernels": [timing_row(timing) for timing in timings]}
    if args.data is not None:
        figures["run"] = whole_run(
            args.method, str(args.data), seconds=args.seconds, every=args.every, overrides=["trainer.device=cuda"]
        )
        plot(figures["run"], RESULTS / "gpu.png")
        print(figures["run"]["final"], figures["run"]["reached"])
    write(figures, RESULTS / "gpu.json")
    return 0


if __name__ == "__main__":
    sys.exit(main())
