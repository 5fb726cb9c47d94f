"""Benchmarks of core's own kernels: compositing and the chunked perceptron."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from radfield_core.bench.timing import Loss, Result, Timing, gradient_medians_ms, median_ms
from radfield_core.ops import mlp, segments, volume
from radfield_core.ops._packed import COMPOSITING
from radfield_core.ops.backend import using
from radfield_core.ops.layout import Layout, Packing


def with_backend(name: str, run: Callable[[], Result]) -> Callable[[], Result]:
    """Return a function that calls `run` while the backend `name` is in use."""

    def run_with_backend() -> Result:
        with using(name):
            return run()

    return run_with_backend


def compositing(device: str, repeats: int) -> list[Timing]:
    """Time the forward and the backward pass of compositing 253 000 packed samples on 4096 rays."""
    reference, *rows = measure(repeats=repeats, device=device)
    case = f"{reference['n_samples'] // 1000}k samples, forward + backward"
    return [Timing("compositing", case, row["backend"], reference["both_ms"], row["both_ms"]) for row in rows]


def measure(
    n_rays: int = 4096, n_samples: int = 253_000, repeats: int = 15, device: str = "cpu", seed: int = 0
) -> list[dict[str, Any]]:
    """Time compositing and its gradients with every backend.

    Compositing computes weights from densities, and then color, opacity and depth from the weights.

    Args:
        n_rays: number of rays R.
        n_samples: total number of samples N of all rays.
        repeats: number of timed runs.
        device: "cpu", "cuda" or "cuda:N".
        seed: seed of the samples.

    Returns:
        One row for each backend, torch first. The keys op, backend, device, n_rays and n_samples describe the case.
        forward_ms, backward_ms and both_ms are median times. speedup is the both_ms of torch divided by the both_ms of
        this backend.
    """
    layout, density, rgb, t, lengths = packed_samples(n_rays, n_samples, device, seed)

    def loss() -> tuple[Tensor, tuple[Tensor, ...]]:
        weights = volume.weights_from_density(density, lengths, layout)
        color, depth, opacity = volume.pixels(weights, rgb, t, layout)
        return color.square().mean() + depth.square().mean() + opacity.square().mean(), (density, rgb)

    losses = {name: with_backend(name, loss) for name in ["torch", *COMPOSITING.loadable(device)]}
    times = gradient_medians_ms(losses, repeats, device)
    case = {"device": device, "n_rays": n_rays, "n_samples": n_samples}
    base = times["torch"]["both_ms"]
    return [
        {"op": "compositing", "backend": name, **case, **row, "speedup": base / row["both_ms"]}
        for name, row in times.items()
    ]


def packed_samples(
    n_rays: int, n_samples: int, device: str, seed: int = 0
) -> tuple[Layout, Tensor, Tensor, Tensor, Tensor]:
    """Make random packed samples. Return their layout, density [N], rgb [N, 3], t [N] and interval lengths [N].

    The number of samples differs from ray to ray, and some rays have no samples, as with an occupancy grid.
    """
    generator = torch.Generator().manual_seed(seed)
    counts = torch.multinomial(torch.rand(n_rays, generator=generator), n_samples, True, generator=generator)
    layout = Layout(n_rays, None, Packing.from_counts(counts.bincount(minlength=n_rays).to(device)))
    density = torch.rand(n_samples, generator=generator).mul_(5).to(device).requires_grad_()
    rgb = torch.rand(n_samples, 3, generator=generator).to(device).requires_grad_()
    lengths = torch.full((n_samples,), 0.01, device=device)
    return layout, density, rgb, 2.0 + 0.01 * segments.local_index(layout, lengths.device), lengths


def perceptron(device: str, repeats: int, rows: int = 2**18, sizes: tuple[int, ...] = (32, 64, 64, 16)) -> list[Timing]:
    """Time the forward and backward pass of the chunked perceptron and of the same perceptron in plain torch.

    The attribute `limit_ms` of the timing is the time of the matrix products alone. Only the CPU has a chunked
    perceptron, so the returned list is empty for any other device.

    Args:
        device: "cpu", "cuda" or "cuda:N".
        repeats: number of timed runs.
        rows: number of input rows.
        sizes: width of the input, followed by the width of each layer.
    """
    if device != "cpu":
        return []
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(rows, sizes[0], generator=generator).requires_grad_()
    shapes = list(zip(sizes[1:], sizes[:-1], strict=True))
    weights = [torch.randn(shape, generator=generator).mul_(shape[1] ** -0.5).requires_grad_() for shape in shapes]

    def loss_of(network: Callable[[Tensor, list[Tensor]], Tensor]) -> Loss:
        return lambda: (network(x, weights).square().mean(), (x, *weights))

    times = gradient_medians_ms({"torch": loss_of(mlp.reference), "chunks": loss_of(mlp.chunked)}, repeats, device)
    flops = 6 * rows * sum(n_out * n_in for n_out, n_in in shapes)
    case = f"{rows // 1024}Ki rows, {'-'.join(map(str, sizes))}, forward + backward"
    reference_ms, kernel_ms = (times[name]["both_ms"] for name in ("torch", "chunks"))
    limit_ms = 1e3 * flops / gemm_flops(repeats)
    return [Timing("perceptron", case, "chunks", reference_ms, kernel_ms, "GEMM", limit_ms)]


def gemm_flops(repeats: int, side: int = 512) -> float:
    """Multiply float32 matrices that fit in the cache. Return the number of floating-point operations per second."""
    a, b, out = (torch.rand(side, side) for _ in range(3))

    def products() -> None:
        for _ in range(8):
            torch.mm(a, b, out=out)

    return 8 * 2 * side**3 / (1e-3 * median_ms(products, repeats, "cpu"))
