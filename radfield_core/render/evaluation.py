"""Evaluation: views of a split, rendered and compared with their images by the NerfBaselines protocol."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from radfield_core.data.scene import Scene
from radfield_core.interfaces import Method, Model
from radfield_core.render.backgrounds import background_for, on_background
from radfield_core.render.image_metrics import PROTOCOL, psnr, rounded, ssim
from radfield_core.render.pictures import pictures, render, save_pictures, scaled
from radfield_core.runtime.progress import ProgressCallback, tracked

PICTURE_SIZE = 256  # pixels along the longer side of a picture that training stops for


@dataclass(frozen=True)
class ViewResult:
    """One view: its metrics, the seconds that rendering it took, and the group it belongs to, if views have any."""

    name: str
    metrics: dict[str, float]
    seconds: float
    group: str | None = None


def evaluate_views(
    model: Model, method: Method, scene: Scene, views: Sequence[int], chunk: int, report: ProgressCallback | None = None
) -> Iterator[ViewResult]:
    """Results of some views, one at a time. Where a scene has masks, `psnr_masked` is that of the pixels inside.

    report(done, of) is called on the way through each view, with its pixels.
    """
    for index in views:
        started = time.perf_counter()
        rendered = render(model, method, scene, scene.cameras.view(index), chunk, report)
        pixels = scene.images[index]
        height, width = pixels.shape[:2]
        assert rendered.rgb is not None  # the model saw to it
        rgb = rendered.rgb.float().cpu().view(height, width, 3)
        seconds = time.perf_counter() - started
        background = background_for(scene, method, None, 1, torch.device("cpu"))
        on = None if background is None else background[0].expand(height, width, 3)
        truth = on_background(pixels, on)
        shown, wanted = rounded(rgb), rounded(truth)
        metrics = {"psnr": psnr(shown, wanted)}
        if min(height, width) >= 11:
            metrics["ssim"] = ssim(shown, wanted)
        if scene.masks is not None:
            mask = scene.masks[index][..., -1].to(torch.float64) / 255.0
            if bool(mask.any()):
                metrics["psnr_masked"] = psnr(shown, wanted, mask)
        name = scene.names[index] if scene.names else f"{index:04d}"
        yield ViewResult(name, metrics, seconds, scene.groups[index] if scene.groups else None)


def evaluate_all(
    model: Model, method: Method, scene: Scene, chunk: int, title: str, *, quiet: bool = False
) -> list[ViewResult]:
    """Results of every view of a scene, with progress."""
    return [
        result
        for view, report in tracked(range(len(scene.cameras)), title, quiet=quiet)
        for result in evaluate_views(model, method, scene, [view], chunk, report)
    ]


def mean_metrics(results: Sequence[dict[str, float]]) -> dict[str, float]:
    """The mean of each metric over the views that have it."""
    names = dict.fromkeys(name for metrics in results for name in metrics)
    means = {}
    for name in names:
        values = [metrics[name] for metrics in results if name in metrics]
        means[name] = sum(values) / len(values)
    return means


def group_metrics(results: Sequence[ViewResult]) -> dict[str, dict[str, float]]:
    """Mean metrics of each group of views, with its number of views, in the order in which groups first occur."""
    groups: dict[str, list[dict[str, float]]] = {}
    for result in results:
        if result.group is not None:
            groups.setdefault(result.group, []).append(result.metrics)
    return {name: {"views": len(metrics), **mean_metrics(metrics)} for name, metrics in groups.items()}


def results_table(results: Sequence[ViewResult], split: str, step: int) -> dict[str, Any]:
    """What `results.json` holds."""
    groups = group_metrics(results)
    return {
        "metrics": mean_metrics([result.metrics for result in results]),
        **({"groups": groups} if groups else {}),
        "per_image": [
            {"name": result.name, **result.metrics, "seconds": round(result.seconds, 4)} for result in results
        ],
        "protocol": PROTOCOL,
        "split": split,
        "step": step,
    }


def spread(n: int, count: int) -> list[int]:
    """`count` of n views, evenly spread."""
    count = min(n, count)
    return [(2 * i + 1) * n // (2 * count) for i in range(count)]


class QuickEvaluation:
    """Evaluates a few evenly spread views of a split, as training does now and then."""

    def __init__(self, method: Method, scene: Scene, split: str, count: int, chunk: int):
        self.split = split
        self._method, self._scene, self._chunk = method, scene, chunk
        self._views = spread(len(scene.cameras), count)

    def __call__(self, model: Model, report: ProgressCallback) -> dict[str, float]:
        """Mean metrics of the views; report(done, of) is called on the way, with their pixels."""
        metrics, total = [], len(self._views)
        for number, view in enumerate(self._views):

            def within(done: int, of: int, number: int = number) -> None:
                report(number * of + done, total * of)

            (result,) = evaluate_views(model, self._method, self._scene, [view], self._chunk, within)
            metrics.append(result.metrics)
        return mean_metrics(metrics)

    def show(self, model: Model, folder: Path, name: str) -> list[Path]:
        """Write small pictures of the first of the views; returns the files."""
        view = self._scene.cameras.view(self._views[0])
        camera = scaled(view.camera, min(1.0, PICTURE_SIZE / max(view.camera.width, view.camera.height)))
        rendered = render(model, self._method, self._scene, replace(view, camera=camera), self._chunk)
        return save_pictures(pictures(rendered, camera.width, camera.height), folder, name)
