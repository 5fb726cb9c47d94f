"""`radfield runs`: a table of the runs below a folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from radfield_core.cli import runs
from radfield_core.cli.main import main

CONFIG = '[method]\ntype = "{method}"\n[data]\ntype = "blender"\nroot = "/data/{scene}"\n[trainer]\nmax_steps = 20\n'


def make_run(folder: Path, method: str, scene: str, step: int, psnr: float | None, days: float, n_bytes: int) -> None:
    checkpoint = folder / "checkpoints" / f"step-{step:09d}"
    checkpoint.mkdir(parents=True)
    (checkpoint / "model.safetensors").write_bytes(b"x" * n_bytes)
    (folder / "config.toml").write_text(CONFIG.format(method=method, scene=scene))
    if psnr is not None:
        table = {"metrics": {"psnr": psnr, "ssim": 0.5}, "per_image": [{"name": "a", "psnr": psnr}], "split": "test"}
        (folder / "results.json").write_text(json.dumps({**table, "step": 10}))
    for path in (folder / "config.toml", checkpoint):
        os.utime(path, (time.time() - days * 86400, time.time() - days * 86400))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three runs below outputs/."""
    make_run(tmp_path / "outputs" / "lego" / "old", "nerf", "lego", 10, 21.5, 40.2, 2_000_000)
    make_run(tmp_path / "outputs" / "lego" / "new", "ngp", "lego", 20, 25.25, 1.1, 500)
    make_run(tmp_path / "outputs" / "bare", "neus", "scan65", 5, None, 3.5, 10)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows(text: str) -> list[list[str]]:
    return [[cell for cell in line.split("  ") if cell] for line in text.splitlines()]


def test_runs_are_listed_newest_first_with_their_facts(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs"]) == 0
    header, *found = [[cell.strip() for cell in row] for row in rows(capsys.readouterr().out)]
    assert header == ["run", "scene", "method", "step", "PSNR", "SSIM", "measured on", "age", "size"]
    assert found == [
        ["outputs/lego/new", "lego", "ngp", "20", "25.25", "0.5000", "test, at step 10", "1 day", found[0][-1]],
        ["outputs/bare", "scan65", "neus", "5 of 20", "3 days", found[1][-1]],
        ["outputs/lego/old", "lego", "nerf", "10 of 20", "21.50", "0.5000", "test", "40 days", "2.0 MB"],
    ]


@pytest.mark.parametrize(
    ("key", "order"), [("psnr", "new old bare"), ("size", "old new bare"), ("scene", "new old bare")]
)
def test_runs_are_sorted_by_what_was_asked_for(
    key: str, order: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["runs", "outputs", "--sort", key]) == 0
    assert [Path(row[0]).name for row in rows(capsys.readouterr().out)[1:]] == order.split()


def test_the_same_as_json_one_line_per_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "--json", "outputs/lego", "outputs/lego/new"]) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["path"], first["step"], first["metrics"]["psnr"]) == ("outputs/lego/new", 20, 25.25)
    what = {"split": "test", "views": 1, "step": 10, "whole": True, "fit_color": "none", "fit_cameras": "none"}
    assert second["measured"] == what and second["bytes"] > 2e6


def test_no_runs_and_no_folder_are_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "empty").mkdir()
    assert main(["runs", "empty"]) == 0
    assert capsys.readouterr().out == "no runs below empty\n"
    assert main(["runs", "nosuch"]) == 2
    assert "nosuch: there is no such folder" in capsys.readouterr().err
    os.chdir(folder / "empty")
    assert main(["runs"]) == 0 and "no runs yet" in capsys.readouterr().out


def test_names_of_strangers_cannot_control_the_terminal(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(folder / "outputs" / "a\x1b[2J\nb", "x\\u001b[2J", "s", 1, None, 0, 1)
    assert main(["runs"]) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown and len(shown.splitlines()) == 5


def test_listing_runs_imports_nothing_slow(folder: Path) -> None:
    program = (
        "import sys; from radfield_core.cli.main import main; code = main(['runs'])\n"
        "print(code, sorted({'torch', 'numpy', 'scipy', 'PIL', 'matplotlib', 'safetensors'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []", done.stderr


@pytest.mark.parametrize(
    ("seconds", "text"), [(-5, "0 seconds"), (59, "59 seconds"), (60, "1 minute"), (7200, "2 hours"), (9e7, "2 years")]
)
def test_an_age_is_told_in_its_largest_unit(seconds: float, text: str) -> None:
    assert runs.age(seconds) == text


@pytest.mark.parametrize(("n", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (123_456_789, "123 MB")])
def test_a_size_is_told_in_a_readable_unit(n: int, text: str) -> None:
    assert runs.size(n) == text
