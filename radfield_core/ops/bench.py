"""Measures compositing of packed samples: the torch reference and its twins in one process, turn by turn."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

from radfield_core.ops import segments, volume
from radfield_core.ops.backend import using
from radfield_core.ops.segments import PACKED, Layout, Packing

Run = Callable[[], tuple[torch.Tensor, tuple[torch.Tensor, ...]]]  # a scalar and what to take its gradient by


def measure(
    n_rays: int = 4096, n_samples: int = 253_000, repeats: int = 15, device: str = "cpu", seed: int = 0
) -> list[dict[str, Any]]:
    """Milliseconds per backend for weights from density, then colour, opacity and depth; and the ratio to torch.

    Rows have op, backend, device, n_rays, n_samples, forward_ms, backward_ms, both_ms (medians) and speedup.
    """
    generator = torch.Generator().manual_seed(seed)
    counts = torch.multinomial(torch.rand(n_rays, generator=generator), n_samples, True, generator=generator)
    layout = Layout(n_rays, None, Packing.from_counts(counts.bincount(minlength=n_rays).to(device)))
    density = torch.rand(n_samples, generator=generator).mul_(5).to(device).requires_grad_()
    rgb = torch.rand(n_samples, 3, generator=generator).to(device).requires_grad_()
    lengths = torch.full((n_samples,), 0.01, device=device)
    t = 2.0 + 0.01 * segments.local_index(layout, lengths.device)

    def forward() -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        weights = volume.weights_from_density(density, lengths, layout)
        pixels = volume.composite(weights, rgb, layout)
        depth, opacity = volume.composite(weights, t, layout), volume.opacity(weights, layout)
        return pixels.square().mean() + depth.square().mean() + opacity.square().mean(), (density, rgb)

    runs = {name: _with_backend(name, forward) for name in ["torch", *PACKED.twins.get(device, {})]}
    times = turns(runs, repeats, device)
    base = times["torch"]["both_ms"]
    return [
        {"op": "compositing", "backend": name, "device": device, "n_rays": n_rays, "n_samples": n_samples,
         **row, "speedup": base / row["both_ms"]}
        for name, row in times.items()
    ]  # fmt: skip


def turns(
    runs: Mapping[str, Run], repeats: int, device: str
) -> dict[str, dict[str, float]]:
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
