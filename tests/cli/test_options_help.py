"""Help that lists the options of a part: of the exporter, the metric or the converter that a command names."""

from __future__ import annotations

import pytest

from radfield_core.cli.main import main
from radfield_core.cli.options_help import chosen_name, options_of_part


@pytest.mark.parametrize(
    ("words", "listed"),
    [
        (["export", "--help"], ["options of exporter:mesh", "max_faces=200000", "resolution=512", "pointcloud"]),
        (["export", "RUN", "--exporter", "pointcloud", "-h"], ["options of exporter:pointcloud", "n_points=200000"]),
        (["export", "--exporter=pointcloud", "-h"], ["options of exporter:pointcloud"]),
        (["export", "--exporter", "nosuch", "--help"], ["unknown exporter 'nosuch'; installed: cameras, mesh"]),
        (["eval", "--help"], ["installed metrics: chamfer, point-to-mesh, texture"]),
        (["eval", "--metric", "chamfer", "--help"], ["options of metric:chamfer", "n_samples=200000"]),
        (["data", "process", "--help"], ["options of converter:photographs"]),
        (["data", "convert", "multiscale", "--help"], ["options of converter:multiscale"]),
        (["data", "convert", "--help"], ["installed converters: multiscale, photographs, triangulated"]),
    ],
)  # fmt: skip
def test_help_lists_the_options_of_the_part_that_the_command_names(
    words: list[str], listed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"usage: radfield {words[0]}") and all(text in out for text in listed)


def test_other_help_lists_no_options_of_parts(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["data", "inspect", "--help"], ["data", "--help"], ["train", "--help"]):
        assert main(words) == 0
        assert "as key=value:" not in capsys.readouterr().out


def test_each_option_has_its_default_its_type_and_its_help_within_the_width(monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    lines = options_of_part("sampler", "importance").splitlines()
    assert lines[0] == "options of sampler:importance, as key=value:"
    place = next(number for number, line in enumerate(lines) if line.startswith("  n_samples="))
    assert lines[place + 1].startswith("      ") and all(len(line) <= 60 for line in lines[1:-2])


def test_a_name_without_a_value_is_the_default() -> None:
    assert chosen_name(["--exporter"], "--exporter", "mesh") == "mesh"
