"""Means over all views and over groups, and the content of results.json."""

from __future__ import annotations

import pytest

from radfield_core.render.evaluation import ViewResult
from radfield_core.render.results import group_metrics, mean_metrics, results_table


def result(psnr: float, ssim: float, group: str | None) -> ViewResult:
    return ViewResult("view", {"psnr": psnr, "ssim": ssim}, 0.12345, group)


def test_each_group_has_the_mean_of_its_own_views_in_the_order_of_the_views() -> None:
    results = [result(20, 0.5, "full"), result(30, 0.7, "1/2"), result(22, 0.7, "full"), result(34, 0.9, "1/2")]
    groups = group_metrics(results)
    assert list(groups) == ["full", "1/2"]
    assert groups["full"] == pytest.approx({"views": 2, "psnr": 21, "ssim": 0.6})
    assert groups["1/2"] == pytest.approx({"views": 2, "psnr": 32, "ssim": 0.8})
    summary = results_table(results, "test", 3)
    assert summary["groups"] == groups and summary["metrics"]["psnr"] == pytest.approx(26.5)


def test_views_without_groups_have_no_table_of_groups() -> None:
    assert "groups" not in results_table([result(20, 0.5, None)], "test", 3)


def test_a_mean_is_over_the_views_that_have_the_metric() -> None:
    results = [ViewResult("a", {"psnr": 20.0}, 1.0), ViewResult("b", {"psnr": 30.0, "ssim": 0.5}, 1.0)]
    summary = results_table(results, "test", 7)
    assert summary["metrics"] == mean_metrics([r.metrics for r in results]) == {"psnr": 25.0, "ssim": 0.5}
    assert [view["name"] for view in summary["per_image"]] == ["a", "b"]
    assert summary["step"] == 7 and summary["split"] == "test" and "8 bits" in summary["protocol"]


def test_the_mean_movement_of_fitted_cameras_is_stated() -> None:
    results = [ViewResult("a", {"psnr": 20.0}, 1.0, moved=(1.0, 0.5)), ViewResult("b", {}, 1.0, moved=(3.0, 0.1))]
    fitted = results_table(results, "test", 7, fit_cameras="half")["fitted_cameras"]
    assert fitted == pytest.approx({"mean_degrees": 2.0, "mean_distance": 0.3})
    assert "fitted_cameras" not in results_table(results, "test", 7)
