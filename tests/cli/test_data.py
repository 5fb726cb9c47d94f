"""`radfield data`: mistakes of its command line; tests/data covers what it writes and finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from radfield_core.cli.main import main

TINY = ["data.resolution=16", "data.n_train=1", "data.n_val=1", "data.n_test=2"]


def test_numbers_of_views_and_files_agree_with_their_nouns(tmp_path: Path, capsys) -> None:
    assert main(["data", "make", str(tmp_path / "x"), "--format", "blender", "-q", *TINY]) == 0
    output = capsys.readouterr().out
    assert "train: 1 view, val: 1 view, test: 2 views; 7 files" in output


def test_a_format_that_is_only_read_is_refused_with_one_that_is_written(tmp_path: Path, capsys) -> None:
    assert main(["data", "make", str(tmp_path / "x"), "--format", "tiny-nerf"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: --format: tiny-nerf ") and "try: --format blender\n" in error


@pytest.mark.parametrize(("verb", "name"), [("inspect", "absent"), ("convert", "absent")])
def test_a_path_that_does_not_exist_is_named(verb: str, name: str, tmp_path: Path, capsys) -> None:
    source = str(tmp_path / name)
    words = [source] if verb == "inspect" else ["multiscale", source, str(tmp_path / "out")]
    assert main(["data", verb, *words]) != 0
    error = capsys.readouterr().err
    assert source in error and "Traceback" not in error


def test_process_is_the_converter_of_photographs(tmp_path: Path, capsys) -> None:
    assert main(["data", "process", str(tmp_path / "absent"), str(tmp_path / "out"), "nonsense=1"]) == 2
    error = capsys.readouterr().err
    assert "nonsense" in error and f"{tmp_path / 'absent'}: there is no such file" in error
