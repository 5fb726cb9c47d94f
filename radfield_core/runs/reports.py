"""What is made of a trained run: results.json, pictures and videos, with progress."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from radfield_core.cameras import View
from radfield_core.config.fit import check_part
from radfield_core.config.slots import Choice
from radfield_core.data.bad_images import find_bad_images, raise_if_any
from radfield_core.errors import UsageError, unwritable
from radfield_core.files.durable import dump_json, write_durably
from radfield_core.interfaces import Metric
from radfield_core.plugins.observers import Observers
from radfield_core.plugins.registry import get_registry
from radfield_core.render.camera_paths import camera_path
from radfield_core.render.evaluation import evaluate_all
from radfield_core.render.image_metrics import format_metrics
from radfield_core.render.pictures import make_pictures, save_pictures
from radfield_core.render.results import results_table
from radfield_core.render.videos import check_format, write_video
from radfield_core.render.views import evenly_spread, path_views, render_view, scaled, view_names
from radfield_core.runs.trained import Trained
from radfield_core.runtime.progress import ProgressCallback, tracked


def evaluate_split(trained: Trained, split: str, *, quiet: bool = False) -> dict[str, float]:
    """Evaluate every view of a split, print the means, which are returned, and write them and each view's.

    The test split's go to `results.json`, another one's to `results-<split>.json`.
    """
    _warn(trained)
    scene = trained.scenes.get(split)
    chunk = trained.run.eval.rays_per_chunk
    raise_if_any(find_bad_images(scene, split, None, quiet=quiet))
    results = evaluate_all(trained.model, trained.method, scene, chunk, f"evaluate {split}", quiet=quiet)
    summary = results_table(results, split, trained.step)
    metrics: dict[str, float] = summary["metrics"]
    Observers(get_registry()).tell("radfield_evaluated", step=trained.step, split=split, metrics=metrics)
    for line in _table(summary.get("groups", {}), metrics):
        print(line)
    print(f"{split}, {len(results)} views, step {trained.step}: {format_metrics(metrics)}")
    _write(summary, trained.folder.results if split == "test" else trained.folder.path / f"results-{split}.json")
    return metrics


def _write(summary: Mapping[str, Any], path: Path) -> None:
    """Write numbers, which have been shown by now, and print the file."""
    try:
        write_durably(path, dump_json(summary, indent=2) + "\n")
    except OSError as error:
        raise unwritable(error, path) from error
    print(path)


def _table(groups: Mapping[str, Mapping[str, float]], means: Mapping[str, float]) -> Iterator[str]:
    """Lines of a table with one row for each group of views and one for the mean over all; none without groups."""
    if groups:
        yield f"{'':8}" + "".join(f"{name.upper():>12}" for name in means)
        for name, metrics in [*groups.items(), ("mean", means)]:
            values = (format(metrics.get(key, math.nan), ".2f" if key == "psnr" else ".4f") for key in means)
            yield f"{name:8}" + "".join(f"{value:>12}" for value in values)


def measure(trained: Trained, choice: Choice, split: str, reference: Path | None) -> dict[str, Any]:
    """Measure a run with a metric part, print the numbers, which are returned, and write `<metric>.json`."""
    _warn(trained)
    check_part(choice, trained.run, get_registry())
    metric: Metric = choice.load()(choice.config)
    name = choice.component.name
    found = metric.measure(trained.model, trained.scenes.get(split), reference, trained.folder.path / name)
    summary = {"metric": name, "step": trained.step, "reference": str(reference or "the data's own"), **found}
    for line in _listed(found, ""):
        print(line)
    _write(summary, trained.folder.path / f"{name}.json")
    return found


def _listed(numbers: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for key, value in numbers.items():
        if isinstance(value, Mapping):
            yield from _listed(value, f"{prefix}{key}.")
        else:
            yield f"{prefix + key:28} {value:.6g}" if isinstance(value, float) else f"{prefix + key:28} {value}"


def render_split(
    trained: Trained, split: str, views: str, out: Path, *, scale: float = 1.0, quiet: bool = False
) -> list[Path]:
    """Write pictures of views of a split: "all", a number of evenly spread ones, or "0,5,9". Returns the files."""
    _warn(trained)
    scene = trained.scenes.get(split)
    indices = choose_views(views, len(scene.cameras))
    written = []
    named = list(zip(indices, view_names(scene, split, indices), strict=True))
    for (index, name), within in tracked(named, f"render {split}", quiet=quiet):
        view = View(scene.cameras.c2w[index], scaled(scene.cameras.camera(index), scale))
        shown = _pictures(trained, split, view, within)
        try:
            written += save_pictures(shown, out, name)
        except OSError as error:
            raise unwritable(error, out) from error
    return written


def render_path(
    trained: Trained,
    path: str,
    n_frames: int,
    out: Path,
    *,
    video: str = "mp4",
    scale: float = 1.0,
    quiet: bool = False,
) -> Path:
    """Write a video along a camera path and return its file.

    video: the format, one of `render.videos.FORMATS`.
    """
    _warn(trained)
    scene = trained.scenes.get("train")
    name, c2w = camera_path(scene, path, n_frames)
    views = path_views(scene, c2w, scale)
    check_format(video, n_frames, views[0].camera.width, views[0].camera.height)

    def frames() -> Iterator[np.ndarray]:
        for view, within in tracked(views, f"render {name}", quiet=quiet):
            yield _pictures(trained, "train", view, within)["rgb"]

    file = out / f"{name}.{video}"
    try:
        return write_video(file, frames())
    except OSError as error:
        raise unwritable(error, file) from error


def choose_views(text: str, n: int) -> list[int]:
    """Numbers of views from "all", "6" (that many, evenly spread) or "0,5,9". Raises UsageError naming bad ones."""
    if text == "all":
        return list(range(n))
    if text.isdecimal():
        return evenly_spread(n, int(text))
    words = [word.strip() for word in text.split(",") if word.strip()]
    bad = [word for word in words if not word.isdecimal() or int(word) >= n]
    if bad or not words:
        raise UsageError(
            f"no views {', '.join(bad) or text!r}; there are 0 to {n - 1}", path="--views", hint="all, or 0,5"
        )
    return [int(word) for word in words]


def _pictures(trained: Trained, split: str, view: View, report: ProgressCallback) -> dict[str, np.ndarray]:
    scene, chunk = trained.scenes.get(split), trained.run.eval.rays_per_chunk
    rendered = render_view(trained.model, trained.method, scene, view, chunk, report)
    return make_pictures(rendered, view.camera.width, view.camera.height)


def _warn(trained: Trained) -> None:
    for remark in trained.remarks:
        print(f"warning: {remark}", file=sys.stderr)
