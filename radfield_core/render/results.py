"""Summarize an evaluation: mean metrics of all views, mean metrics of each group, and the content of `results.json`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from radfield_core.render import camera_fit
from radfield_core.render.color_fit import PROTOCOLS
from radfield_core.render.evaluation import ViewResult
from radfield_core.render.image_metrics import PROTOCOL


def mean_metrics(results: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return the mean of each metric over those views for which the metric was computed."""
    names = dict.fromkeys(name for metrics in results for name in metrics)
    means = {}
    for name in names:
        values = [metrics[name] for metrics in results if name in metrics]
        means[name] = sum(values) / len(values)
    return means


def group_metrics(results: Sequence[ViewResult]) -> dict[str, dict[str, float]]:
    """Return a dictionary: group -> mean metrics of its views. The entry `views` is the number of views in the group.

    The groups are sorted by the position of their first view in `results`.
    """
    groups: dict[str, list[dict[str, float]]] = {}
    for result in results:
        if result.group is not None:
            groups.setdefault(result.group, []).append(result.metrics)
    return {name: {"views": len(metrics), **mean_metrics(metrics)} for name, metrics in groups.items()}


def results_table(
    results: Sequence[ViewResult], split: str, step: int, fit_color: str | None = None, fit_cameras: str = "none"
) -> dict[str, Any]:
    """Return the content of `results.json`.

    It has the mean metrics of all views, the mean metrics of each group (if there are groups), and the metrics of each
    view.

    Args:
        results: the evaluation of every view.
        split: name of the split.
        step: step of the checkpoint.
        fit_color: value of `eval.fit_color`; None for a run without a color map.
        fit_cameras: "half" if cameras were fitted to the left half of each image.
    """
    groups = group_metrics(results)
    protocol = [PROTOCOL]
    if fit_color is not None:
        protocol.append(PROTOCOLS[fit_color])
    if fit_cameras != "none":
        protocol.append(camera_fit.PROTOCOL)
    return {
        "metrics": mean_metrics([result.metrics for result in results]),
        **({"groups": groups} if groups else {}),
        "per_image": [
            {"name": result.name, **result.metrics, "seconds": round(result.seconds, 4)} for result in results
        ],
        "protocol": "; ".join(protocol),
        **({} if fit_color is None else {"fit_color": fit_color}),
        **({} if fit_cameras == "none" else {"fit_cameras": fit_cameras, "fitted_cameras": _movement(results)}),
        "split": split,
        "step": step,
    }


def _movement(results: Sequence[ViewResult]) -> dict[str, float]:
    """Return how far cameras were moved to fit them to their images: means over the views, in degrees and data
    units."""
    moved = [result.moved for result in results if result.moved is not None]
    degrees, distances = ([each[i] for each in moved] for i in range(2))
    n = max(1, len(moved))
    return {"mean_degrees": sum(degrees) / n, "mean_distance": sum(distances) / n}
