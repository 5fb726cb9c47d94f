"""A quick evaluation during training: metrics of a few views, and pictures of one of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from radfield_core.data.scene import Scene
from radfield_core.interfaces import Method, Model
from radfield_core.render.evaluation import evaluate_views
from radfield_core.render.pictures import make_pictures, save_pictures
from radfield_core.render.results import mean_metrics
from radfield_core.render.views import evenly_spread, render_view, scaled
from radfield_core.runtime.progress import ProgressCallback

PICTURE_SIZE = 256  # pixels along the longer side; it is small because training waits until the picture is rendered


class QuickEvaluation:
    """Evaluates a few evenly spread views of a split.

    Args:
        method: the method being trained.
        scene: the scene of the split.
        split: name of the split.
        count: number of views to evaluate.
        chunk: number of rays that are rendered at a time.
    """

    def __init__(self, method: Method, scene: Scene, split: str, count: int, chunk: int):
        self.split = split
        self._method, self._scene, self._chunk = method, scene, chunk
        self._views = evenly_spread(len(scene.cameras), count)

    def __call__(self, model: Model, report: ProgressCallback) -> dict[str, float]:
        """Evaluate the model on the chosen views. Return the mean of each metric over these views.

        `report` is called repeatedly as report(number of rendered pixels, number of pixels of all chosen views).
        """
        metrics, total = [], len(self._views)
        for number, view in enumerate(self._views):

            def report_view(done: int, of: int, number: int = number) -> None:
                report(number * of + done, total * of)

            (result,) = evaluate_views(model, self._method, self._scene, [view], self._chunk, report_view)
            metrics.append(result.metrics)
        return mean_metrics(metrics)

    def show(self, model: Model, folder: Path, name: str) -> list[Path]:
        """Write small pictures of the first chosen view as `<name>_<kind>.png`, and return the files."""
        view = self._scene.cameras.view(self._views[0])
        camera = scaled(view.camera, min(1.0, PICTURE_SIZE / max(view.camera.width, view.camera.height)))
        rendered = render_view(model, self._method, self._scene, replace(view, camera=camera), self._chunk)
        return save_pictures(make_pictures(rendered, camera.width, camera.height), folder, name)
