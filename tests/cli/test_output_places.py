"""Every verb that writes tries its place before the work, so that a long computation is never lost to a bad path."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from radfield_core.cli.main import main

TINY = ["data.resolution=12", "data.n_train=3", "data.n_val=1", "data.n_test=1"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one step on tiny pictures."""
    out = tmp_path_factory.mktemp("runs") / "run"
    small = ["trainer.max_steps=1", "trainer.n_rays=8", "field.width=16", "sampler.n_samples=8", "trainer.eval_views=0"]
    words = ["--data", "synthetic", *TINY, *small]
    assert main(["train", "--quiet", "--method", "tiny-nerf", "--out", str(out), *words]) == 0
    return out


def no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let whatever opens a run, data or a benchmark fail the test."""

    def work(*args: object, **kwargs: object) -> None:
        raise AssertionError("worked before the place was tried")

    for name in (
        "radfield_core.runs.trained.open_run",
        "radfield_core.bench.micro.micro",
        "radfield_core.bench.learning_curve.whole_run",
        "radfield_core.train.session.prepare",
        "radfield_core.cli.data._read_splits",
        "radfield_blender.convert_multiscale.MultiscaleConverter.convert",
    ):
        monkeypatch.setattr(name, work)


VERBS = {
    "render": lambda run, out: ["render", str(run), "--out", out],
    "export": lambda run, out: ["export", str(run), "--out", out + ".ply"],
    "export to a folder": lambda run, out: ["export", str(run), "--out", out + os.sep],
    "bench micro": lambda run, out: ["bench", "micro", "--out", out],
    "bench run": lambda run, out: ["bench", "run", "--method", "tiny-nerf", "--data", "synthetic", "--out", out],
    "data make": lambda run, out: ["data", "make", out, "--format", "blender"],
    "data convert": lambda run, out: ["data", "convert", "blender", "synthetic", out],
    "data convert with a converter": lambda run, out: ["data", "convert", "multiscale", str(run), out],
    "train": lambda run, out: ["train", "--method", "tiny-nerf", "--data", "synthetic", "--out", out],
    "demo": lambda run, out: ["demo", "--out", out],
}


@pytest.mark.parametrize("words", VERBS.values(), ids=VERBS)
def test_a_place_that_cannot_be_written_is_refused_before_the_work(
    words: Callable[[Path, str], list[str]],
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").write_text("")
    no_work(monkeypatch)
    assert main(words(run, str(tmp_path / "file" / "out"))) == 74
    error = capsys.readouterr().err
    assert str(tmp_path / "file" / "out") in error and "Not a directory" in error and "try: " in error
    assert "another path" in error or "another one" in error
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("words", [[], ["--metric", "point-to-mesh"], ["--split", "val"]], ids=str)
def test_an_evaluation_tries_the_run_s_folder_first(
    words: list[str], run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(path: object, *_: object) -> int:
        raise PermissionError(13, "Permission denied", path)

    no_work(monkeypatch)
    monkeypatch.setattr("radfield_core.files.durable.os.open", refuse)
    assert main(["eval", str(run), *words]) == 74
    assert "run: cannot be written: Permission denied" in capsys.readouterr().err


def test_the_pictures_of_an_inspection_are_missed_at_once_and_the_report_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    said: list[str] = []
    inspect = "radfield_core.inspection.report.inspect"
    monkeypatch.setattr(inspect, lambda *_: said.append(capsys.readouterr().err) or [])
    assert main(["data", "inspect", "synthetic", "--out", str(tmp_path / "file" / "out"), *TINY]) == 65
    assert "no pictures will be drawn" in said[0]
    error = capsys.readouterr().err
    assert "no split of the data set has images" in error and "cannot be written" in error


def test_the_report_on_the_machine_tries_the_folder_of_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    main(["doctor", "--out", str(tmp_path / "file" / "out")])
    assert "GiB free; cannot be written: Not a directory" in capsys.readouterr().out
    main(["doctor", "--out", str(tmp_path / "new" / "out")])
    assert "GiB free\n" in capsys.readouterr().out and not (tmp_path / "new").exists()
