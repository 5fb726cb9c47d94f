"""`radfield bench run`: a curve with both clocks, thresholds, and held-out views, or an error before training."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest

from radfield_core.bench.learning_curve import Point, plot, reached
from radfield_core.cli.main import main
from radfield_core.errors import StorageError
from radfield_core.files.pictures import write_picture
from radfield_core.render.quick_evaluation import QuickEvaluation, QuickResult

LARGER_THAN_MEMORY = Path(__file__).parents[2] / "benchmarks" / "larger_than_memory.py"


def test_a_threshold_is_reached_at_the_first_point_on_or_above_it():
    points = [Point(50, 1.0, 0.9, 19.9), Point(100, 2.0, 1.8, 25.0), Point(150, 3.0, 2.7, 24.0)]
    second = {"seconds": 2.0, "cpu_seconds": 1.8}
    assert reached(points, [20.0, 25.0, 26.0]) == {"20": second, "25": second, "26": None}


def test_a_plot_is_a_picture_or_an_error_that_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> int:
        raise OSError(28, "No space left on device")

    points = [Point(1, 1.0, 0.9, 20.0), Point(2, 2.0, 1.9, 22.0)]
    results = {"curve": [asdict(each) for each in points], "method": "m", "data": "d", "machine": {"threads": 1}}
    plot(results, tmp_path / "curve.png")
    picture = iio.imread(tmp_path / "curve.png")
    assert picture.shape[:2] == (480, 768) and float(picture.std()) > 5
    with monkeypatch.context() as patched:
        patched.setattr("os.write", full)
        with pytest.raises(StorageError, match=r"other\.png.*No space left"):
            plot(results, tmp_path / "other.png")
    assert [path.name for path in tmp_path.iterdir()] == ["curve.png"]


def test_a_run_has_a_point_for_each_evaluation_and_both_clocks(ball, tmp_path, capsys):
    words = ["field.width=16", "sampler.n_samples=8", "trainer.n_rays=32", "trainer.max_steps=25"]
    words += ["--every", "10", "--views", "2", "--out", str(tmp_path / "bench")]
    assert main(["bench", "run", "--method", "tiny-nerf", "--data", str(ball), *words]) == 0
    said = capsys.readouterr().out
    assert "step 20" in said and "radfield-bench-" not in said, "the run's folder is gone"
    found = json.loads((tmp_path / "bench" / "tiny-nerf-ball.json").read_text())
    curve = found["curve"]
    assert [point["step"] for point in curve] == [10, 20, 25]
    for clock in ("seconds", "cpu_seconds"):
        times = [point[clock] for point in curve]
        assert times == sorted(times) and times[0] > 0
    assert found["final"]["views"] == 2 and found["final"]["psnr"] == pytest.approx(curve[-1]["psnr"], abs=1e-3)
    assert found["data"] == "ball.npz" and found["machine"]["threads"] == 1
    picture = (tmp_path / "bench" / "tiny-nerf-ball.png").read_bytes()
    assert picture.startswith(b"\x89PNG")


def test_validation_views_stand_in_for_test_views_and_one_of_both_is_needed(ball, tmp_path, capsys):
    folder, pictures = tmp_path / "scene", np.load(ball)
    folder.mkdir()
    frames = []
    for i in range(6):
        write_picture(folder / f"{i}.png", (255 * pictures["images"][i]).astype(np.uint8))
        frames.append({"file_path": f"./{i}", "transform_matrix": pictures["poses"][i].tolist()})
    words = ["field.width=16", "sampler.n_samples=8", "trainer.n_rays=32", "trainer.max_steps=6", "--every", "3"]
    command = ["bench", "run", "--method", "tiny-nerf", "--data", str(folder), "--out", str(tmp_path / "bench"), *words]
    (folder / "transforms_train.json").write_text(json.dumps({"camera_angle_x": 0.7, "frames": frames[:4]}))
    assert main(command) == 2
    output = capsys.readouterr()
    assert "neither a test nor a validation split" in output.err and f"radfield data inspect {folder}" in output.err
    assert "step" not in output.out
    (folder / "transforms_val.json").write_text(json.dumps({"camera_angle_x": 0.7, "frames": frames[4:]}))
    assert main(command) == 0
    found = json.loads((tmp_path / "bench" / "tiny-nerf-scene.json").read_text())
    assert found["final"]["split"] == "val" and found["final"]["views"] == 2


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("at", [10, 25], ids=["on the way", "in the last evaluation"])
def test_a_signal_ends_the_measurement_and_no_deleted_folder_is_named(
    number, code, at, ball, tmp_path, monkeypatch, capsys
):
    calls = []

    def stopped(*_: object) -> QuickResult:
        calls.append(10)
        if sum(calls) >= at:
            os.kill(os.getpid(), number)
        return QuickResult({"psnr": 20.0}, 1, 1, (12, 12))

    monkeypatch.setattr(QuickEvaluation, "__call__", stopped)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    words = ["field.width=16", "sampler.n_samples=8", "trainer.n_rays=32", "trainer.max_steps=25"]
    words += ["--every", "10", "--out", str(tmp_path / "bench")]
    assert main(["bench", "run", "--method", "tiny-nerf", "--data", str(ball), *words]) == code
    output = capsys.readouterr()
    assert "interrupted" in output.err and len(output.err.splitlines()) == 1
    assert "temporary" not in output.out and "--resume" not in output.out and "device   cpu" in output.out
    assert not list((tmp_path / "temporary").glob("radfield-*")) and not (tmp_path / "bench").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="the benchmark reads /proc")
def test_the_benchmark_of_memory_says_how_many_rays_a_step_had(ball):
    words = ["tiny-nerf", str(ball), "51", "field.width=16", "sampler.n_samples=4", "trainer.n_rays=32"]
    done = subprocess.run([sys.executable, LARGER_THAN_MEMORY, "--child", *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout.splitlines()[-1])
    assert (results["steps"], results["rays_in_last_step"]) == (51, 32)
