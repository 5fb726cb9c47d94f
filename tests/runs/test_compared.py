"""Views beside their true images: the same numbers as an evaluation, depths in the unit of the data, and no truth
without data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from radfield_core.errors import DatasetError, UsageError
from radfield_core.render.views import render_view
from radfield_core.runs import compared
from radfield_core.runs.compared import compared_views
from radfield_core.runs.reports import evaluate_split
from radfield_core.runs.trained import Trained


def test_metrics_at_full_size_are_those_of_an_evaluation(trained: Trained) -> None:
    found = list(compared_views(trained, "test", [2, 0], side=1000))
    rows = evaluate_split(trained, "test", quiet=True)["per_image"]
    assert [view.index for view in found] == [2, 0]
    for view in found:
        assert view.name == rows[view.index]["name"]
        assert {key: rows[view.index][key] for key in view.metrics} == pytest.approx(dict(view.metrics), abs=1e-9)


def test_pictures_are_no_larger_than_asked_for(trained: Trained) -> None:
    (small,) = compared_views(trained, "val", [1], side=6)
    assert {picture.shape for picture in small.pictures.values()} == {(6, 6, 3)}
    assert set(small.pictures) == {"rendered", "truth", "error", "depth", "opacity"}, "too small for SSIM"
    assert small.seconds > 0 and set(small.metrics) == {"psnr"}


def test_depths_are_in_the_unit_of_the_data(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = trained.scenes.views("test")
    grown = scene.to_data.clone()
    grown[:3, :3] *= 2.5
    monkeypatch.setattr(trained.scenes, "views", lambda split: replace(scene, to_data=grown))
    (view,) = compared_views(trained, "test", [0], side=12)
    rendered = render_view(trained.model, trained.method, scene, scene.cameras.view(0), 4096)
    mean = rendered.depth / rendered.opacity
    low, high = np.quantile(mean[rendered.opacity > 0.5].double().numpy(), [0.02, 0.98])
    factor = 2.5 * float(torch.linalg.det(scene.to_data[:3, :3].double()) ** (1 / 3))
    assert view.depths == pytest.approx((factor * low, factor * high), rel=1e-5)
    monkeypatch.setattr(trained.scenes, "views", lambda split: replace(scene, ndc=True))
    monkeypatch.setattr(compared, "render_view", lambda *_: rendered)
    (view,) = compared_views(trained, "test", [0], side=12)
    assert view.depths is None


def test_without_data_a_view_has_no_truth(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> None:
        raise DatasetError("the data are not there any more")

    monkeypatch.setattr(compared, "true_colors", gone)
    (view,) = compared_views(trained, "test", [0], side=12)
    assert set(view.pictures) == {"rendered", "depth", "opacity"} and not view.metrics


def test_an_unknown_split_is_refused(trained: Trained) -> None:
    with pytest.raises(UsageError, match="no split"):
        list(compared_views(trained, "tset", [0], side=12))
