"""What was meant: a command with unknown words is answered with one that runs."""

from __future__ import annotations

import re
import shlex
from importlib import import_module
from pathlib import Path

import pytest

from radfield_core.cli.main import main
from radfield_core.cli.parser import parse

DOCS = Path(__file__).resolve().parents[2] / "docs"

MEANT = {
    "train ngp-small lego/": "train --method ngp-small --data lego/",
    "train lego/ ngp-small -q": "train --data lego/ --method ngp-small -q",
    "train ngp-smal lego/": "train --method ngp-small --data lego/",
    "train instant-ngp lego/": "train --method ngp --data lego/",
    "train tiny-nerf synthetic": "train --method tiny-nerf --data synthetic",
    "train run.toml": "train --config run.toml",
    "train --method ngp-small --data lego/ --max-steps 10":
        "train --method ngp-small --data lego/ trainer.max_steps=10",
    "train --method ngp --max-steps=10 -q": "train --method ngp -q trainer.max_steps=10",
    "train --method ngp --data a trainer.seed=1 --trainer.max_steps 10":
        "train --method ngp --data a trainer.seed=1 trainer.max_steps=10",
    "train --method nerf --data a --type colmap": "train --method nerf --data a data.type=colmap",
    "train --method ngp --finest-resolution 64": "train --method ngp field.encoding.finest_resolution=64",
    "train --method ngp --lr 1e-3 --seed -1": "train --method ngp method.lr=1e-3 trainer.seed=-1",
    "train --method ngp --background white": "train --method ngp method.background=white",
    "train --model nerfacto --output-dir x lego/": "train --method ngp-capture --out x --data lego/",
    "train --methd nerf --quite": "train --method nerf --quiet",
    "train --skip-bad-image": "train --skip-bad-images",
    "config show nerf --trainer.seed 3": "config show --method nerf trainer.seed=3",
    "bench run nerf lego/": "bench run --method nerf --data lego/",
    "eval RUN chamfer": "eval RUN --metric chamfer",
    "eval RUN val": "eval RUN --split val",
    "render RUN turntable": "render RUN --path turntable",
    "render RUN gif": "render RUN --video gif",
    "render RUN 0,5": "render RUN --views 0,5",
    "export RUN pointcloud": "export RUN --exporter pointcloud",
    "export RUN mesh.glb": "export RUN --out mesh.glb",
    "export RUN --max-faces 100": "export RUN max_faces=100",
    "data inspect lego/ --type blender": "data inspect lego/ data.type=blender",
    "data make out --type blender": "data make out --format blender",
    "ngp-small lego/": "train --method ngp-small --data lego/",
    "--method ngp --data lego/": "train --method ngp --data lego/",
    "-q eval RUN": "eval -q RUN",
    "--method ngp train --data lego/": "train --method ngp --data lego/",
    "trian --method ngp": "train --method ngp",
    "inspect lego/": "data inspect lego/",
}  # fmt: skip
"""What was typed -> what was meant, both after `radfield`."""


def test_option_of_another_verb_is_not_taken_for_a_misspelling(capsys) -> None:
    assert main(["eval", "RUN", "--views", "99"]) == 2
    assert "--device" not in capsys.readouterr().err


def hint(error: str) -> str:
    """What the last line of an error says to try."""
    return error.rpartition("try: ")[2].strip()


@pytest.mark.parametrize(("typed", "meant"), MEANT.items(), ids=MEANT)
def test_a_mistyped_command_is_answered_with_the_one_that_was_meant(typed, meant, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(typed)) == 2
    error = capsys.readouterr().err
    assert hint(error) == f"radfield {meant}" and "Traceback" not in error
    verb, *words = shlex.split(meant)
    assert parse(verb, import_module(f"radfield_core.cli.{verb}"), words) is not None, "the answer is understood"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("train --method instant-ngp --data synthetic", "train --method ngp --data synthetic"),
        ("config show --method=nerfacto trainer.seed=1", "config show --method=ngp-capture trainer.seed=1"),
        ("train --method ngp-smal --data synthetic", "train --method ngp-small --data synthetic"),
        ("config show --method vanilla-nerf", "config show --method nerf"),
    ],
)  # fmt: skip
def test_a_method_of_another_program_is_answered_with_the_command(typed: str, meant: str, capsys) -> None:
    assert main(shlex.split(typed)) == 2
    error = capsys.readouterr().err
    assert "unknown method" in error and hint(error) == f"radfield {meant}"


def test_a_word_that_means_nothing_keeps_its_own_line_beside_those_that_do(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--methd", "nerf", "--xyzzy", "3", "a"]) == 2
    assert capsys.readouterr().err == (
        "error: unknown option '--methd'\n  try: Write --method nerf\n"
        "error: unknown option '--xyzzy'\n  try: radfield train --help\n"
        "error: unknown argument 'a'\n  try: Write it as key=value, or see radfield train --help\n"
    )


def test_a_name_that_may_be_several_options_lists_them(capsys) -> None:
    assert main(["train", "--width", "3", "--method", "mipnerf"]) == 2
    assert hint(capsys.readouterr().err) == "radfield train --method mipnerf field.width=3"
    assert main(["train", "--n-frequencies", "3", "--method", "nerf"]) == 2
    said = "Write field.direction_encoding.n_frequencies=3 or field.encoding.n_frequencies=3"
    assert hint(capsys.readouterr().err) == said


def test_what_exists_on_the_disk_decides(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scene").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.toml").touch()
    for word, option in (("scene", "--data"), ("run", "--resume")):
        assert main(["train", word]) == 2
        assert hint(capsys.readouterr().err) == f"radfield train {option} {word}"


def test_the_options_that_the_documentation_compares_are_answered_with_the_one_beside_them(capsys) -> None:
    rows = (DOCS / "coming_from.md").read_text().partition("| nerfstudio option |")[2].partition("\n\n")[0]
    pairs = re.findall(r"^\| `(--[\w.-]+)`[^|]*\| `([\w.]+)`", rows, re.MULTILINE)
    assert len(pairs) >= 7
    for theirs, ours in pairs:
        assert main(["train", "--method", "ngp", theirs, "1"]) == 2
        assert hint(capsys.readouterr().err) == f"radfield train --method ngp {ours}=1"
