"""Results of a run: evaluations, measurements, pictures and videos."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from radfield_core.config.slots import Choice
from radfield_core.errors import DatasetError, StorageError, UsageError
from radfield_core.plugin import component
from radfield_core.rays import RaySpace
from radfield_core.render.camera_fit import fitted_view
from radfield_core.render.evaluation import evaluate_views, true_colors
from radfield_core.render.flip import flip
from radfield_core.render.image_metrics import psnr, rounded, to_uint8
from radfield_core.render.look import Look
from radfield_core.render.views import render_view
from radfield_core.runs import reports
from radfield_core.runs.folder import RunFolder
from radfield_core.runs.reports import (
    camera_lines,
    choose_views,
    evaluate_split,
    group_table,
    measure,
    render_path,
    render_split,
    results_name,
    value_lines,
)
from radfield_core.runs.trained import Trained


def test_views_are_chosen_by_all_a_number_or_a_list() -> None:
    assert choose_views("all", 3) == [0, 1, 2]
    assert choose_views("2", 10) == [2, 7]
    assert choose_views("0,9", 10) == [0, 9]
    with pytest.raises(UsageError, match="10, x; views are numbered 0 to 9"):
        choose_views("1,10,x", 10)
    assert choose_views("10", 10) == list(range(10))
    with pytest.raises(UsageError, match="99 views are asked for, but the split has 10"):
        choose_views("99", 10)


def test_an_evaluation_is_the_mean_psnr_of_every_view(trained: Trained) -> None:
    summary = evaluate_split(trained, "test", quiet=True)
    scene = trained.scenes.get("test")
    expected = []
    for index in range(3):
        rendered = render_view(trained.model, trained.method, scene, scene.cameras.view(index), 50)
        pixels = scene.images[index].double() / 255
        truth = pixels[..., :3] * pixels[..., 3:]  # tiny-nerf's background is black
        rgb = to_uint8(rendered.rgb.view(12, 12, 3)).double() / 255
        expected.append(psnr(rgb, to_uint8(truth).double() / 255))
    assert [view["psnr"] for view in summary["per_image"]] == pytest.approx(expected, abs=0.05)
    assert summary["metrics"]["psnr"] == pytest.approx(np.mean([view["psnr"] for view in summary["per_image"]]))
    assert (summary["split"], summary["step"]) == ("test", 2)


def test_metrics_on_request_are_computed_for_images_that_are_large_enough(
    trained: Trained, caplog: pytest.LogCaptureFixture
) -> None:
    summary = evaluate_split(trained, "test", also=["flip", "ms_ssim"], quiet=True)
    scene, errors = trained.scenes.get("test"), []
    for index in range(3):
        rendered = render_view(trained.model, trained.method, scene, scene.cameras.view(index), 50)
        pixels = scene.images[index].double() / 255
        errors.append(float(flip(rounded(rendered.rgb.view(12, 12, 3)), pixels[..., :3] * pixels[..., 3:]).mean()))
    assert [view["flip"] for view in summary["per_image"]] == pytest.approx(errors, abs=2e-3)
    assert "ms_ssim" not in summary["metrics"]
    assert "ms_ssim is not computed for 3 images smaller than 176 pixels" in caplog.text


def test_fitted_cameras_are_stated_and_measured_on_the_right_half(trained: Trained) -> None:
    plain, fitted = (evaluate_split(trained, "test", fit_cameras=fit, quiet=True) for fit in ("none", "half"))
    assert fitted["fit_cameras"] == "half" and "fit_cameras" not in plain
    assert "cameras fitted to the left half" in fitted["protocol"] and "fitted" not in plain["protocol"]
    scene, view = trained.scenes.get("test"), trained.scenes.get("test").cameras.view(0)
    truth = true_colors(scene, trained.method, 0)
    given, view = view, fitted_view(trained.model, RaySpace.of(scene), view, truth, torch.zeros(3))
    rendered = render_view(trained.model, trained.method, scene, view, 50).rgb.view(12, 12, 3)
    expected = psnr(rounded(rendered[:, 6:]), rounded(truth[:, 6:]))
    assert fitted["per_image"][0]["psnr"] == pytest.approx(expected, abs=1e-4)
    unit = np.cbrt(np.linalg.det(scene.to_data[:3, :3].numpy()))
    fits = {"fit_cameras": "half"}
    (moved,) = (each.moved for each in evaluate_views(trained.model, trained.method, scene, [0], 50, **fits))
    assert moved[1] == pytest.approx(unit * float((view.c2w - given.c2w)[:, 3].norm()), rel=1e-3) and moved[1] > 0
    line = next(iter(camera_lines(fitted)))
    degrees, distance = (fitted["fitted_cameras"][name] for name in ("mean_degrees", "mean_distance"))
    assert line == f"test cameras were fitted to their images: moved by {degrees:.2f}° and {distance:.3g} on average"


def test_only_the_test_split_s_results_are_results_json(trained: Trained) -> None:
    assert results_name("test") == "results" and results_name("val") == "results-val"


def test_a_table_has_a_row_for_each_group_and_the_mean() -> None:
    groups = {"full": {"views": 2, "psnr": 30.123, "ssim": 0.91234}, "half": {"views": 2, "psnr": 31.0}}
    lines = list(group_table(groups, {"psnr": 30.5, "ssim": 0.9}))
    assert [line.split() for line in lines] == [
        ["PSNR", "SSIM"],
        ["full", "30.12", "0.9123"],
        ["half", "31.00", "nan"],
        ["mean", "30.50", "0.9000"],
    ]
    assert list(group_table({}, {"psnr": 30.5})) == []


def test_nested_values_are_listed_with_dotted_names() -> None:
    lines = list(value_lines({"chamfer": 0.123456789, "counts": {"kept": 3}, "file": "a.ply"}))
    assert [line.split() for line in lines] == [["chamfer", "0.123457"], ["counts.kept", "3"], ["file", "a.ply"]]


class Counting:
    """A metric that returns what it was given."""

    def __init__(self, config: object):
        self.config = config

    def measure(self, model: object, scene: object, reference: Path | None, folder: Path) -> dict[str, object]:
        return {"views": len(scene.cameras), "folder": folder.name}  # type: ignore[attr-defined]


def test_a_measurement_names_metric_step_and_reference(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "check_part", lambda *_: None)
    monkeypatch.setattr(Choice, "load", lambda choice: Counting)
    declared = component("metric", "counting", impl="x:Y", config="x:Z", summary="s")
    found = measure(trained, Choice("counting", declared, SimpleNamespace()), "val", None)
    assert found == {
        "metric": "counting", "step": 2, "reference": "the data's own", "views": 2, "folder": "counting",
    }  # fmt: skip


def test_pictures_are_written_for_the_chosen_views_at_the_chosen_size(trained: Trained, tmp_path: Path) -> None:
    files = render_split(trained, "test", "0,2", tmp_path, look=Look(scale=2.0), quiet=True)
    colors = [path for path in files if path.name.endswith("_rgb.png")]
    assert len(colors) == 2 and len(files) == len(list(tmp_path.iterdir()))
    assert {Image.open(path).size for path in colors} == {(24, 24)}


@pytest.mark.parametrize("write", [render_split, render_path], ids=["pictures", "video"])
def test_a_folder_that_cannot_be_made_is_a_storage_error(
    write: Callable[..., object], trained: Trained, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    arguments = ("test", "1") if write is render_split else ("turntable", 2)
    with pytest.raises(StorageError, match="cannot be written"):
        write(trained, *arguments, tmp_path / "file" / "images", quiet=True)


def test_a_video_is_named_after_its_path(trained: Trained, tmp_path: Path) -> None:
    assert render_path(trained, "turntable", 2, tmp_path, quiet=True) == tmp_path / "turntable.mp4"
    assert (tmp_path / "turntable.mp4").stat().st_size > 0


def test_an_evaluation_names_every_image_that_cannot_be_read(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = [reports.find_bad_images.__globals__["BadImage"]("test", 1, "r_1", "is truncated")]
    monkeypatch.setattr(reports, "find_bad_images", lambda *_, **__: bad)
    with pytest.raises(DatasetError, match="r_1: is truncated"):
        evaluate_split(dataclasses.replace(trained, folder=RunFolder(tmp_path)), "test", quiet=True)
