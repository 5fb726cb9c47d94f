"""Benchmarks of core's own kernels: compositing and the perceptron."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from radfield_core.bench.timing import (
    Loss,
    Seen,
    Timing,
    gradient_medians_ms,
    median_ms,
)
from radfield_core.ops import mlp, segments, volume
from radfield_core.ops._packed import COMPOSITING
from radfield_core.ops.backend import using
from radfield_core.ops.layout import Layout, Packing


def measure(
    n_rays: int = 4096, n_samples: int = 253_000, repeats: int = 15, device: str = "cpu", seed: int = 0
) -> list[dict[str, Any]]:
    """Milliseconds per backend for weights from density, then color, opacity and depth; and the ratio to torch.

    Rows have op, backend, device, n_rays, n_samples, forward_ms, backward_ms, both_ms (medians) and speedup.
    """
    layout, density, rgb, t, lengths = packed_samples(n_rays, n_samples, device, seed)

    def forward() -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        weights = volume.weights_from_density(density, lengths, layout)
        color, depth, opacity = volume.pixels(weights, rgb, t, layout)
        return color.square().mean() + depth.square().mean() + opacity.square().mean(), (density, rgb)

    runs = {name: with_backend(name, forward) for name in ["torch", *COMPOSITING.installed(device)]}
    times = gradient_medians_ms(runs, repeats, device)
    base = times["torch"]["both_ms"]
    return [
        {"op": "compositing", "backend": name, "device": device, "n_rays": n_rays, "n_samples": n_samples,
         **row, "speedup": base / row["both_ms"]}
        for name, row in times.items()
    ]  # fmt: skip


def packed_samples(
    n_rays: int, n_samples: int, device: str, seed: int = 0
) -> tuple[Layout, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Layout, density [N], rgb [N, 3], t [N] and lengths [N] of samples spread over the rays at random."""
    generator = torch.Generator().manual_seed(seed)
    counts = torch.multinomial(torch.rand(n_rays, generator=generator), n_samples, True, generator=generator)
    layout = Layout(n_rays, None, Packing.from_counts(counts.bincount(minlength=n_rays).to(device)))
    density = torch.rand(n_samples, generator=generator).mul_(5).to(device).requires_grad_()
    rgb = torch.rand(n_samples, 3, generator=generator).to(device).requires_grad_()
    lengths = torch.full((n_samples,), 0.01, device=device)
    return layout, density, rgb, 2.0 + 0.01 * segments.local_index(layout, lengths.device), lengths


def with_backend(name: str, run: Callable[[], Seen]) -> Callable[[], Seen]:
    """The run, with the backend asked for."""

    def inside() -> Seen:
        with using(name):
            return run()

    return inside


def compositing(device: str, repeats: int) -> list[Timing]:
    """Compositing of 253 k packed samples on 4096 rays, forward and backward."""
    reference, *rows = measure(repeats=repeats, device=device)
    case = f"{reference['n_samples'] // 1000}k samples, forward + backward"
    return [
        Timing("compositing", case, row["backend"], reference["both_ms"], row["both_ms"]) for row in rows
    ]  # fmt: skip


def perceptron(device: str, repeats: int, rows: int = 2**18, sizes: tuple[int, ...] = (32, 64, 64, 16)) -> list[Timing]:
    """The chunked perceptron, forward and backward, against plain torch; the limit is GEMM into a buffer that is kept.

    No row on a device where plain torch is what runs.
    """
    if device != "cpu":
        return []
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(rows, sizes[0], generator=generator).requires_grad_()
    shapes = list(zip(sizes[1:], sizes[:-1], strict=True))
    weights = [torch.randn(shape, generator=generator).mul_(shape[1] ** -0.5).requires_grad_() for shape in shapes]

    def run(function: Callable[[torch.Tensor, list[torch.Tensor]], torch.Tensor]) -> Loss:
        return lambda: (function(x, weights).square().mean(), (x, *weights))

    times = gradient_medians_ms({"torch": run(mlp.reference), "chunks": run(mlp.chunked)}, repeats, device)
    flops = 6 * rows * sum(n_out * n_in for n_out, n_in in shapes)
    case = f"{rows // 1024}Ki rows, {'-'.join(map(str, sizes))}, forward + backward"
    reference_ms, kernel_ms = (times[name]["both_ms"] for name in ("torch", "chunks"))
    return [Timing("perceptron", case, "chunks", reference_ms, kernel_ms, "GEMM", 1e3 * flops / gemm_limit(repeats))]


def gemm_limit(repeats: int, side: int = 512) -> float:
    """Floating-point operations per second of square float32 products that fit the cache, into a kept buffer."""
    a, b, out = (torch.rand(side, side) for _ in range(3))

    def products() -> None:
        for _ in range(8):
            torch.mm(a, b, out=out)

    return 8 * 2 * side**3 / (1e-3 * median_ms(products, repeats, "cpu"))
