"""`radfield eval`: the contact sheet, the layout of NerfBaselines, and LPIPS."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from radfield_core.cli.main import main
from radfield_core.render.lpips import ALEX


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one step on images of 32 × 32 pixels."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    data = ["--data", "synthetic", "data.resolution=32", "data.n_train=2", "data.n_val=1", "data.n_test=2"]
    more = ["field.width=8", "sampler.n_samples=8", "trainer.max_steps=1", "trainer.n_rays=8", "-q"]
    assert main(["train", "--method", "tiny-nerf", *data, *more, "--out", str(folder)]) == 0
    return folder


def lpips_weights(path: Path) -> Path:
    torch.manual_seed(0)
    tensors = {}
    for number, (shape, _, _) in ALEX.convolutions.items():
        tensors |= {
            f"features.{number}.weight": torch.randn(shape) / 30,
            f"features.{number}.bias": torch.zeros(shape[0]),
        }
    for i, tap in enumerate(ALEX.taps):
        tensors[f"lin{i}.model.1.weight"] = torch.rand(1, ALEX.convolutions[tap - 1][0][0], 1, 1)
    save_file(tensors, path)
    return path


def test_sheet_and_layout_are_written_beside_the_results(run: Path, tmp_path: Path, capsys) -> None:
    capsys.readouterr()
    assert main(["eval", str(run), "--sheet", "--layout", "nerfbaselines", "-q", "--out", str(tmp_path)]) == 0
    names = ["predictions-1.tar.gz", "results-1.json", "sheet-test.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert capsys.readouterr().out.splitlines()[-3:] == [str(tmp_path / name) for name in names]
    there = json.loads((tmp_path / "results-1.json").read_text())["metrics"]
    assert there["psnr"] == pytest.approx(json.loads((run / "results.json").read_text())["metrics"]["psnr"], abs=1e-4)
    assert main(["eval", str(run), "--split", "val", "--sheet", "-q"]) == 0
    assert (run / "images" / "sheet-val.png").is_file()


def test_lpips_is_measured_with_weights_and_not_available_without(run: Path, tmp_path: Path, capsys) -> None:
    assert main(["eval", str(run), "--also", "lpips", "-q"]) == 0
    assert capsys.readouterr().out.splitlines()[0].endswith("· LPIPS n/a (no --lpips-weights)")
    assert "lpips" not in json.loads((run / "results.json").read_text())["metrics"]
    weights = lpips_weights(tmp_path / "alex.safetensors")
    checksum = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert main(["eval", str(run), "--lpips-weights", str(weights), "-q"]) == 0
    stored = json.loads((run / "results.json").read_text())
    assert stored["lpips_weights"] == {"metric": "lpips", "sha256": checksum} and stored["metrics"]["lpips"] > 0
    first, second, _ = capsys.readouterr().out.splitlines()
    assert first == f"lpips with weights of SHA-256 {checksum}"
    assert second.endswith(f"· LPIPS {stored['metrics']['lpips']:.4f}")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--out", "x"], "--out: there is nothing to write to this folder"),
        (["--layout", "nerfbaselines", "--fit-cameras", "half"], "--layout: this layout holds whole images"),
        (["--sheet", "--metric", "chamfer"], "--sheet and --layout belong to image metrics"),
        (["--lpips-weights", "gone.safetensors"], "gone.safetensors: there is no such file"),
    ],
)
def test_arguments_that_exclude_each_other(words: list[str], message: str, run: Path, capsys) -> None:
    assert main(["eval", str(run), *words]) == 2
    assert message in capsys.readouterr().err


def test_rendered_views_have_raw_results_beside_their_pictures(run: Path, tmp_path: Path) -> None:
    words = ["render", str(run), "--views", "1", "--video", "none", "--raw", "npy", "-q", "--out", str(tmp_path)]
    assert main(words) == 0
    raw = {path.stem.partition("_")[2]: np.load(path) for path in tmp_path.glob("*.npy")}
    pictures = {path.stem.partition("_")[2] for path in tmp_path.glob("*.png")}
    assert {"depth", "opacity"} <= raw.keys() and pictures == {"rgb", "depth", "opacity"}
    assert raw["depth"].shape == raw["opacity"].shape == (32, 32) and raw["depth"].dtype == np.float32
    solid = raw["opacity"] > 0.5
    assert 1.0 < np.nanmedian(raw["depth"][solid] if solid.any() else raw["depth"]) < 10.0  # cameras are 4 away
    assert main(["render", str(run), "--views", "0", "--video", "gif", "--raw", "npy"]) == 2
