"""Files and lines of evaluation and rendering: no metric is lost, and no empty request writes anything."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from radfield_core.cli.main import main


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one step on tiny pictures."""
    out = tmp_path_factory.mktemp("runs") / "run"
    data = ["--data", "synthetic", "data.resolution=16", "data.n_train=3", "data.n_val=2", "data.n_test=2"]
    small = [
        "eval.rays_per_chunk=64",
        "trainer.max_steps=1",
        "trainer.n_rays=8",
        "field.width=16",
        "sampler.n_samples=8",
    ]
    assert main(["train", "--quiet", "--method", "tiny-nerf", "--out", str(out), *data, *small]) == 0
    return out


def test_another_split_leaves_the_results_of_the_test_split(run: Path) -> None:
    assert main(["eval", str(run), "--quiet"]) == 0
    before = (run / "results.json").read_bytes()
    assert main(["eval", str(run), "--quiet", "--split", "train"]) == 0
    assert (run / "results.json").read_bytes() == before
    assert json.loads((run / "results-train.json").read_text())["split"] == "train"


def test_metrics_that_cannot_be_written_are_printed_all_the_same(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write = os.write

    def full(file: int, data: bytes) -> int:
        if data == b"radfield\n":  # the place is tried before the work, while there is still room
            return write(file, data)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.write", full)
    assert main(["eval", str(run), "--quiet"]) == 74
    out, err = capsys.readouterr()
    assert "PSNR" in out and "results.json: cannot be written: No space left" in err


def test_progress_within_a_view_is_shown(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("radfield_core.runtime.progress.LINE_SECONDS", 0.0)
    assert main(["render", str(run), "--views", "1", "--video", "none", "--out", str(tmp_path)]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("render test ")]
    assert [line.split()[2] for line in lines] == ["0.2/1", "0.5/1", "0.8/1", "1/1"]
    assert main(["eval", str(run)]) == 0
    assert "evaluate test 1.5/2 · " in capsys.readouterr().out


@pytest.mark.parametrize("none", ["0", "00"])
def test_rendering_neither_views_nor_a_video_is_an_error(
    none: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["render", str(run), "--views", none, "--video", "none", "--out", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert not out and "neither views nor a video" in err and list(tmp_path.iterdir()) == []


def test_a_video_that_finds_a_folder_in_its_place_says_so(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "turntable.mp4").mkdir()
    words = ["--views", "0", "--path", "turntable", "--frames", "2", "--quiet", "--out", str(tmp_path)]
    assert main(["render", str(run), *words]) == 74
    assert "turntable.mp4: cannot be written: " in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["turntable.mp4"]
