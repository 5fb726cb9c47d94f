"""`radfield eval`: options that belong to a metric, and metrics that do not exist."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

import pytest

from radfield_core.cli.eval import configure
from radfield_core.cli.main import main
from radfield_core.render.image_metrics import MORE_METRICS


@pytest.mark.parametrize("words", [["--reference", "x.ply"], ["n_samples=3"]])
def test_options_of_a_metric_need_one(words: list[str], tmp_path: Path, capsys) -> None:
    assert main(["eval", str(tmp_path), *words]) == 2
    error = capsys.readouterr().err
    assert "--metric" in error and "--metric chamfer" in error.partition("try: ")[2]


def test_an_unknown_metric_is_answered_with_the_nearest(tmp_path: Path, capsys) -> None:
    assert main(["eval", str(tmp_path), "--metric", "chamfr"]) in (2, 69)
    assert "chamfer" in capsys.readouterr().err.partition("try: ")[2]


def test_a_folder_that_is_no_run_is_named(tmp_path: Path, capsys) -> None:
    assert main(["eval", str(tmp_path)]) in (2, 74)
    error = capsys.readouterr().err
    assert str(tmp_path) in error and "Traceback" not in error


def test_image_metrics_on_request_are_refused_beside_another_metric(tmp_path: Path, capsys) -> None:
    assert main(["eval", str(tmp_path), "--metric", "chamfer", "--also", "flip"]) == 2
    words = "--also, --lpips-weights and --fit-cameras belong to image metrics, which --metric replaces"
    assert words in capsys.readouterr().err


def test_the_image_metrics_on_request_are_those_that_core_computes() -> None:
    parser = ArgumentParser()
    configure(parser)
    also = next(action for action in parser._actions if action.dest == "also")
    assert sorted(also.choices or ()) == sorted([*MORE_METRICS, "lpips"])
