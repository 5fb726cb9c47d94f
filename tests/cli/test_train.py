"""`radfield train`: mistakes of the command line, before any data is read."""

from __future__ import annotations

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
