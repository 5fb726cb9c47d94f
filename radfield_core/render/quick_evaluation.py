"""A quick evaluation during training: metrics of a few views, and pictures of one of them."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from radfield_core.data.scene import Scene
from radfield_core.interfaces import Method, Model
from radfield_core.model import corrected_scene
from radfield_core.render.color_fit import IN_WORDS
from radfield_core.render.evaluation import evaluate_views
from radfield_core.render.pictures import make_pictures, save_pictures, strip
from radfield_core.render.results import mean_metrics
from radfield_core.render.views import evenly_spread, render_view, scaled
from radfield_core.runtime.progress import ProgressCallback

PICTURE_SIZE = 256  # pixels along the longer side; it is small because training waits until the picture is rendered
PROBE_SIZE = 32  # pixels along the longer side of the view whose time predicts the time of an evaluation
SMALLEST_SIZE = 48  # pixels along the longer side; an evaluation never shrinks a view further to save time


@dataclass(frozen=True)
class QuickResult:
    """The result of an evaluation of a few views.

    Attributes:
        metrics: name of a metric -> its mean over the views.
        views: number of views that were evaluated.
        of: number of views in the split.
        size: width and height of the first evaluated view, in pixels.
        pictures: name of a view -> kind -> picture, if pictures were asked for; see `comparison_pictures`.
        fit_color: value of `eval.fit_color` in the evaluation.
        reduced: True if, to save time, fewer or smaller views were evaluated than requested.
    """

    metrics: dict[str, float]
    views: int
    of: int
    size: tuple[int, int]
    reduced: bool = False
    fit_color: str = "none"
    pictures: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)

    @property
    def extent(self) -> tuple[int, tuple[int, int]]:
        """The number and the size of the evaluated views. Results with different extents cannot be compared."""
        return self.views, self.size

    def __str__(self) -> str:
        words = f"{self.views} of {self.of} views at {self.size[0]}×{self.size[1]}"
        return ", ".join(filter(None, (words, IN_WORDS[self.fit_color])))


class QuickEvaluation:
    """Evaluates a few evenly spread views of a split.

    Args:
        method: the method being trained.
        scene: the scene of the split.
        split: name of the split.
        count: number of views to evaluate.
        chunk: number of rays that are rendered at a time.
        scale: size of the evaluated views divided by the size of the data's images, at most 1.
        pictures: True to keep pictures of the evaluated views.
        fit_color: value of `eval.fit_color`; see `evaluate_views`.
    """

    def __init__(
        self,
        method: Method,
        scene: Scene,
        split: str,
        count: int,
        chunk: int,
        scale: float = 1.0,
        *,
        pictures: bool = False,
        fit_color: str = "none",
    ):
        self._pictures, self._fit_color = pictures, fit_color
        self.split, self.count = split, min(count, len(scene.cameras))
        self._method, self._scene, self._chunk, self._scale = method, scene, chunk, scale
        self._seconds_per_ray: float | None = None

    def __call__(self, model: Model, report: ProgressCallback, seconds: float = math.inf) -> QuickResult:
        """Evaluate the model on the chosen views, or on as many of them as the time limit allows.

        If the time does not suffice for a single view, its size is reduced.

        Args:
            model: the model.
            report: called repeatedly as report(number of rendered pixels, number of pixels of all chosen views).
            seconds: the time limit. The duration of the evaluation is predicted from the time of a small view.
        """
        views, scale = self._affordable(model, seconds)
        metrics, total = [], len(views)
        scene = corrected_scene(model, self._scene, self.split)
        pictures: dict[str, Mapping[str, np.ndarray]] = {}
        started, rays = time.perf_counter(), 0
        for number, view in enumerate(views):

            def report_view(done: int, of: int, number: int = number) -> None:
                report(number * of + done, total * of)

            looked = evaluate_views(
                model, self._method, scene, [view], self._chunk, report_view, scale,
                pictures=self._pictures, fit_color=self._fit_color,
            )  # fmt: skip
            result = next(looked)
            metrics.append(result.metrics)
            pictures |= {result.name: result.pictures} if self._pictures else {}
            rays += math.prod(self._size(view, scale))
        self._seconds_per_ray = (time.perf_counter() - started) / max(rays, 1)
        reduced = (len(views), scale) != (self.count, self._scale)
        size = self._size(views[0], scale) if views else (0, 0)
        return QuickResult(
            mean_metrics(metrics), len(views), len(self._scene.cameras), size, reduced, self._fit_color, pictures
        )

    def show(self, model: Model, folder: Path, name: str) -> list[Path]:
        """Write small pictures of the first chosen view as `<name>_<kind>.png`, and return the files."""
        scene = corrected_scene(model, self._scene, self.split)
        view = scene.cameras.view(self._views(max(self.count, 1))[0])
        camera = scaled(view.camera, min(1.0, PICTURE_SIZE / max(view.camera.width, view.camera.height)))
        rendered = render_view(model, self._method, scene, replace(view, camera=camera), self._chunk)
        return save_pictures(make_pictures(rendered, camera.width, camera.height), folder, name)

    def strip(self, model: Model, seconds: float) -> np.ndarray | None:
        """Return a strip of pictures of the first chosen view; see `pictures.strip`. Return None if time is too short.

        Args:
            model: the model.
            seconds: time limit. Within it, the pictures are as large as possible, up to `PICTURE_SIZE`.
        """
        scene, (view,) = corrected_scene(model, self._scene, self.split), self._views(max(self.count, 1))[:1]
        longest = max(self._scene.cameras.sizes[view].tolist())
        scale, limit = min(1.0, PICTURE_SIZE / longest), min(1.0, SMALLEST_SIZE / longest)
        if not math.isinf(seconds):
            rays = math.prod(self._size(view, scale))
            if self._seconds_per_ray is None:
                self._seconds_per_ray = self._probe(model, view, seconds / rays)
            scale *= math.sqrt(min(1.0, max(0.0, seconds) / max(self._seconds_per_ray * rays, 1e-12)))
        if scale < limit:
            return None
        looked = evaluate_views(
            model, self._method, scene, [view], self._chunk, scale=scale, pictures=True, fit_color=self._fit_color
        )
        return strip(next(looked).pictures)

    def _affordable(self, model: Model, seconds: float) -> tuple[Sequence[int], float]:
        """Return the views that can be evaluated within a time limit, and their scale."""
        views = self._views(self.count)
        if math.isinf(seconds) or not views:
            return views, self._scale
        sizes = [self._size(view, self._scale) for view in views]
        rays_per_view = sum(map(math.prod, sizes)) / len(sizes)
        if self._seconds_per_ray is None:
            self._seconds_per_ray = self._probe(model, views[0], seconds / (rays_per_view * len(views)))
        share = seconds / max(self._seconds_per_ray * rays_per_view, 1e-12)
        if share >= 1.0:
            return self._views(min(self.count, int(share))), self._scale
        (view,) = self._views(1)
        smallest = SMALLEST_SIZE / max(self._scene.cameras.sizes[view].tolist())
        return [view], min(self._scale, max(self._scale * math.sqrt(max(share, 0.0)), smallest))

    def _probe(self, model: Model, index: int, enough: float) -> float:
        """Return the time per ray in seconds, measured on a small view.

        If the first measurement exceeds `enough`, it may include the compilation of kernels, so a second one is made
        and used.
        """
        view = self._scene.cameras.view(index)
        camera = scaled(view.camera, min(1.0, PROBE_SIZE / max(view.camera.width, view.camera.height)))
        measured = math.inf
        for _ in range(2):
            started = time.perf_counter()
            render_view(model, self._method, self._scene, replace(view, camera=camera), self._chunk)
            measured = (time.perf_counter() - started) / (camera.width * camera.height)
            if measured <= enough:
                break
        return measured

    def _views(self, count: int) -> list[int]:
        return evenly_spread(len(self._scene.cameras), count)

    def _size(self, view: int, scale: float) -> tuple[int, int]:
        """Return the width and the height at which a view is rendered."""
        camera = scaled(self._scene.cameras.camera(view), scale)
        return camera.width, camera.height
