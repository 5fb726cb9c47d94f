"""Measures core's ops, the torch reference and its twins in one process: compositing, and the small perceptrons."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from radfield_core.ops import mlp, segments, volume
from radfield_core.ops.backend import using
from radfield_core.ops.segments import PACKED, Layout, Packing


@dataclass(frozen=True)
class Timing:
    """Medians, in milliseconds, of an op's torch reference and one of its twins on the same inputs.

    limit: what bounds the op ("gather", "GEMM"); limit_ms: how long that alone takes, measured beside it.
    """

    op: str
    case: str
    backend: str
    reference_ms: float
    twin_ms: float
    limit: str = ""
    limit_ms: float | None = None

    @property
    def ratio(self) -> float:
        """How many times as fast as the reference the twin is."""
        return self.reference_ms / self.twin_ms

    @property
    def share_of_limit(self) -> float | None:
        """1 where nothing but the limit takes time; None where no limit was measured."""
        return None if self.limit_ms is None else self.limit_ms / self.twin_ms


Run = Callable[[], tuple[torch.Tensor, tuple[torch.Tensor, ...]]]  # a scalar and what to take its gradient by


def measure(
    n_rays: int = 4096, n_samples: int = 253_000, repeats: int = 15, device: str = "cpu", seed: int = 0
) -> list[dict[str, Any]]:
    """Milliseconds per backend for weights from density, then colour, opacity and depth; and the ratio to torch.

    Rows have op, backend, device, n_rays, n_samples, forward_ms, backward_ms, both_ms (medians) and speedup.
    """
    layout, density, rgb, t, lengths = packed_samples(n_rays, n_samples, device, seed)

    def forward() -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        weights = volume.weights_from_density(density, lengths, layout)
        colour, depth, opacity = volume.pixels(weights, rgb, t, layout)
        return colour.square().mean() + depth.square().mean() + opacity.square().mean(), (density, rgb)

    runs = {name: _with_backend(name, forward) for name in ["torch", *PACKED.twins.get(device, {})]}
    times = turns(runs, repeats, device)
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


def turns(runs: Mapping[str, Run], repeats: int, device: str) -> dict[str, dict[str, float]]:
    """Median forward, backward and summed milliseconds of each run; they take turns, so that drift hits all alike."""
    seen: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for turn in range(repeats + 2):
        for name, run in runs.items():
            start = _now(device)
            loss, inputs = run()
            middle = _now(device)
            torch.autograd.grad(loss, inputs)
            if turn >= 2:
                seen[name].append((1e3 * (middle - start), 1e3 * (_now(device) - middle)))
    return {
        name: {
            "forward_ms": statistics.median(f for f, _ in rows),
            "backward_ms": statistics.median(b for _, b in rows),
            "both_ms": statistics.median(f + b for f, b in rows),
        }
        for name, rows in seen.items()
    }


def _with_backend(name: str, run: Run) -> Run:
    def inside() -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        with using(name):
            return run()

    return inside


def _now(device: str) -> float:
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def compositing(device: str, repeats: int) -> list[Timing]:
    """Compositing of 253 k packed samples on 4096 rays, forward and backward."""
    reference, *twins = measure(repeats=repeats, device=device)
    case = f"{reference['n_samples'] // 1000}k samples, forward + backward"
    return [
        Timing("compositing", case, twin["backend"], reference["both_ms"], twin["both_ms"]) for twin in twins
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

    def run(function: Callable[[torch.Tensor, list[torch.Tensor]], torch.Tensor]) -> Run:
        return lambda: (function(x, weights).square().mean(), (x, *weights))

    times = turns({"torch": run(mlp.reference), "chunks": run(mlp.chunked)}, repeats, device)
    flops = 6 * rows * sum(n_out * n_in for n_out, n_in in shapes)
    case = f"{rows // 1024}Ki rows, {'-'.join(map(str, sizes))}, forward + backward"
    reference_ms, twin_ms = (times[name]["both_ms"] for name in ("torch", "chunks"))
    return [Timing("perceptron", case, "chunks", reference_ms, twin_ms, "GEMM", 1e3 * flops / gemm_limit(repeats))]


def gemm_limit(repeats: int, side: int = 512) -> float:
    """Floating-point operations per second of square float32 products that fit the cache, into a kept buffer."""
    a, b, out = (torch.rand(side, side) for _ in range(3))
    seconds = []
    for _ in range(repeats + 2):
        start = _now("cpu")
        for _ in range(8):
            torch.mm(a, b, out=out)
        seconds.append(_now("cpu") - start)
    return 8 * 2 * side**3 / statistics.median(seconds[2:])
