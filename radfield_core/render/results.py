"""Results of an evaluation: mean metrics of all views and of each group of views, and the content of `results.json`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from radfield_core.render.evaluation import ViewResult
from radfield_core.render.image_metrics import PROTOCOL


def mean_metrics(results: Sequence[dict[str, float]]) -> dict[str, float]:
    """The mean of each metric over the views that have it."""
    names = dict.fromkeys(name for metrics in results for name in metrics)
    means = {}
    for name in names:
        values = [metrics[name] for metrics in results if name in metrics]
        means[name] = sum(values) / len(values)
    return means


def group_metrics(results: Sequence[ViewResult]) -> dict[str, dict[str, float]]:
    """The mean metrics of each group of views, and the number of its views as `views`.

    The groups are in the order in which their first views appear.
    """
    groups: dict[str, list[dict[str, float]]] = {}
    for result in results:
        if result.group is not None:
            groups.setdefault(result.group, []).append(result.metrics)
    return {name: {"views": len(metrics), **mean_metrics(metrics)} for name, metrics in groups.items()}


def results_table(results: Sequence[ViewResult], split: str, step: int) -> dict[str, Any]:
    """The content of `results.json`: the mean metrics, the metrics of each group (if any) and those of each view."""
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
