"""Measurements for people: every kernel against its torch reference, and PSNR against seconds of whole runs.

Times on a shared machine drift by a factor; ratios within one process, and CPU seconds, drift little. So the load and
the number of threads stand beside every figure.
"""

from __future__ import annotations

import json
import math
import os
import platform
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from radfield_core.assembly import open_run
from radfield_core.config.layers import compose
from radfield_core.errors import UsageError
from radfield_core.evaluation import evaluate_views, mean_metrics
from radfield_core.ops.bench import Timing
from radfield_core.plugin import hookimpl, load
from radfield_core.progress import tracked
from radfield_core.registry import Registry, get_registry
from radfield_core.session import train

PACKAGES = ("radfield-core", "torch", "numpy", "numba", "triton", "tinycudann", "nerfacc")
THRESHOLDS = (20.0, 25.0, 28.0, 30.0, 35.0)


def machine(threads: int | None = None) -> dict[str, Any]:
    """What figures were taken on: processor, accelerator, versions, threads and how busy it is."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "processor": _processor(), "cores": os.cpu_count(),
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "system": platform.platform(), "python": platform.python_version(), "versions": versions,
        "threads": torch.get_num_threads() if threads is None else threads,
        "load_average": [round(load, 2) for load in os.getloadavg()] if hasattr(os, "getloadavg") else None,
    }  # fmt: skip


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


# Kernels


def benchmarks(registry: Registry) -> dict[str, str]:
    """What the installed plugins offer to measure: name -> "module:function"."""
    found: dict[str, str] = {}
    for offered in registry.hooks.hook.radfield_benchmarks():
        found |= offered
    return dict(sorted(found.items()))


def micro(names: Sequence[str] = (), *, device: str = "cpu", repeats: int = 7) -> list[Timing]:
    """Timings of the benchmarks named, by default of all. Raises UsageError for an unknown one or an absent device."""
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError("there is no CUDA device here", path="--device", hint="--device cpu")
    offered = benchmarks(get_registry())
    unknown = [name for name in names if name not in offered]
    if unknown:
        raise UsageError(f"nothing called {', '.join(unknown)} to measure", hint=", ".join(offered))
    return [timing for name in names or offered for timing in load(offered[name])(device, repeats)]


def table(timings: Sequence[Timing]) -> str:
    """Timings for people."""
    lines = [f"{'op':<14} {'case':<86} {'twin':<10} {'torch ms':>9} {'twin ms':>9} {'ratio':>6}  share of limit"]
    for each in timings:
        share = "" if each.share_of_limit is None else f"{each.share_of_limit:.0%} of {each.limit}"
        lines.append(
            f"{each.op:<14} {each.case:<86} {each.backend:<10} {each.reference_ms:>9.2f} {each.twin_ms:>9.2f} "
            f"{each.ratio:>6.1f}  {share}"
        )
    return "\n".join(lines)


def timing_row(timing: Timing) -> dict[str, Any]:
    """A timing as JSON holds it."""
    return {
        "op": timing.op, "case": timing.case, "backend": timing.backend, "torch_ms": _short(timing.reference_ms),
        "twin_ms": _short(timing.twin_ms), "ratio": _short(timing.ratio), "limit": timing.limit or None,
        "share_of_limit": _short(timing.share_of_limit),
    }  # fmt: skip


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


# Whole runs


@dataclass(frozen=True)
class Point:
    """Held-out PSNR, dB, after so much training: wall and CPU seconds without evaluation."""

    step: int
    seconds: float
    cpu_seconds: float
    psnr: float


class _Watch:
    """Observes a run: a point of the curve at each evaluation during training, on a CPU clock that stops meanwhile."""

    def __init__(self) -> None:
        self.points: list[Point] = []
        self.cpu = 0.0
        self._mark = time.process_time()

    @hookimpl
    def radfield_train_started(self, step: int) -> None:
        self._mark = time.process_time()

    @hookimpl
    def radfield_step_ended(self, step: int) -> None:
        now = time.process_time()
        self.cpu, self._mark = self.cpu + now - self._mark, now

    @hookimpl
    def radfield_evaluated(self, step: int, split: str, metrics: Mapping[str, float]) -> None:
        self.points.append(Point(step, 0.0, round(self.cpu, 2), round(metrics["psnr"], 3)))
        self._mark = time.process_time()


def whole_run(
    method: str,
    data: str,
    *,
    seconds: float | None = None,
    overrides: Sequence[str] = (),
    every: int = 100,
    views: int = 6,
    split: str = "test",
    thresholds: Sequence[float] = THRESHOLDS,
) -> dict[str, Any]:
    """Train as `radfield train` does and return the figures: the curve, when it passed the thresholds, the end result.

    The curve is of `views` views of the validation split, or of the test split where there is none, every so many
    steps; `final` is of every view of `split`. A threshold counts as passed at the first point on or above it. Nothing
    is compiled during training: the check before it has called every kernel.
    """
    before, registry, watch = machine(), get_registry(), _Watch()
    limits = [] if seconds is None else [f"trainer.max_seconds={seconds}"]
    rhythm = [f"trainer.eval_every={every}", f"trainer.eval_views={views}", f"trainer.log_every={math.gcd(every, 10)}"]
    run = compose(registry, method=method, data=data, overrides=[*rhythm, *limits, *overrides]).run
    registry.hooks.register(watch)
    try:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "run"
            if train(run, out=out, threads=str(torch.get_num_threads())):
                raise UsageError("a run that is interrupted has no result", hint="let it end")
            points = _timed_by_the_run(watch.points, out / "metrics.jsonl")
            trained = open_run(out)
            scene = trained.scenes.get(split)
            n_views = len(scene.cameras)
            results = evaluate_views(
                trained.model, trained.method, scene, range(n_views), trained.run.eval.rays_per_chunk
            )  # fmt: skip
            final = mean_metrics([result.metrics for result in tracked(results, f"evaluate {split}", n_views)])
    finally:
        registry.hooks.unregister(watch)
    return {
        "method": method, "data": Path(data).name, "overrides": list(overrides), "max_seconds": seconds,
        "machine": before, "load_average_after": machine()["load_average"],
        "final": {"split": split, "views": n_views, "step": points[-1].step, "seconds": points[-1].seconds,
                  "cpu_seconds": points[-1].cpu_seconds, **{name: round(value, 4) for name, value in final.items()}},
        "reached": reached(points, thresholds),
        "curve": [point.__dict__ for point in points],
        "peak_memory_mib": _peak_memory(),
    }  # fmt: skip


def _timed_by_the_run(points: Sequence[Point], metrics: Path) -> list[Point]:
    """The points with the seconds that the run wrote down itself."""
    rows = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
    seconds = {row["step"]: round(row["seconds"], 2) for row in rows if "eval" in row}
    return [replace(point, seconds=seconds[point.step]) for point in points]


def reached(points: Sequence[Point], thresholds: Sequence[float]) -> dict[str, dict[str, float] | None]:
    """Wall and CPU seconds of the first point on or above each threshold, dB; None where no point is."""
    found: dict[str, dict[str, float] | None] = {}
    for threshold in thresholds:
        first = next((point for point in points if point.psnr >= threshold), None)
        when = None if first is None else {"seconds": first.seconds, "cpu_seconds": first.cpu_seconds}
        found[f"{threshold:g}"] = when
    return found


def _peak_memory() -> float | None:
    """The most memory this process has had resident, MiB."""
    try:
        import resource
    except ModuleNotFoundError:  # not on Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if platform.system() == "Darwin" else 2**10), 1)


def plot(figures: Mapping[str, Any], path: Path) -> None:
    """Write the curve as a picture: PSNR against seconds of training, by the wall's clock and the processor's."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.add_subplot()
    heights = [point["psnr"] for point in figures["curve"]]
    for name, style in (("seconds", "-o"), ("cpu_seconds", "--")):
        axes.plot(
            [point[name] for point in figures["curve"]], heights, style, markersize=3, label=name.replace("_", " ")
        )
    axes.set_xlabel("training, s")
    axes.set_ylabel("held-out PSNR, dB")
    axes.set_title(f"{figures['method']} on {figures['data']}, threads: {figures['machine']['threads']}")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)


def write(figures: Any, path: Path) -> None:
    """Write figures as JSON, into a folder that is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
