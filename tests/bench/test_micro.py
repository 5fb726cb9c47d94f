"""What `radfield bench` measures: ratios, curves and the clocks beside them."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from importlib.metadata import version
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from radfield_core.bench import kernels, learning_curve, micro, timing
from radfield_core.bench.kernels import gemm_limit, perceptron
from radfield_core.bench.learning_curve import Point, reached
from radfield_core.bench.timing import Timing, gradient_medians_ms, median_ms, turns
from radfield_core.cli.main import main
from radfield_core.errors import StorageError, UsageError
from radfield_core.files import durable
from radfield_core.plugins.registry import get_registry
from radfield_core.render.quick_evaluation import QuickEvaluation
from radfield_core.testing.training import toy_scene

LARGER_THAN_MEMORY = Path(__file__).parents[2] / "benchmarks" / "larger_than_memory.py"
KEYS = {"op", "case", "backend", "torch_ms", "kernel_ms", "ratio", "limit", "share_of_limit"}


@pytest.fixture(autouse=True)
def threads(monkeypatch):
    """The verb sets the process's threads; put them back."""
    count = torch.get_num_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", str(count))
    yield
    torch.set_num_threads(count)


def test_a_timing_compares_with_the_reference_and_with_the_limit():
    timing = Timing("march", "1 ray", "numba", 30.0, 2.0, "gather", 1.5)
    assert (timing.ratio, timing.share_of_limit) == (15.0, 0.75)
    assert Timing("march", "1 ray", "numba", 30.0, 2.0).share_of_limit is None


def test_runs_take_turns_and_warm_up_before_they_count():
    calls = count()
    seen = turns({name: lambda: next(calls) for name in ("torch", "numba")}, 3)
    assert timing.WARM_UP == 2
    assert seen == {"torch": [4, 6, 8], "numba": [5, 7, 9]}


@pytest.mark.parametrize("threads, waits_count", [(1, False), (2, True)])
def test_time_on_one_thread_is_the_processors(threads, waits_count):
    torch.set_num_threads(threads)
    assert (median_ms(lambda: time.sleep(0.05), 1, "cpu") >= 50) is waits_count


def test_the_clock_is_read_when_the_device_is_done(monkeypatch):
    waited = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: waited.append(1))
    median_ms(lambda: waited.clear(), 1, "cuda")
    assert waited == [1]


def test_the_way_back_is_timed_apart(monkeypatch):
    ticks = iter([0, 1, 4] * (timing.WARM_UP + 1))
    monkeypatch.setattr(timing, "now", lambda device: next(ticks))
    x = torch.ones(1, requires_grad=True)
    found = gradient_medians_ms({"square": lambda: (x.square().sum(), (x,))}, 1, "cpu")
    assert found == {"square": {"forward_ms": 1e3, "backward_ms": 3e3, "both_ms": 4e3}}


def test_every_kernel_of_compositing_marching_and_encoding_is_compared_with_torch():
    from radfield_hash.bench import measure as encoding
    from radfield_occupancy.bench import measure as marching, measure_refresh

    for rows in (kernels.measure(64, 1000, repeats=1), marching(64, resolution=16, repeats=1)):
        reference, *others = rows
        assert reference["backend"] == "torch" and [row["backend"] for row in others] == ["numba"]
        assert all(row["speedup"] == reference["both_ms"] / row["both_ms"] for row in rows)
    rows = encoding(repeats=1, reference_repeats=1, sizes={"tiny": (8, (2, 2, 8, 4, 16))})
    assert [(row["backend"], row["share_of_limit"] is not None) for row in rows] == [
        ("numba", True), ("numba", False), ("numba", False),
    ]  # fmt: skip
    assert all(row["ratio"] == row["reference_ms"] / row["kernel_ms"] for row in rows)
    assert measure_refresh(resolution=16, repeats=1)[0]["both_ms"] >= 0


def test_a_threshold_is_reached_at_the_first_point_on_or_above_it():
    points = [Point(50, 1.0, 0.9, 19.9), Point(100, 2.0, 1.8, 25.0), Point(150, 3.0, 2.7, 24.0)]
    assert reached(points, [20.0, 25.0, 26.0]) == {
        "20": {"seconds": 2.0, "cpu_seconds": 1.8}, "25": {"seconds": 2.0, "cpu_seconds": 1.8}, "26": None,
    }  # fmt: skip


def test_every_plugin_with_kernels_is_measured():
    assert set(micro.benchmarks(get_registry())) >= {"compositing", "hash encoding", "marching", "perceptron"}


def test_something_unknown_to_measure_is_refused_with_what_there_is():
    with pytest.raises(UsageError, match="marhcing") as caught:
        micro.micro(["marhcing"])
    assert "marching" in str(caught.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="about machines without CUDA; tests/gpu covers those with it")
def test_an_absent_device_is_said():
    with pytest.raises(UsageError, match="no CUDA device"):
        micro.micro(device="cuda")


def test_no_more_than_the_limit_of_products_is_reached():
    (timing,) = perceptron("cpu", 1, rows=4096)
    assert timing.limit == "GEMM" and timing.limit_ms is not None
    flops = 6 * 4096 * (32 * 64 + 64 * 64 + 64 * 16)
    assert 0 < timing.limit_ms <= 1e3 * flops / 1e8, "any machine multiplies a hundred million times a second"
    assert gemm_limit(1) > 1e8


def test_micro_writes_the_ratio_and_the_machine(tmp_path, capsys):
    assert main(["bench", "micro", "perceptron", "--repeats", "1", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "micro.json").read_text())
    (row,) = found["rows"]
    assert set(row) == KEYS
    assert row["ratio"] == pytest.approx(row["torch_ms"] / row["kernel_ms"], rel=1e-2)
    assert found["machine"]["threads"] == 1 and found["machine"]["versions"]["torch"] == version("torch")
    assert "perceptron" in capsys.readouterr().out


def test_figures_that_cannot_be_written_are_named(tmp_path, monkeypatch, capsys):
    def full(handle: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "curve.png"
    figures = {"curve": [asdict(Point(1, 1.0, 0.9, 20.0))], "method": "m", "data": "d", "machine": {"threads": 1}}
    with monkeypatch.context() as patched:
        patched.setattr(durable.os, "write", full)
        with pytest.raises(StorageError, match=r"micro\.json: cannot be written: No space left"):
            micro.write({}, tmp_path / "micro.json")
        with pytest.raises(StorageError, match=r"curve\.png: cannot be written: No space left"):
            learning_curve.plot(figures, path)
    assert not list(tmp_path.iterdir())


def test_nothing_can_be_measured_zero_times(capsys):
    assert main(["bench", "micro", "--repeats", "0"]) == 2
    assert "--repeats" in capsys.readouterr().err


@pytest.fixture
def ball(tmp_path: Path) -> Path:
    """A tiny NeRF file of a ball: 100 views to train on and two held out."""
    scene = toy_scene(n_views=102, size=12)
    rgb = torch.stack([scene.images[i][..., :3] for i in range(102)])
    poses = torch.eye(4).repeat(102, 1, 1)
    poses[:, :3] = scene.cameras.c2w.float()
    path = tmp_path / "ball.npz"
    np.savez(path, images=rgb.numpy(), poses=poses.numpy(), focal=np.float64(scene.cameras.intrinsics[0, 0]))
    return path


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


def test_data_without_a_test_split_are_measured_on_validation_views_and_without_either_refused(ball, tmp_path, capsys):
    folder, pictures = tmp_path / "scene", np.load(ball)
    folder.mkdir()
    frames = []
    for i in range(6):
        Image.fromarray((255 * pictures["images"][i]).astype(np.uint8)).save(folder / f"{i}.png")
        frames.append({"file_path": f"./{i}", "transform_matrix": pictures["poses"][i].tolist()})
    words = ["field.width=16", "sampler.n_samples=8", "trainer.n_rays=32", "trainer.max_steps=6", "--every", "3"]
    command = ["bench", "run", "--method", "tiny-nerf", "--data", str(folder), "--out", str(tmp_path / "bench"), *words]
    (folder / "transforms_train.json").write_text(json.dumps({"camera_angle_x": 0.7, "frames": frames[:4]}))
    assert main(command) == 2
    said = capsys.readouterr()
    assert "neither test nor validation views" in said.err and "step" not in said.out
    (folder / "transforms_val.json").write_text(json.dumps({"camera_angle_x": 0.7, "frames": frames[4:]}))
    assert main(command) == 0
    found = json.loads((tmp_path / "bench" / "tiny-nerf-scene.json").read_text())
    assert found["final"]["split"] == "val" and found["final"]["views"] == 2


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("at", [10, 25], ids=["on the way", "in the last evaluation"])
def test_a_signal_breaks_a_measurement_off_and_nothing_is_said_of_a_folder_that_is_gone(
    number, code, at, ball, tmp_path, monkeypatch, capsys
):
    asked = []

    def stopped(*_: object) -> dict[str, float]:
        asked.append(10)
        if sum(asked) >= at:
            os.kill(os.getpid(), number)
        return {"psnr": 20.0}

    monkeypatch.setattr(QuickEvaluation, "__call__", stopped)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    words = ["field.width=16", "sampler.n_samples=8", "trainer.n_rays=32", "trainer.max_steps=25"]
    words += ["--every", "10", "--out", str(tmp_path / "bench")]
    assert main(["bench", "run", "--method", "tiny-nerf", "--data", str(ball), *words]) == code
    said = capsys.readouterr()
    assert said.err == "the measurement is broken off\n"
    assert "temporary" not in said.out and "--resume" not in said.out and "device   cpu" in said.out
    assert not list((tmp_path / "temporary").glob("radfield-*")) and not (tmp_path / "bench").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="the benchmark reads /proc")
def test_the_benchmark_of_memory_says_how_many_rays_a_step_had(ball):
    words = ["tiny-nerf", str(ball), "51", "field.width=16", "sampler.n_samples=4", "trainer.n_rays=32"]
    done = subprocess.run([sys.executable, LARGER_THAN_MEMORY, "--child", *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert (figures["steps"], figures["rays_in_last_step"]) == (51, 32)
