"""Learning curves: the PSNR of held-out views over the seconds of training."""

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
from radfield_core.config.layers import compose
from radfield_core.config.run import RunConfig
from radfield_core.errors import NoSuchSplit, UsageError, unwritable
from radfield_core.files.durable import write_durably
from radfield_core.names import quoted
from radfield_core.plugins.registry import get_registry
from radfield_core.render.evaluation import evaluate_all
from radfield_core.render.results import mean_metrics
from radfield_core.runs.scenes import Scenes
from radfield_core.runs.trained import open_run
from radfield_core.train.session import train_run

THRESHOLDS = (20.0, 25.0, 28.0, 30.0, 35.0)  # dB


@dataclass(frozen=True)
class Point:
    """A point of a learning curve.

    Attributes:
        step: number of training steps.
        seconds: wall time of training up to this step, without evaluation.
        cpu_seconds: CPU time of training up to this step, without evaluation.
        psnr: mean PSNR of the held-out views, in dB.
    """

    step: int
    seconds: float
    cpu_seconds: float
    psnr: float


class Interrupted(Exception):
    """A signal ended the benchmark before there was a result. `code` is the exit code for the program."""

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
    """Train a run as `radfield train` does, and measure its learning curve.

    The measured times include only training steps. They exclude evaluations, and the compilation of kernels before the
    first step.

    Args:
        method: name of a method or of one of its presets.
        data: path of the data set.
        seconds: limit of the training time. By default, the limit that the method sets is used.
        overrides: options, each as "key=value".
        every: number of steps between two points of the curve.
        views: number of views that are evaluated for each point of the curve.
        thresholds: PSNR values in dB. The result states when the curve reached each of these values.

    Returns:
        `curve`: the points of the curve, measured on the validation split or, if there is none, on the test split.
        `reached`: threshold -> the times at which the curve first reached it.
        `final`: the mean metrics of all views of the test split or, if there is none, of the validation split.
        The other keys describe the run and the machine.

    Raises:
        UsageError: the data has neither a test nor a validation split. The error is raised before training starts.
        Interrupted: a signal ended the training.
    """
    before = machine()
    limits = [] if seconds is None else [f"trainer.max_seconds={seconds}"]
    points_at = [f"trainer.eval_every={every}", f"trainer.eval_views={views}", "trainer.eval_share=none"]
    run = compose(get_registry(), method=method, data=data, overrides=[*points_at, *limits, *overrides]).run
    if not run.trainer.eval_views:
        raise UsageError("a learning curve needs views to evaluate", path="trainer.eval_views", hint="--views 6")
    split = _held_out(run, data)
    with tempfile.TemporaryDirectory(prefix="radfield-bench-") as folder:
        out = Path(folder) / "run"
        points = _train(run, out)
        final = {"split": split, **asdict(points[-1]), **_evaluate(out, split)}
    return {
        "method": method,
        "data": Path(data).name,
        "overrides": list(overrides),
        "max_seconds": seconds,
        "machine": before,
        "load_average_after": machine()["load_average"],
        "final": final,
        "reached": reached(points, thresholds),
        "curve": [asdict(point) for point in points],
        "peak_memory_mib": _peak_memory(),
    }


def _held_out(run: RunConfig, data: str) -> str:
    """Return the split that is evaluated after training: "test" or, if there is no test split, "val"."""
    scenes = Scenes(run)
    for split in ("test", "val"):
        with suppress(NoSuchSplit):
            if split in scenes.splits:
                scenes.get(split)
                return split
    raise UsageError(
        "the data set has neither a test nor a validation split to evaluate",
        path="--data",
        hint=f"radfield data inspect {quoted(data)}",
    )


def _train(run: RunConfig, out: Path) -> list[Point]:
    """Train a run in the folder `out`, and read the points of the learning curve from its log."""
    outcome = train_run(run, out=out, threads=str(torch.get_num_threads()), keep_folder=False)
    if outcome.exit_code:
        raise Interrupted(outcome.exit_code)
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [
        Point(row["step"], round(row["seconds"], 2), round(row["cpu_seconds"], 2), round(row["eval"]["psnr"], 3))
        for row in rows
        if "eval" in row
    ]


def _evaluate(out: Path, split: str) -> dict[str, float]:
    """Evaluate a split after training. Return its mean metrics, and the number of its views under the key `views`."""
    trained = open_run(out)
    scene = trained.scenes.get(split)
    options = trained.run.eval
    results = evaluate_all(
        trained.model, trained.method, scene, options.rays_per_chunk, f"evaluate {split}", fit_color=options.fit_color
    )
    metrics = mean_metrics([result.metrics for result in results])
    return {"views": len(results), **{name: round(value, 4) for name, value in metrics.items()}}


def reached(points: Sequence[Point], thresholds: Sequence[float]) -> dict[str, dict[str, float] | None]:
    """For each threshold in dB, find the first point of the curve whose PSNR is at least this threshold.

    Return threshold -> wall seconds and CPU seconds of this point, or None if there is no such point.
    """
    found: dict[str, dict[str, float] | None] = {}
    for threshold in thresholds:
        first = next((point for point in points if point.psnr >= threshold), None)
        times = None if first is None else {"seconds": first.seconds, "cpu_seconds": first.cpu_seconds}
        found[f"{threshold:g}"] = times
    return found


def _peak_memory() -> float | None:
    """Return the peak resident memory of this process, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if platform.system() == "Darwin" else 2**10), 1)


def plot(results: Mapping[str, Any], path: Path) -> None:
    """Draw the learning curve that `whole_run` returned, and write the picture as a PNG file.

    One line shows PSNR against the wall seconds of training, and another shows PSNR against the CPU seconds.

    Raises:
        StorageError: the file cannot be written. The message names the file.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.add_subplot()
    psnr = [point["psnr"] for point in results["curve"]]
    for clock, style in (("seconds", "-o"), ("cpu_seconds", "--")):
        times = [point[clock] for point in results["curve"]]
        axes.plot(times, psnr, style, markersize=3, label=clock.replace("_", " "))
    axes.set_xlabel("training, s")
    axes.set_ylabel("held-out PSNR, dB")
    axes.set_title(f"{results['method']} on {results['data']}, threads: {results['machine']['threads']}")
    axes.grid(alpha=0.3)
    axes.legend()
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=120)
    try:
        write_durably(path, picture.getvalue())
    except OSError as error:
        raise unwritable(error, path) from error
