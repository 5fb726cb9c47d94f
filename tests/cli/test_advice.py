"""`radfield train --data PATH` without a method lists the presets that fit, with the whole command to type."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from radfield_core.cli.main import main

SMALL = ["data.resolution=16", "data.n_train=4", "data.n_val=1", "data.n_test=1"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the synthetic scene in four formats: with alpha, with masks, forward-facing, and as photographs."""
    folder = tmp_path_factory.mktemp("data")
    for name, more in (("blender", ""), ("dtu", ""), ("llff", "data.layout=forward"), ("colmap", "")):
        assert main(["data", "make", "-q", str(folder / name), "--format", name, *SMALL, *more.split()]) == 0
    return folder


@pytest.mark.parametrize(
    ("data", "shows", "listed", "command"),
    [
        ("blender", "an object on a transparent backdrop (blender: 4 training images, 16×16)", "nerf-small",
         "train --method ngp-small --data blender"),
        ("dtu", "an object with masks", "neus-masks", "train --method neus-fast --data dtu"),
        ("llff", "forward-facing photographs", "nerf-llff",
         "train --method ngp-small --data llff"),
        ("synthetic", "an object on a transparent backdrop", "neus-fast",
         "train --method ngp-small --data synthetic data.resolution=16 data.n_train=4 data.n_val=1 data.n_test=1"),
    ],
)  # fmt: skip
def test_what_fits_the_data_is_listed_with_a_reason_and_a_time(
    data: str, shows: str, listed: str, command: str, made: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(made)
    assert main(["train", "--data", data, *(SMALL if data == "synthetic" else [])]) == 2
    captured = capsys.readouterr()
    first, *lines, hint = captured.err.removeprefix(f"data: {data}").partition("error: ")[2].splitlines()
    assert first.startswith("method: no method is chosen. The data shows ") and shows in first
    (row,) = [line.split() for line in lines if line.split()[0] == listed]
    assert row[-4] == "steps," and row[-3] == "about" and row[-1] in ("s", "min", "h", "days")
    assert lines[-1].strip().startswith("Times are estimates for one core of ")
    assert hint == f"  try: radfield {command}"
    assert not (made / "outputs").exists()


def test_the_command_that_is_advised_trains(made: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(made)
    assert main(["train", "--data", "blender", "trainer.max_steps=1", "trainer.n_rays=8", "trainer.eval_views=0"]) == 2
    words = shlex.split(capsys.readouterr().err.rpartition("try: radfield ")[2])
    assert main([*words, "-q", "--out", "run"]) == 0
    assert (made / "run" / "config.toml").is_file()


def test_a_method_in_the_words_or_the_file_is_not_missing(made: Path, tmp_path: Path, capsys) -> None:
    file = tmp_path / "run.toml"
    file.write_text('method = "nosuch"\n')
    for words in (["method=nosuch"], ["method.type=nosuch"], ["-c", str(file)]):
        assert main(["train", "--data", str(made / "blender"), *words]) == 2
        assert "unknown method 'nosuch'" in capsys.readouterr().err


def test_data_that_cannot_be_read_is_reported_as_ever(tmp_path: Path, capsys) -> None:
    assert main(["train", "--data", str(tmp_path / "absent")]) == 65
    assert "no such file or folder" in capsys.readouterr().err
    assert main(["train", "--data", "synthetic", "data.resolutoin=3"]) == 2
    assert capsys.readouterr().err.endswith("try: data.resolution=3\n")
