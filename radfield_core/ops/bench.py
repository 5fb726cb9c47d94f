"""Measures an op's torch reference and its twins in one process, turn by turn; core's own: compositing, perceptrons."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import torch

from radfield_core.ops import mlp, segments, volume
from radfield_core.ops.backend import using
from radfield_core.ops.segments import PACKED, Layout, Packing

WARM_UP = 2  # runs that are not counted: the first compiles, the next still fills caches
Seen = TypeVar("Seen")


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
        """1 where nothing but the limit takes time, more where the limit's loop is slower at the same; else None."""
        return None if self.limit_ms is None else self.limit_ms / self.twin_ms


def median_ms(run: Callable[[], object], repeats: int, device: str) -> float:
    """Median milliseconds of a run, by `now`."""
    return medians_ms({"": run}, repeats, device)[""]


def medians_ms(runs: Mapping[str, Callable[[], object]], repeats: int, device: str) -> dict[str, float]:
    """Median milliseconds of each run, by `now`; they take turns."""
    seen = turns({name: partial(_elapsed_ms, run, device) for name, run in runs.items()}, repeats)
    return {name: statistics.median(times) for name, times in seen.items()}


def turns(runs: Mapping[str, Callable[[], Seen]], repeats: int) -> dict[str, list[Seen]]:
    """What each run returns, `repeats` times after a warm-up; they take turns, so that drift hits all alike."""
    seen: dict[str, list[Seen]] = {name: [] for name in runs}
    for turn in range(WARM_UP + repeats):
        for name, run in runs.items():
            found = run()
            if turn >= WARM_UP:
                seen[name].append(found)
    return seen


def now(device: str) -> float:
    """Seconds by a clock, when all that was started on the device is done.

    On one thread of a CPU it is CPU time, which other jobs on the machine raise less than they do a clock's.
    """
    if device == "cuda":
        torch.cuda.synchronize()
    alone = device == "cpu" and torch.get_num_threads() == 1
    return time.process_time() if alone else time.perf_counter()


def _elapsed_ms(run: Callable[[], object], device: str) -> float:
    start = now(device)
    run()
    return 1e3 * (now(device) - start)


Loss = Callable[[], tuple[torch.Tensor, tuple[torch.Tensor, ...]]]  # a scalar and what to take its gradient by


def gradient_medians_ms(losses: Mapping[str, Loss], repeats: int, device: str) -> dict[str, dict[str, float]]:
    """forward_ms, backward_ms and both_ms of each loss, medians by `now`; they take turns."""
    seen = turns({name: partial(_elapsed_both_ms, loss, device) for name, loss in losses.items()}, repeats)
    return {
        name: {
            "forward_ms": statistics.median(forward for forward, _ in times),
            "backward_ms": statistics.median(backward for _, backward in times),
            "both_ms": statistics.median(map(sum, times)),
        }
        for name, times in seen.items()
    }


def _elapsed_both_ms(loss: Loss, device: str) -> tuple[float, float]:
    start = now(device)
    value, inputs = loss()
    middle = now(device)
    torch.autograd.grad(value, inputs)
    return 1e3 * (middle - start), 1e3 * (now(device) - middle)


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

    runs = {name: with_backend(name, forward) for name in ["torch", *PACKED.installed(device)]}
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

    def run(function: Callable[[torch.Tensor, list[torch.Tensor]], torch.Tensor]) -> Loss:
        return lambda: (function(x, weights).square().mean(), (x, *weights))

    times = gradient_medians_ms({"torch": run(mlp.reference), "chunks": run(mlp.chunked)}, repeats, device)
    flops = 6 * rows * sum(n_out * n_in for n_out, n_in in shapes)
    case = f"{rows // 1024}Ki rows, {'-'.join(map(str, sizes))}, forward + backward"
    reference_ms, twin_ms = (times[name]["both_ms"] for name in ("torch", "chunks"))
    return [Timing("perceptron", case, "chunks", reference_ms, twin_ms, "GEMM", 1e3 * flops / gemm_limit(repeats))]


def gemm_limit(repeats: int, side: int = 512) -> float:
    """Floating-point operations per second of square float32 products that fit the cache, into a kept buffer."""
    a, b, out = (torch.rand(side, side) for _ in range(3))

    def products() -> None:
        for _ in range(8):
            torch.mm(a, b, out=out)

    return 8 * 2 * side**3 / (1e-3 * median_ms(products, repeats, "cpu"))
