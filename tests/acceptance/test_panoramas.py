"""Panoramas from the command line: made, trained on, evaluated, and rendered as panoramas and as perspective views."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from radfield_core.cli.main import main

MADE = ["data.resolution=16", "data.n_train=8", "data.n_val=1", "data.n_test=2", "data.supersample=1"]
SMALL = [
    "field.encoding.n_levels=4",
    "field.encoding.log2_table_size=12",
    "trainer.n_rays=256",
    "sampler.resolution=16",
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty steps on panoramas that were written as transforms.json and read again."""
    folder = tmp_path_factory.mktemp("panoramas")
    scene = str(folder / "scene")
    assert main(["data", "make", scene, "--format", "transforms", "data.lens=equirectangular", *MADE]) == 0
    words = ["--method", "ngp-small", "--data", scene, "--out", str(folder / "run"), "--quiet"]
    assert main(["train", *words, *SMALL, "trainer.max_steps=40", "trainer.log_every=5", "trainer.device=cpu"]) == 0
    return folder / "run"


def test_training_on_panoramas_lowers_the_loss(run: Path) -> None:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    assert len(losses) >= 5 and losses[-1] < 0.3 * losses[0]


def test_an_evaluation_states_the_psnr_by_solid_angle(run: Path) -> None:
    assert main(["eval", str(run)]) == 0
    results = json.loads((run / "results.json").read_text())
    mean = results["metrics"]
    assert mean["ws_psnr"] < mean["psnr"], "what is seen lies near the horizon, where pixels cover more"
    assert mean["ws_psnr"] == pytest.approx(sum(view["ws_psnr"] for view in results["per_image"]) / 2)


def test_a_run_on_panoramas_renders_panoramas_and_perspective_views(run: Path, tmp_path: Path) -> None:
    words = ["render", str(run), "--views", "0,", "--frames", "2", "--video", "gif", "--out", str(tmp_path), "-q"]
    assert main([*words, "--camera", "perspective"]) == 0 and main(words) == 0
    sizes = {path.name: Image.open(path).size for path in tmp_path.iterdir()}
    assert sizes["test-000_rgb.png"] == (32, 16)
    assert sizes["test-000-perspective_rgb.png"] == (16, 12)
    assert sizes["turntable.gif"] == (32, 16) and sizes["turntable-perspective.gif"] == (16, 12)
