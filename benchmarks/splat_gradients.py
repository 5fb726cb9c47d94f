"""Worst errors of the splat rasterizer's gradients, for harmonics of degree 0 to 3, without a lens and through lenses.

    python benchmarks/splat_gradients.py [--scenes 5] [--write]

The loss is a random sum of colors, depths and opacities. A row shows, for each kind of parameter, the largest
difference between the gradients of the kernels (float32) and those of the definition in float64, divided by the largest
gradient of its kind, over all scenes. A scene counts only if no alpha lies within 1e-5 of a limit of the definition,
such as 1/255, because a rounded number may then fall on the other side. The last column compares the float64 gradients
with central differences, for four random numbers of each kind. Then the results for 1, 2 and 3 threads are compared bit
by bit. `--write` saves the results as benchmarks/results/splat_gradients.json. Exits 1 if an error is larger than 1e-4,
or if bits differ.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import torch
from radfield_splat import Gaussians, cpu, reference
from torch import Tensor

from radfield_core.bench.machine import machine
from radfield_core.cameras import Camera, View
from radfield_core.files.results import write_results

RESULTS = Path(__file__).parent / "results" / "splat_gradients.json"
LENSES = {
    "pinhole": (),
    "opencv": (0.1, -0.05, 0.01, -0.008),
    "opencv_fisheye": (0.05, 0.01, -0.01, 0.002),
}
NAMES = ("means", "log_scales", "quaternions", "opacity_logits", "harmonics", "pose", "background")
WIDTH, HEIGHT, NEAR, LOW_PASS, GOAL, INTERIOR, STEP = 40, 33, 0.01, 0.3, 1e-4, 1e-5, 1e-6


def scene(n: int, degree: int, seed: int, lens: str) -> tuple[list[Tensor], Camera]:
    """The numbers of `NAMES` of random Gaussians before a camera with an uncentered principal point, and the camera."""
    g = torch.Generator().manual_seed(seed)
    means = 0.8 * torch.randn(n, 3, generator=g) + torch.tensor([0.0, 0.0, -4.0])
    scales = -1.8 + 0.6 * torch.randn(n, 3, generator=g)
    quaternions, logits = torch.randn(n, 4, generator=g), 1.5 * torch.randn(n, generator=g)
    harmonics = 0.4 * torch.randn(n, (degree + 1) ** 2, 3, generator=g)
    a = torch.tensor(0.3)
    pose = torch.tensor([[a.cos(), 0, a.sin(), -0.9], [0, 1, 0, 0.1], [-a.sin(), 0, a.cos(), 0.2]])
    focal = 0.75 * WIDTH
    camera = Camera(WIDTH, HEIGHT, focal, focal * 1.07, 0.52 * WIDTH, 0.45 * HEIGHT, 0.5, lens, LENSES[lens])
    return [means, scales, quaternions, logits, harmonics, pose, torch.rand(HEIGHT, WIDTH, 3, generator=g)], camera


def total(module: Any, numbers: list[Tensor], camera: Camera) -> Tensor:
    """The loss."""
    g = torch.Generator().manual_seed(5)
    gaussians, pose, background = Gaussians(*numbers[:5]), numbers[5], numbers[6]
    image = module.rasterize(gaussians, View(pose, camera), background, gaussians.degree, NEAR, LOW_PASS)
    factors = [torch.randn(HEIGHT, WIDTH, k, generator=g).squeeze(-1).to(pose) for k in (3, 1, 1)]
    terms = [(x * factor).sum() for x, factor in zip(image[:3], factors, strict=True)]
    return torch.stack(terms).sum()


def gradients(module: Any, numbers: list[Tensor], camera: Camera, dtype: torch.dtype) -> list[Tensor]:
    """The gradients of the loss by everything in `NAMES`."""
    leaves = [x.to(dtype).requires_grad_() for x in numbers]
    return list(torch.autograd.grad(total(module, leaves, camera), leaves))


def near_a_limit(numbers: list[Tensor], camera: Camera) -> bool:
    """Return True if rounding may move an alpha across a limit of the definition."""
    doubles = [x.double() for x in numbers]
    gaussians = Gaussians(*doubles[:5])
    drawn = reference.project(gaussians, View(doubles[5], camera), gaussians.degree, NEAR, LOW_PASS)
    ys, xs = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    dx, dy = (torch.stack([xs, ys], -1).reshape(-1, 2) - drawn.centers[:, None]).unbind(-1)
    xx, xy, yy = (x[:, None] for x in drawn.covariances.unbind(-1))
    exponent = -0.5 * (yy * dx**2 - 2 * xy * dx * dy + xx * dy**2) / (xx * yy - xy**2)
    alpha = drawn.opacities[:, None] * exponent.exp()
    left = (1 - torch.where(alpha >= reference.ALPHA_MIN, alpha.clamp(max=reference.ALPHA_MAX), 0.0)).cumprod(0)
    limits = [(alpha, reference.ALPHA_MIN), (alpha, reference.ALPHA_MAX), (left, reference.TRANSMITTANCE_MIN)]
    return any(bool(((x / limit).log().abs() < INTERIOR).any()) for x, limit in limits)


def by_differences(numbers: list[Tensor], camera: Camera, exact: list[Tensor]) -> float:
    """The worst error of float64 gradients against central differences, relative to the largest of their kind."""
    g, worst = torch.Generator().manual_seed(7), 0.0
    for kind, gradient in enumerate(exact):
        for index in torch.randint(gradient.numel(), (4,), generator=g).tolist():
            sides = []
            for sign in (1, -1):
                moved = [x.double().clone() for x in numbers]
                moved[kind].view(-1)[index] += sign * STEP
                sides.append(float(total(reference, moved, camera).detach()))
            error = abs((sides[0] - sides[1]) / (2 * STEP) - float(gradient.reshape(-1)[index]))
            worst = max(worst, error / float(gradient.abs().max()))
    return worst


def measured(degree: int, lens: str, n_scenes: int) -> dict[str, float]:
    """The worst errors for one degree and one lens."""
    row, seed, found = dict.fromkeys((*NAMES, "differences"), 0.0), 0, 0
    while found < n_scenes:
        numbers, camera = scene(40, degree, seed, lens)
        seed += 1
        if near_a_limit(numbers, camera):
            continue
        exact = gradients(reference, numbers, camera, torch.float64)
        fast = gradients(cpu, numbers, camera, torch.float32)
        for name, x, y in zip(NAMES, exact, fast, strict=True):
            row[name] = max(row[name], float((y.double() - x).abs().max() / x.abs().max()))
        if found == 0:
            row["differences"] = by_differences(numbers, camera, exact)
        found += 1
    return row


def equal_bits() -> bool:
    """Return True if images and gradients have the same bits on 1, 2 and 3 threads."""
    numbers, camera = scene(5000, 3, 0, "opencv")
    before, results = torch.get_num_threads(), []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        results.append([total(cpu, numbers, camera), *gradients(cpu, numbers, camera, torch.float32)])
    torch.set_num_threads(before)
    return all(torch.equal(x, y) for other in results[1:] for x, y in zip(results[0], other, strict=True))


def main() -> int:
    """Print the errors. Return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=5, help="scenes of each row (default: 5)")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}")
    args = parser.parse_args()
    columns, rows = (*NAMES, "differences"), {}
    print(f"{'degree, lens':<24}" + "".join(f"{name:>16}" for name in columns))
    for degree in range(4):
        for lens in LENSES:
            row = rows[f"degree {degree}, {lens}"] = measured(degree, lens, args.scenes)
            print(f"{f'{degree}, {lens}':<24}" + "".join(f"{row[name]:>16.1e}" for name in columns), flush=True)
    same, worst = equal_bits(), max(max(row.values()) for row in rows.values())
    print(f"worst: {worst:.1e} (at most {GOAL:.0e} wanted); 1, 2 and 3 threads: {'equal' if same else 'OTHER'} bits")
    if args.write:
        write_results(RESULTS, {"machine": machine(), "scenes": args.scenes, "rows": rows, "equal_bits": same})
    return int(worst > GOAL or not same)


if __name__ == "__main__":
    sys.exit(main())
