"""The verbs on one small run, as users type them: train, interrupt, resume, eval and render."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from radfield_core.cli.main import main
from radfield_core.model import LevelLoop
from radfield_core.render.image_metrics import to_uint8
from radfield_core.testing.training import toy_scene

SMALL = ["trainer.n_rays=32", "trainer.log_every=5", "field.width=16", "sampler.n_samples=8", "trainer.save_every=5"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny NeRF file of a ball, enough views of it for all splits."""
    scene = toy_scene(n_views=106, size=12)
    rgb = torch.stack([scene.images[i][..., :3] for i in range(106)]).float() / 255
    poses = torch.eye(4).repeat(106, 1, 1)
    poses[:, :3] = scene.cameras.c2w.float()
    path = tmp_path_factory.mktemp("data") / "ball.npz"
    np.savez(path, images=rgb.numpy(), poses=poses.numpy(), focal=np.float64(scene.cameras.intrinsics[0, 0]))
    return path


def train(data: Path, out: Path, *more: str) -> list[str]:
    return ["train", "--method", "tiny-nerf", "--data", str(data), "--out", str(out), "--quiet", *SMALL, *more]


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of ten steps."""
    out = tmp_path_factory.mktemp("runs") / "run"
    assert main(train(data, out, "trainer.max_steps=10")) == 0
    return out


def test_a_run_folder_holds_options_versions_scene_metrics_and_checkpoints(run: Path) -> None:
    names = {path.name for path in run.iterdir()}
    assert names >= {"config.toml", "plugins.json", "scene.json", "checkpoints", "metrics.jsonl"}
    assert set(json.loads((run / "plugins.json").read_text())) >= {"radfield-core", "radfield-nerf", "torch"}
    assert np.array(json.loads((run / "scene.json").read_text())["to_data"]).shape == (4, 4)
    steps = [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert steps == [5, 10, 10], "two entries of training and the evaluation at the end"


def test_resuming_gives_the_run_that_was_not_interrupted(run: Path, tmp_path: Path) -> None:
    half = tmp_path / "half"
    shutil.copytree(run, half)
    assert main(["train", "--quiet", "--resume", str(half / "checkpoints" / "step-000000005")]) == 0
    for name in ("model", "optim", "rng"):
        files = [folder / "checkpoints" / "step-000000010" / f"{name}.safetensors" for folder in (run, half)]
        assert files[0].read_bytes() == files[1].read_bytes(), name


def test_a_resume_that_is_refused_leaves_the_run_as_it_was(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    before = {path.name: path.read_bytes() for path in copy.iterdir() if path.is_file() and path.name != ".lock"}
    assert main(["train", "--quiet", "--resume", str(copy), "--allow-config-change", "field.width=32"]) == 74
    assert "the checkpoint does not fit its config" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in copy.iterdir() if path.name in before} == before
    assert main(["eval", str(copy), "--quiet"]) == 0


def test_a_resume_with_nothing_left_to_train_names_the_limit(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(run, tmp_path / "run")
    assert main(["train", "--resume", str(tmp_path / "run")]) == 0
    output = capsys.readouterr().out
    assert "nothing was left to train: trainer.max_steps=10 is reached" in output and "PSNR" not in output


def test_a_run_whose_reader_is_gone_continues_and_is_saved(data: Path, tmp_path: Path) -> None:
    words = [*train(data, tmp_path / "run", "trainer.max_steps=200"), "trainer.eval_every=5"]
    words.remove("--quiet")
    program = [sys.executable, "-m", "radfield_core.cli.main", *words]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        while "step 5 ·" not in process.stdout.readline():
            pass
        process.stdout.close()
        output = process.stderr.read()
    assert (tmp_path / "run" / "checkpoints" / "step-000000200").is_dir()
    assert process.returncode == 141 and output.count("warning: output: ") == 1


@pytest.mark.parametrize("there", [False, True])
def test_a_start_that_fails_removes_the_folder_that_it_made(data: Path, tmp_path: Path, there: bool) -> None:
    if there:
        (tmp_path / "run").mkdir()
    assert main([*train(data, tmp_path / "run"), "scene.near=9", "scene.far=3"]) == 2
    assert (tmp_path / "run").exists() == there


def test_a_start_that_fails_leaves_latest_with_the_run_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["train", "--quiet", "--method", "tiny-nerf", "trainer.max_steps=1", "trainer.n_rays=8"]
    assert main([*words, "--data", "synthetic", "data.resolution=16", "data.n_train=2"]) == 0
    before, folders = Path("outputs/latest").resolve(), sorted(Path("outputs").glob("*/*/*"))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "transforms_train.json").write_text("{}")
    assert main([*words, "--data", "broken", "data.type=blender"]) == 65
    assert Path("outputs/latest").resolve() == before and sorted(Path("outputs").glob("*/*/*")) == folders
    capsys.readouterr()


def test_options_that_only_continue_are_changed_at_resuming_and_shown(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    longer = ["train", "--resume", str(copy), "trainer.max_steps=12", "trainer.save_every=11", "trainer.eval_views=0"]
    assert main(longer) == 0
    shown = capsys.readouterr().out
    assert "changed: trainer.max_steps: 10 -> 12\n" in shown and "changed: trainer.eval_views: 4 -> 0\n" in shown
    assert "now end at step 12" in shown and " dB" not in shown
    assert (copy / "checkpoints" / "latest").read_text() == "step-000000012\n"
    assert "max_steps = 12" in (copy / "config.toml").read_text()


def test_options_that_change_the_training_are_refused_at_resuming_and_shown_unless_allowed(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    other = ["train", "--quiet", "--resume", str(copy), "trainer.max_steps=12", "trainer.clip_grad_norm=2"]
    assert main(other) == 2
    error = capsys.readouterr().err
    assert 'trainer.clip_grad_norm: "none" -> 2.0' in error and "--allow-config-change" in error
    assert "max_steps" not in error.partition("trainer.clip_grad_norm")[2]
    assert main([*other, "--allow-config-change"]) == 0
    assert (copy / "checkpoints" / "latest").read_text() == "step-000000012\n"


def test_another_plugin_version_at_resuming_is_refused(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    versions = json.loads((copy / "plugins.json").read_text())
    (copy / "plugins.json").write_text(json.dumps({**versions, "radfield-nerf": "0.0.7"}))
    assert main(["train", "--quiet", "--resume", str(copy)]) == 2
    assert "radfield-nerf: 0.0.7 -> " in capsys.readouterr().err


def test_eval_writes_results_for_the_test_split(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", str(run), "--quiet"]) == 0
    results = json.loads((run / "results.json").read_text())
    assert results["split"] == "test" and results["step"] == 10 and len(results["per_image"]) == 6
    mean = np.mean([view["psnr"] for view in results["per_image"]])
    assert results["metrics"]["psnr"] == pytest.approx(mean)
    assert f"PSNR {mean:.2f} dB" in capsys.readouterr().out
    assert main(["eval", str(run / "checkpoints" / "step-000000005"), "--quiet"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(run / "results" / "results-step-000000005.json")
    assert json.loads((run / "results" / "results-step-000000005.json").read_text())["step"] == 5
    assert json.loads((run / "results.json").read_text()) == results, "that of the newest checkpoint stays"


def test_an_unknown_split_is_one_line(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", str(run), "--split", "tset"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: --split: ") and "tset" in error and "Traceback" not in error


def test_render_writes_pictures_and_a_video(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from PIL import Image

    out = tmp_path / "pictures"
    words = ["--views", "0,3", "--frames", "3", "--scale", "2", "--out", str(out), "--quiet"]
    assert main(["render", str(run), *words]) == 0
    written = [Path(line) for line in capsys.readouterr().out.splitlines()]
    kinds = ("rgb", "depth", "opacity")
    pictures = [f"test-{view}_{kind}.png" for view in ("000", "003") for kind in kinds]
    assert [path.name for path in written] == [*pictures, "turntable.mp4"]
    assert all(path.stat().st_size > 0 for path in written)
    assert Image.open(written[0]).size == (24, 24)


def test_a_rendered_picture_is_what_evaluation_compared(run: Path, tmp_path: Path) -> None:
    from PIL import Image

    from radfield_core.render.views import render_view
    from radfield_core.runs.trained import open_run

    assert main(["render", str(run), "--views", "0", "--video", "none", "--out", str(tmp_path)]) == 2
    assert list(tmp_path.iterdir()) == []
    assert main(["render", str(run), "--views", "2,", "--video", "none", "--out", str(tmp_path), "--quiet"]) == 0
    trained = open_run(run)
    scene = trained.scenes.get("test")
    rendered = render_view(trained.model, trained.method, scene, scene.cameras.view(2), 7)
    assert rendered.rgb is not None
    expected = to_uint8(rendered.rgb.view(12, 12, 3)).numpy()
    assert np.abs(np.asarray(Image.open(tmp_path / "test-002_rgb.png")).astype(int) - expected).max() <= 1


def test_a_loaded_model_has_the_schedule_of_the_last_step(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from radfield_core.runs.trained import open_run

    begun: list[int] = []
    monkeypatch.setattr(LevelLoop, "begin_step", lambda model, step: begun.append(step.index))
    assert begun == [] and open_run(run).step == begun[0] + 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_training_with_a_checkpoint_and_the_command_to_resume(
    data: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    words = [*train(data, tmp_path / "run", "trainer.max_steps=1000000"), "trainer.log_every=1"]
    words.remove("trainer.log_every=5")
    words.remove("--quiet")
    program = [sys.executable, "-m", "radfield_core.cli.main", *words]
    with subprocess.Popen(
        program, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    ) as process:
        metrics = tmp_path / "run" / "metrics.jsonl"
        while not metrics.exists() and process.poll() is None:
            pass
        process.send_signal(number)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == code
    assert f"{number.name}: saved after step" in output
    assert f"radfield train --resume {tmp_path / 'run'}" in output
    state = json.loads(next((tmp_path / "run" / "checkpoints").glob("step-*/state.json")).read_text())
    assert f"saved after step {state['step']};" in output
    assert main(["eval", str(tmp_path / "run"), "--quiet"]) == 0
