"""Results of a trained run: evaluations, measurements, pictures and videos."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from radfield_core.cameras import View
from radfield_core.config.fit import check_part
from radfield_core.config.slots import Choice
from radfield_core.data.bad_images import find_bad_images, raise_if_any
from radfield_core.data.scene import Scene
from radfield_core.errors import UsageError, unwritable
from radfield_core.interfaces import Metric
from radfield_core.model import Corrections, color_map_of
from radfield_core.model.answers import check_answers
from radfield_core.names import plural
from radfield_core.plugins.registry import get_registry
from radfield_core.render.color_fit import required_color_map
from radfield_core.render.evaluation import ViewResult, evaluate_all
from radfield_core.render.image_metrics import MORE_METRICS
from radfield_core.render.look import Look
from radfield_core.render.lpips import Lpips
from radfield_core.render.pictures import make_pictures, save_pictures
from radfield_core.render.raw import raw_maps, save_raw
from radfield_core.render.results import results_table
from radfield_core.render.videos import check_format, write_video
from radfield_core.render.views import evenly_spread, framed, posed, render_view, view_names
from radfield_core.runs.observers import Observers
from radfield_core.runs.stored_results import place_for
from radfield_core.runs.trained import Trained
from radfield_core.runs.video_paths import VideoPath, video_path
from radfield_core.runtime.progress import ProgressCallback, tracked
from radfield_core.types import Rendered

FEW = 4
"""Default number of views to render."""

USUAL = Look()
"""The default look: the size of the data's images, and the background that evaluation uses."""

logger = logging.getLogger(__name__)


def evaluate_split(
    trained: Trained,
    split: str,
    *,
    fit_color: str | None = None,
    fit_cameras: str = "none",
    also: Collection[str] = (),
    lpips: Lpips | None = None,
    look: Callable[[ViewResult], None] | None = None,
    quiet: bool = False,
) -> dict[str, Any]:
    """Evaluate every view of a split.

    Args:
        trained: the run.
        split: name of the split, such as "test".
        fit_color: "none" or "half", as the option `eval.fit_color`; None for the run's own option.
        fit_cameras: "half" fits the camera of each view to the left half of its image, and measures the right half.
        also: metrics to compute in addition, of `MORE_METRICS`.
        lpips: LPIPS with its weights, to compute it too.
        look: function that gets each view with its pictures.
        quiet: show no progress.

    Returns:
        The content of `results.json`: mean metrics, metrics per group and per view, the split and the step. If training
        cameras were corrected, `cameras` says by how much.

    Raises:
        UsageError: the data has no such split, `fit_color` is "half" and the run has no color map, or `fit_cameras` is
            "half" and rays are in NDC.
        DatasetError: the split is empty, or some of its images cannot be read.
    """
    scene = trained.scenes.get(split)
    raise_if_any(find_bad_images(scene, split, None, quiet=quiet))
    chunk, fit = trained.run.eval.rays_per_chunk, fit_color or trained.run.eval.fit_color
    if fit == "half":
        required_color_map(trained.model)
    title = f"evaluate {split}"
    more = {name: MORE_METRICS[name] for name in also}
    if lpips is not None:
        more[lpips.network.name] = lpips.metric
    fits: dict[str, Any] = {"fit_color": fit, "fit_cameras": fit_cameras, "also": more}
    results = evaluate_all(trained.model, trained.method, scene, chunk, title, quiet=quiet, look=look, **fits)
    for name, metric in more.items():
        if left_out := sum(name not in result.metrics for result in results):
            least = metric.least_size
            logger.warning("%s is not computed for %s smaller than %d pixels", name, plural(left_out, "image"), least)
    has_map = color_map_of(trained.model) is not None
    summary = results_table(results, split, trained.step, fit if has_map else None, fit_cameras)
    if lpips is not None:
        summary["lpips_weights"] = {"metric": lpips.network.name, "sha256": lpips.checksum}
    corrections = Corrections.of(trained.model)
    if corrections is not None:
        summary["cameras"] = corrections.described(scene.to_data)
    observers = Observers(get_registry())
    observers.tell("radfield_evaluated", step=trained.step, split=split, metrics=summary["metrics"])
    return summary


def camera_lines(results: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines that say how far cameras were moved: by training, and to fit them to their images.

    Args:
        results: the content of `results.json`.
    """
    if fitted := results.get("fitted_cameras"):
        yield (
            f"{results['split']} cameras were fitted to their images: moved by {fitted['mean_degrees']:.2f}° and "
            f"{fitted['mean_distance']:.3g} on average"
        )
    if "cameras" not in results:
        return
    cameras, common = results["cameras"], results["cameras"]["common"]
    focal = f", focal lengths × {cameras['focal_factor']:.4f}" if cameras["focal_factor"] != 1.0 else ""
    yield (
        f"training cameras were corrected by {cameras['mean_rotation_degrees']:.2f}° and a shift of "
        f"{cameras['mean_shift']:.3g} on average{focal}"
    )
    if results["split"] != "train":
        yield (
            f"{results['split']} cameras follow their common movement: {common['rotation_degrees']:.2f}°, scale "
            f"{common['scale']:.4f}, shift {common['shift']:.3g}"
        )


def results_name(split: str) -> str:
    """Return the name of the results of a split: "results" for the test split, and "results-SPLIT" for any other.

    Example:
        >>> results_name("test"), results_name("train")
        ('results', 'results-train')
    """
    return "results" if split == "test" else f"results-{split}"


def measure(trained: Trained, choice: Choice, split: str, reference: Path | None) -> dict[str, Any]:
    """Measure a run with a metric.

    Args:
        trained: the run.
        choice: the metric with its options.
        split: the split whose cameras the metric may use.
        reference: the file to compare with. If it is None, the metric uses the ground truth of the data set.

    Returns:
        The content of `<metric>.json`: the metric's name, the step, the reference and the measured values.

    Raises:
        UsageError: the run's parts do not provide what the metric needs.
        PluginError: the model of the run's method does not provide what its declaration promises.
    """
    check_part(choice, trained.run, get_registry())
    check_answers(trained.model, trained.run.method.component)
    metric: Metric = choice.load()(choice.config)
    name = choice.component.name
    found = metric.measure(
        trained.model, trained.scenes.get(split), reference, place_for(trained.folder, trained.checkpoint, name)
    )
    return {"metric": name, "step": trained.step, "reference": str(reference or "the data's own"), **found}


def group_table(groups: Mapping[str, Mapping[str, float]], means: Mapping[str, float]) -> Iterator[str]:
    """Yield the lines of a table of metrics: a header, one row per group of views, and a row for the mean.

    If there are no groups, yield nothing.
    """
    if groups:
        yield f"{'':8}" + "".join(f"{name.upper():>12}" for name in means)
        for name, metrics in [*groups.items(), ("mean", means)]:
            values = (format(metrics.get(key, math.nan), ".2f" if key == "psnr" else ".4f") for key in means)
            yield f"{name:8}" + "".join(f"{value:>12}" for value in values)


def value_lines(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield a line with the name and the value of each entry. The names of nested tables are joined with dots."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from value_lines(value, f"{prefix}{key}.")
        else:
            yield f"{prefix + key:28} {value:.6g}" if isinstance(value, float) else f"{prefix + key:28} {value}"


def render_split(
    trained: Trained,
    split: str,
    views: str | None,
    out: Path,
    *,
    look: Look = USUAL,
    raw: str | None = None,
    show: Callable[[np.ndarray], None] | None = None,
    quiet: bool = False,
) -> list[Path]:
    """Render views of a split and write their pictures to files.

    Args:
        trained: the run.
        split: name of the split.
        views: "all", a number such as "5" for that many evenly spread views, or view numbers such as "0,5,9"; None for
            a few views.
        out: folder for the pictures.
        look: size, background and crop of the pictures.
        raw: "npy", "pfm" or "exr" to write depth, opacity and normals also as numbers in data units.
        show: function that gets the color picture [H, W, 3] of each view.
        quiet: show no progress.

    Returns:
        The paths of the files that were written.
    """
    scene = trained.scenes.views(split)
    indices = chosen_views(scene, views)
    check_look(trained, look)
    written = []
    names = [name + _kind(look) for name in view_names(scene, split, indices)]
    named = list(zip(indices, names, strict=True))
    for (index, name), within in tracked(named, f"render {split}", quiet=quiet):
        given = scene.cameras.camera(index)
        view = posed(scene, scene.cameras.c2w[index], framed(given, look), given)
        rendered = _rendered(trained, split, view, within, look)
        width, height = view.camera.width, view.camera.height
        shown = make_pictures(rendered, width, height, transparent=look.transparent)
        maps = {} if raw is None else raw_maps(rendered, scene, width, height)
        try:
            written += save_pictures(shown, out, name)
            written += [] if raw is None else save_raw(maps, out, name, raw)
        except OSError as error:
            raise unwritable(error, out) from error
        if show is not None and "rgb" in shown:
            show(shown["rgb"][..., :3])
    return written


def render_path(
    trained: Trained,
    path: str | VideoPath,
    n_frames: int | None,
    out: Path,
    *,
    video: str = "mp4",
    look: Look = USUAL,
    quiet: bool = False,
) -> Path:
    """Write a video along a camera path.

    Args:
        trained: the run.
        path: name of the camera path, such as "turntable"; "auto" chooses one that suits the cameras. Or the path
            itself, whose views already have the size that `look` sets.
        n_frames: number of frames, if the path is a name.
        out: folder for the video.
        video: the format, one of `render.videos.FORMATS`.
        look: size, background and crop of the frames.
        quiet: show no progress.

    Returns:
        The path of the file that was written, which is `<path>.<format>` in the folder `out`. If the camera is not that
        of the data, its kind follows the path's name.
    """
    if isinstance(path, str):
        path = video_path(trained.scenes, path, n_frames, look)
    views, first = path.views, path.views[0].camera
    check_look(trained, look)
    check_format(video, len(views), first.width, first.height)

    def frames() -> Iterator[np.ndarray]:
        for view, within in tracked(views, f"render {path.name}", quiet=quiet):
            rendered = _rendered(trained, "train", view, within, look)
            yield make_pictures(rendered, view.camera.width, view.camera.height)["rgb"]

    file = out / f"{path.name}{_kind(look)}.{video}"
    try:
        return write_video(file, frames(), path.fps)
    except OSError as error:
        raise unwritable(error, file) from error


def chosen_views(scene: Scene, views: str | None) -> list[int]:
    """Return the numbers of the views that `render_split` renders: those that a text selects, or a few."""
    n = len(scene.cameras)
    return evenly_spread(n, FEW) if views is None else choose_views(views, n)


def choose_views(text: str, n: int) -> list[int]:
    """Return the indices of the views that a text selects.

    Example:
        >>> choose_views("all", 3), choose_views("2", 10), choose_views("0,9", 10)
        ([0, 1, 2], [2, 7], [0, 9])

    Args:
        text: "all", a number of evenly spread views, or view numbers such as "0,5,9".
        n: number of views.

    Raises:
        UsageError: the text asks for more than `n` views, has a view number of `n` or more, or has a word that is not a
            number.
    """
    if text == "all":
        return list(range(n))
    if text.isdecimal() and int(text) > n:
        raise UsageError(
            f"{text} views are asked for, but the split has {n}; {text!r} is a number of views",
            path="--views",
            hint=f"--views all, or a list of view numbers: --views 0,{n - 1}",
        )
    if text.isdecimal():
        return evenly_spread(n, int(text))
    words = [word.strip() for word in text.split(",") if word.strip()]
    bad = [word for word in words if not word.isdecimal() or int(word) >= n]
    if bad or not words:
        raise UsageError(
            f"no such views: {', '.join(bad) or repr(text)}; views are numbered 0 to {n - 1}",
            path="--views",
            hint=f"--views all, or --views 0,{n - 1}",
        )
    return [int(word) for word in words]


def check_look(trained: Trained, look: Look) -> None:
    """Raise UsageError if a run cannot be rendered with a look. Warn if the background of the look is hardly
    visible."""
    if look.camera == "equirectangular" and trained.scenes.views("train").ndc:
        message = "the scene is modeled in NDC, which ends behind its cameras, so it has no panorama"
        raise UsageError(message, path="--camera", hint="--camera data")
    behind = getattr(trained.model, "background", None) is not None and look.box is None
    if behind and look.transparent:
        message = "this run has a learned background, so its pictures cannot be transparent"
        raise UsageError(message, path="--background", hint="Cut the object out: --crop X0,Y0,Z0,X1,Y1,Z1")
    if behind and look.background is not None:
        logger.warning(
            "this run has a learned background; the color of --background is visible only where that is transparent"
        )


def _kind(look: Look) -> str:
    """Return the end of the names of pictures, so that those of another camera replace none of the data's camera."""
    return "" if look.camera == "data" else f"-{look.camera}"


def _rendered(trained: Trained, split: str, view: View, report: ProgressCallback, look: Look) -> Rendered:
    """Render a view of a split, or one along a path."""
    scene, chunk = trained.scenes.views(split), trained.run.eval.rays_per_chunk
    return render_view(trained.model, trained.method, scene, view, chunk, report, look)
