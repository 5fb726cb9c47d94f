"""`radfield data points`: mistakes of its command line. The points are tested with the converter that makes them."""

from __future__ import annotations

from pathlib import Path

from radfield_core.cli.main import main

TINY = ["data.resolution=16", "data.n_train=3", "data.n_val=1", "data.n_test=1", "data.supersample=1"]


def test_all_mistakes_are_listed_at_once(tmp_path: Path, capsys) -> None:
    code = main(["data", "points", str(tmp_path / "absent"), "--out", str(tmp_path / "points.obj"), "neighbours=3"])
    error = capsys.readouterr().err
    assert code != 0 and str(tmp_path / "absent") in error
    assert "points.obj does not end in .ply" in error and f"try: --out {tmp_path / 'points.ply'}\n" in error
    assert "neighbors" in error and "Traceback" not in error


def test_a_data_set_with_points_keeps_its_own(tmp_path: Path, capsys) -> None:
    assert main(["data", "points", "synthetic", *TINY, "data.n_points=100"]) == 2
    error = capsys.readouterr().err
    assert "points of its own" in error and "--out FILE.ply" in error


def test_the_help_lists_the_options_of_the_converter(capsys) -> None:
    assert main(["data", "points", "--help"]) == 0
    output = capsys.readouterr().out
    assert "options of converter:triangulated" in output and "neighbors" in output
