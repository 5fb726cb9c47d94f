"""PSNR of held-out views against seconds of training, of whole runs as `radfield train` takes them."""

from __future__ import annotations

import io
import json
import platform
import resource
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from radfield_core.bench.machine import machine
from radfield_core.bench.micro import write_file
from radfield_core.config.layers import compose
from radfield_core.config.run import RunConfig
from radfield_core.errors import NoSuchSplit, UsageError
from radfield_core.plugins.registry import get_registry
from radfield_core.render.evaluation import evaluate_all
from radfield_core.render.results import mean_metrics
from radfield_core.runs.scenes import Scenes
from radfield_core.runs.trained import open_run
from radfield_core.train.session import train_run

THRESHOLDS = (20.0, 25.0, 28.0, 30.0, 35.0)


@dataclass(frozen=True)
class Point:
    """Held-out PSNR, dB, after so much training: wall and CPU seconds without evaluation."""

    step: int
    seconds: float
    cpu_seconds: float
    psnr: float


class Interrupted(Exception):
    """A signal broke the measurement off; a part of a run has no result. code: the exit code of the program."""

    def __init__(self, code: int):
        super().__init__(code)
        self.code = code


def whole_run(
    method: str,
    data: str,
    *,
    seconds: float | None = None,
    overrides: Sequence[str] = (),
    every: int = 100,
    views: int = 6,
    thresholds: Sequence[float] = THRESHOLDS,
) -> dict[str, Any]:
    """Train as `radfield train` does and return the figures: the curve, when it passed the thresholds, the end result.

    The curve is of `views` views of the validation split, or of the test split where there is none, every so many
    steps; `final` is of every view of the test split, or of the validation split where there is none. A threshold
    counts as passed at the first point on or above it. Nothing is compiled during training: the check before it has
    called every kernel.

    Raises Interrupted if a signal breaks the training off, and UsageError, before it, for data with neither split.
    """
    before = machine()
    limits = [] if seconds is None else [f"trainer.max_seconds={seconds}"]
    rhythm = [f"trainer.eval_every={every}", f"trainer.eval_views={views}"]
    run = compose(get_registry(), method=method, data=data, overrides=[*rhythm, *limits, *overrides]).run
    split = _held_out(run)
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


def _held_out(run: RunConfig) -> str:
    """The split to measure the end result on."""
    scenes = Scenes(run)
    for split in ("test", "val"):
        with suppress(NoSuchSplit):
            if split in scenes.splits:
                scenes.get(split)
                return split
    raise UsageError(
        "the data has neither test nor validation views to measure with", path="--data",
        hint="add a split; radfield data inspect shows what is there",
    )  # fmt: skip


def _curve(run: RunConfig, out: Path) -> list[Point]:
    """Train into a folder; a point for each evaluation on the way, by the clocks of the run itself."""
    outcome = train_run(run, out=out, threads=str(torch.get_num_threads()), keep_folder=False)
    if outcome.exit_code:
        raise Interrupted(outcome.exit_code)
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [
        Point(row["step"], round(row["seconds"], 2), round(row["cpu_seconds"], 2), round(row["eval"]["psnr"], 3))
        for row in rows
        if "eval" in row
    ]


def _evaluated(out: Path, split: str) -> tuple[int, dict[str, float]]:
    """How many views a split has, and the metrics of all of them after training."""
    trained = open_run(out)
    scene = trained.scenes.get(split)
    results = evaluate_all(trained.model, trained.method, scene, trained.run.eval.rays_per_chunk, f"evaluate {split}")
    metrics = mean_metrics([result.metrics for result in results])
    return len(results), {name: round(value, 4) for name, value in metrics.items()}


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
