"""The layout of NerfBaselines, read as its own tools read it (nerfbaselines 1.2.12: io.py, results.py)."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from radfield_core.errors import StorageError
from radfield_core.render.evaluation import ViewResult
from radfield_core.runs.nerfbaselines import Predictions, names_of, predictions_archive
from radfield_core.runs.reports import evaluate_split
from radfield_core.runs.trained import Trained


@pytest.fixture
def written(trained: Trained, tmp_path: Path) -> tuple[Path, dict]:
    """The unpacked archive and the results of an evaluation."""
    with predictions_archive(trained, "test", tmp_path / "out") as predictions:
        evaluate_split(trained, "test", look=predictions.add, quiet=True)
    archive, results = (tmp_path / "out" / name for name in names_of(trained))
    with tarfile.open(archive, "r:gz") as tar:
        tar.extractall(tmp_path / "unpacked", filter="data")
    return tmp_path / "unpacked", json.loads(results.read_text())


def test_the_metrics_are_those_of_the_images_in_the_archive(written: tuple[Path, dict], trained: Trained) -> None:
    folder, results = written
    names = sorted(path.relative_to(folder / "color") for path in (folder / "color").rglob("*.png"))
    assert len(names) == 3
    raw = {}
    for name, text in results["metrics_raw"].items():
        data = base64.b64decode(text)
        raw[name] = struct.unpack(f"<{len(data) // 4}f", data)
    assert set(raw) == {"psnr", "ssim", "mae", "mse"}
    for place, name in enumerate(names):
        rendered, truth = (np.asarray(Image.open(folder / kind / name)) / 255.0 for kind in ("color", "gt-color"))
        assert rendered.shape == truth.shape == (12, 12, 3)
        mse = float(np.square(rendered - truth).mean())
        assert raw["mse"][place] == pytest.approx(mse, rel=1e-6)
        assert raw["mae"][place] == pytest.approx(float(np.abs(rendered - truth).mean()), rel=1e-6)
        assert raw["psnr"][place] == pytest.approx(-10 * np.log10(mse), rel=1e-6)
    assert results["metrics"]["psnr"] == pytest.approx(np.mean(raw["psnr"]), abs=1e-5)
    assert results["nb_info"]["num_iterations"] == trained.step and results["evaluation_protocol"] == "default"


def test_the_checksums_are_those_that_its_tools_compute(written: tuple[Path, dict], trained: Trained) -> None:
    folder, results = written
    for kind, key in (("color", "predictions_sha256"), ("gt-color", "ground_truth_sha256")):
        joined = b"".join(path.read_bytes() for path in sorted((folder / kind).rglob("*.png")))
        assert results[key] == hashlib.sha256(joined).hexdigest()
    sha = hashlib.sha256()
    for name in sorted(results["metrics_raw"]):
        data = base64.b64decode(results["metrics_raw"][name])
        values = sorted(struct.unpack(f"{len(data) // 4}f", data))
        sha.update(name.lower().encode("utf8"))
        sha.update(base64.b64encode(b"".join(struct.pack("f", value) for value in values)).decode("ascii").encode())
        sha.update(b"\n")
    assert results["metrics_sha256"] == sha.hexdigest()
    files = sorted(path for path in trained.checkpoint.rglob("*") if path.is_file())
    joined = b"".join(path.read_bytes() for path in files)
    assert results["nb_info"]["checkpoint_sha256"] == hashlib.sha256(joined).hexdigest()


def test_what_is_known_of_the_data_is_in_both_files(written: tuple[Path, dict]) -> None:
    folder, results = written
    info = json.loads((folder / "info.json").read_text())
    assert info["render_dataset_metadata"] == results["render_dataset_metadata"] == info["dataset_metadata"]
    assert info["dataset_metadata"]["color_space"] == "srgb" and info["dataset_metadata"]["scene"]
    assert info["render_dataset_metadata"]["background_color"] in (None, [0, 0, 0], [255, 255, 255])
    assert "render_version" not in results["nb_info"] and info["method"] == results["nb_info"]["method"]


def test_hostile_and_equal_names_stay_inside_and_apart(tmp_path: Path) -> None:
    pixels = np.zeros((4, 4, 3), dtype=np.uint8)
    pictures = {"rendered": pixels, "truth": pixels}
    predictions = Predictions(tmp_path / "inside", {})
    for name in ("../../up.jpg", "/root.jpg", "a/b.png", "a/b.jpg", "..", "a\\..\\c.png"):
        predictions.add(ViewResult(name, {"psnr": 1.0}, 0.1, pictures=pictures))
    color = tmp_path / "inside" / "color"
    assert sorted(str(path.relative_to(color)) for path in color.rglob("*.png")) == [
        "a/b-2.png", "a/b.png", "a/c.png", "root.png", "up.png", "view.png",
    ]  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["inside"]


def test_a_failed_evaluation_leaves_nothing(trained: Trained, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="planted"), predictions_archive(trained, "test", tmp_path / "out"):
        raise RuntimeError("planted")
    assert not (tmp_path / "out").exists()
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError), predictions_archive(trained, "test", tmp_path / "file"):
        pass
