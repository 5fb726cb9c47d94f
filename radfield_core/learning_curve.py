"""PSNR of held-out views against seconds of training, of whole runs as `radfield train` takes them."""

from __future__ import annotations

import io
import json
import os
import platform
import resource
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import process_time
from typing import Any, TextIO

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from radfield_core.assembly import open_run
from radfield_core.benchmarking import machine, write_file
from radfield_core.config.layers import compose
from radfield_core.evaluation import evaluate_views, mean_metrics
from radfield_core.plugin import hookimpl
from radfield_core.progress import tracked
from radfield_core.registry import get_registry
from radfield_core.schema import RunConfig
from radfield_core.session import SIGNAL_CODES, train

THRESHOLDS = (20.0, 25.0, 28.0, 30.0, 35.0)
_NEVER = 10**9


@dataclass(frozen=True)
class Point:
    """Held-out PSNR, dB, after so much training: wall and CPU seconds without evaluation."""

    step: int
    seconds: float
    cpu_seconds: float
    psnr: float


class Interrupted(Exception):
    """A signal broke the measurement off; a part of a run has no result."""

    def __init__(self, received: signal.Signals):
        super().__init__(received.name)
        self.signal = received


class _Watch:
    """Observes a run: a point of the curve at each evaluation during training, on a CPU clock that stops meanwhile.

    The clock is read after every step of an optimiser, of which no hook tells: the last step is seldom one that is
    logged.
    """

    def __init__(self) -> None:
        self.points: list[Point] = []
        self._cpu = 0.0
        self._mark = process_time()

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Here the watch is told of every run of this process."""
        hooks, steps = get_registry().hooks, register_optimizer_step_post_hook(self._stepped)
        hooks.register(self)
        try:
            yield
        finally:
            hooks.unregister(self)
            steps.remove()

    @hookimpl
    def radfield_train_started(self, step: int) -> None:
        self._mark = process_time()

    def _stepped(self, *_: object) -> None:
        now = process_time()
        self._cpu, self._mark = self._cpu + now - self._mark, now

    @hookimpl
    def radfield_evaluated(self, step: int, split: str, metrics: Mapping[str, float]) -> None:
        self.points.append(Point(step, 0.0, round(self._cpu, 2), round(metrics["psnr"], 3)))
        self._mark = process_time()


class _Without(io.TextIOBase):
    """Passes lines on to a stream, but for those that name a folder: a temporary one is nothing to go on with."""

    def __init__(self, stream: TextIO, folder: str):
        self._stream, self._folder, self._line = stream, folder, ""

    def write(self, text: str) -> int:
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            if self._folder not in line:
                print(line, file=self._stream, flush=True)
        return len(text)


@contextmanager
def _signals() -> Iterator[Callable[[], list[signal.Signals]]]:
    """Which signals came meanwhile, of those that end a run: a run says so of most, but not of one at its very end."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    os.set_blocking(reader, False)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

    def received() -> list[signal.Signals]:
        try:
            numbers = os.read(reader, 4096)
        except BlockingIOError:
            return []
        return [found for found in map(signal.Signals, numbers) if found.name in SIGNAL_CODES]

    try:
        yield received
    finally:
        signal.set_wakeup_fd(before)
        os.close(reader)
        os.close(writer)


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
    is compiled during training: the check before it has called every kernel. Nothing is saved before the end, which no
    clock of seconds or of the processor counts.

    Raises Interrupted if a signal breaks the training off.
    """
    before = machine()
    limits = [] if seconds is None else [f"trainer.max_seconds={seconds}"]
    rhythm = [f"trainer.eval_every={every}", f"trainer.eval_views={views}", f"trainer.save_every={_NEVER}"]
    run = compose(get_registry(), method=method, data=data, overrides=[*rhythm, *limits, *overrides]).run
    with tempfile.TemporaryDirectory(prefix="radfield-bench-") as folder:
        out = Path(folder) / "run"
        points = _curve(run, out)
        n_views, metrics = _evaluated(out, split)
    last = points[-1]
    return {
        "method": method, "data": Path(data).name, "overrides": list(overrides), "max_seconds": seconds,
        "machine": before, "load_average_after": machine()["load_average"],
        "final": {"split": split, "views": n_views, "step": last.step, "seconds": last.seconds,
                  "cpu_seconds": last.cpu_seconds, **metrics},
        "reached": reached(points, thresholds),
        "curve": [asdict(point) for point in points],
        "peak_memory_mib": _peak_memory(),
    }  # fmt: skip


def _curve(run: RunConfig, out: Path) -> list[Point]:
    """Train into a folder; the points, with the seconds that the run wrote down itself."""
    watch = _Watch()
    with watch.installed(), _signals() as received, redirect_stdout(_Without(sys.stdout, str(out))):
        train(run, out=out, threads=str(torch.get_num_threads()))
        if signals := received():
            raise Interrupted(signals[0])
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    seconds = {row["step"]: round(row["seconds"], 2) for row in rows if "eval" in row}
    return [replace(point, seconds=seconds[point.step]) for point in watch.points]


def _evaluated(out: Path, split: str) -> tuple[int, dict[str, float]]:
    """How many views a split has, and the metrics of all of them after training."""
    trained = open_run(out)
    scene = trained.scenes.get(split)
    n = len(scene.cameras)
    results = evaluate_views(trained.model, trained.method, scene, range(n), trained.run.eval.rays_per_chunk)
    metrics = mean_metrics([result.metrics for result in tracked(results, f"evaluate {split}", n)])
    return n, {name: round(value, 4) for name, value in metrics.items()}


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
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if platform.system() == "Darwin" else 2**10), 1)


def plot(figures: Mapping[str, Any], path: Path) -> None:
    """Write the curve as a picture: PSNR against seconds of training, by the wall's clock and the processor's.

    Raises StorageError naming the file.
    """
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
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=120)
    write_file(path, picture.getvalue())
