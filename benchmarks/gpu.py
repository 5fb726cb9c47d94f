"""CUDA kernels against the torch reference, tiny-cuda-nn and nerfacc, if installed; PSNR against seconds of training.

    python benchmarks/gpu.py [--data LEGO] [--seconds 300] [--repeats 15] [--method ngp]

With `--data`, the Blender lego, a whole run is measured too; at 800 × 800 pixels its PSNR compares with published ones.
The results are saved as benchmarks/results/gpu.json, the curve as gpu.png. Without a CUDA device nothing is measured.
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
from radfield_core.bench.micro import micro, table, timing_row
from radfield_core.bench.timing import Timing, median_ms
from radfield_core.files.results import write_results

RESULTS = Path(__file__).parent / "results"
DEVICE = "cuda"


def nerfacc_compositing(reference: Timing, repeats: int) -> Timing:
    """Time nerfacc on the samples of `radfield bench micro compositing`: color, depth, opacity, and gradients."""
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
    """Time nerfacc on the grid of `radfield bench micro marching`, with the same step size."""
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
    parser.add_argument("--data", type=Path, help="a Blender scene; without one, only kernels are measured")
    parser.add_argument("--method", default="ngp")
    parser.add_argument("--seconds", type=float, default=300.0, help="seconds of training (default: 300)")
    parser.add_argument("--every", type=int, default=1000, help="steps between points of the curve (default: 1000)")
    parser.add_argument("--repeats", type=int, default=15)
    args = parser.parse_args()
    if not torch.cuda.is_available():
        print("this machine has no CUDA device; nothing was measured")
        return 0
    timings, failures = micro(device=DEVICE, repeats=args.repeats)
    if find_spec("nerfacc") is not None:
        first = {timing.op: timing for timing in reversed(timings)}
        for op, measure in (("compositing", nerfacc_compositing), ("marching", nerfacc_marching)):
            try:
                timings.append(measure(first[op], args.repeats))
            except Exception as error:  # nerfacc is compiled when it is first called, which can fail in many ways
                failures[f"{op} of nerfacc"] = f"{type(error).__name__}: {error}"
    print(table(timings))
    results: dict[str, Any] = {
        "machine": machine(),
        "kernels": [timing_row(timing) for timing in timings],
        "failures": failures,
    }
    write_results(RESULTS / "gpu.json", results)  # before the long run, so that these results are kept if it fails
    if args.data is not None:
        results["run"] = whole_run(
            args.method, str(args.data), seconds=args.seconds, every=args.every, overrides=["trainer.device=cuda"]
        )
        write_results(RESULTS / "gpu.json", results)
        plot(results["run"], RESULTS / "gpu.png")
        print(results["run"]["final"], results["run"]["reached"])
    for name, reason in failures.items():
        print(f"{name} failed: {reason}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
