"""`radfield train`: mistakes of the command line, before any data is read."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from radfield_core.cli import train
from radfield_core.cli.main import main


@pytest.mark.parametrize("words", [["--out", "x"], ["-c", "x.toml"], ["--out", "x", "-c", "x.toml"]])
def test_a_resumed_run_keeps_its_folder_and_its_options(words: list[str], tmp_path: Path, capsys) -> None:
    assert main(["train", "--resume", str(tmp_path), *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: --resume: ") and "--out" in error.partition("try: ")[2]


def test_skipping_bad_images_is_an_option_that_others_may_override(monkeypatch: pytest.MonkeyPatch) -> None:
    composed: list[list[str]] = []

    class Stop(Exception):
        pass

    def compose_from(args):
        composed.append(args.overrides)
        raise Stop

    monkeypatch.setattr(train, "compose_from", compose_from)
    monkeypatch.setenv("RADFIELD_DEBUG", "1")
    with pytest.raises(Stop):
        main(["train", "--skip-bad-images", "trainer.seed=3"])
    assert composed == [["scene.skip_bad_images=true", "trainer.seed=3"]]


def test_without_a_method_the_error_lists_those_that_are_installed(capsys) -> None:
    assert main(["train"]) == 2
    error = capsys.readouterr().err
    assert "tiny-nerf" in error and "Traceback" not in error


def test_a_run_that_does_not_exist_cannot_be_resumed(tmp_path: Path, capsys) -> None:
    assert main(["train", "--resume", str(tmp_path / "absent")]) in (2, 74)
    assert str(tmp_path / "absent") in capsys.readouterr().err


TINY = [
    "data.resolution=12",
    "data.n_train=2",
    "data.n_val=1",
    "data.n_test=1",
    "trainer.n_rays=8",
    "sampler.n_samples=4",
]


def test_a_run_ends_with_the_commands_that_come_next(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["--method", "tiny-nerf", "--data", "synthetic", "--out", "a run", *TINY]
    assert main(["train", *words, "trainer.max_steps=2"]) == 0
    lines = capsys.readouterr().out.partition("next:\n")[2].splitlines()
    commands = [line.partition("#")[0].strip() for line in lines]
    assert commands == [
        "radfield eval 'a run'",
        "radfield render 'a run'",
        "radfield export 'a run'",
        "radfield train --resume 'a run' trainer.max_steps=4",
    ]
    assert main(shlex.split(commands[-1])[1:]) == 0
    assert "trained 4 steps" in capsys.readouterr().out


def test_a_quiet_run_prints_its_results_and_nothing_else(tmp_path: Path, capsys) -> None:
    words = ["--method", "tiny-nerf", "--data", "synthetic", "--out", str(tmp_path / "run"), *TINY]
    assert main(["train", "-q", *words, "trainer.max_steps=2"]) == 0
    captured = capsys.readouterr()
    evaluated, trained = captured.out.splitlines()
    assert evaluated.startswith("step 2 · ") and "PSNR" in evaluated
    assert trained.startswith("trained 2 steps in ") and trained.endswith(str(tmp_path / "run"))
