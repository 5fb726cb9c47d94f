"""`radfield report` and the report at the end of `radfield train`: what is checked first, and what is never lost."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from radfield_core.cli import main as program, report
from radfield_core.cli.main import main
from radfield_core.config.layers import compose
from radfield_core.plugins.registry import get_registry
from radfield_core.train.session import train_run

OPTIONS = [
    "data.resolution=8", "data.n_train=2", "data.n_val=1", "data.n_test=1", "field.width=8", "trainer.n_rays=8",
    "trainer.max_steps=1", "trainer.device=cpu", "sampler.n_samples=4",
]  # fmt: skip
TRAIN = ["train", "--method", "tiny-nerf", "--data", "synthetic", *OPTIONS]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one step; do not change it."""
    out = tmp_path_factory.mktemp("reports") / "run"
    run = compose(get_registry(), method="tiny-nerf", data="synthetic", overrides=OPTIONS).run
    return train_run(run, out=out, quiet=True).folder


@pytest.fixture
def copied(stored: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(stored, tmp_path / "run"))


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What would be written: runs, file, device, place of data, and the options of the report."""
    found: list[tuple[Any, ...]] = []

    def writer(choice: Any) -> Any:
        def write(runs: Any, out: Any = None, *, device: Any = None, data: Any = None) -> Path:
            found.append((runs, out, device, data, choice.config))
            return Path("report.html")

        return SimpleNamespace(write=write)

    monkeypatch.setattr(report, "_writer", writer)
    return found


def test_a_report_is_written_into_the_folder_of_the_run(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(copied), "views=1"]) == 0
    assert capsys.readouterr().out.strip().endswith("report.html")
    assert b"<!DOCTYPE html>" in (copied / "report.html").read_bytes()


def test_options_stand_anywhere_and_runs_keep_their_order(writes: list[Any], stored: Path, tmp_path: Path) -> None:
    words = ["--with", "mesh", str(stored), str(stored / "checkpoints"), "views=3", "--out", str(tmp_path / "a.html")]
    assert main(["report", *words, "size=99", "--device", "cpu"]) == 0
    ((runs, out, device, data, options),) = writes
    assert (runs, out, device, data) == ([stored, stored / "checkpoints"], tmp_path / "a.html", "cpu", None)
    assert (options.mesh, options.views, options.size) == (True, 3, 99)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["RUN", "veiws=3", "nowhere"], ["try: views=3", "nowhere: is neither a run folder"]),
        (["RUN", "RUN"], ["a report on several runs needs a file", "--out compared.html"]),
        (["RUN", "RUN", "--out", "x.html", "--data", "y"], ["several runs cannot have one place of data"]),
        (["RUN", "--out", "."], ["is a folder"]),
        (["views=3"], ["no run is named"]),
        (["RUN", "--data", "/nowhere"], ["/nowhere"]),
        (["RUN", "--with", "mash"], ["--with mesh"]),
    ],
)
def test_all_mistakes_are_told_before_anything_is_done(
    words: list[str], said: list[str], writes: list[Any], stored: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", *(str(stored) if word == "RUN" else word for word in words)]) in (2, 65)
    error = capsys.readouterr().err
    assert all(text in error for text in said) and not writes


def test_the_help_lists_the_options_of_a_report(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--help"]) == 0
    assert "views=8" in capsys.readouterr().out


def test_training_ends_with_a_report_unless_told_not_to(
    writes: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*TRAIN, "--out", str(tmp_path / "a")]) == 0
    assert [entry[0] for entry in writes] == [[tmp_path / "a"]] and "report   report.html" in capsys.readouterr().out
    assert main([*TRAIN, "--out", str(tmp_path / "b"), "--no-report"]) == 0
    assert main([*TRAIN, "--out", str(tmp_path / "c"), "observers.own=report"]) == 0
    assert len(writes) == 1, "a run that lists the observer writes its report itself"
    assert (tmp_path / "c" / "report.html").exists()


def test_a_report_that_fails_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(choice: object) -> None:
        raise ValueError("made\nup")

    monkeypatch.setattr(report, "_writer", broken)
    assert main([*TRAIN, "--out", str(tmp_path / "a")]) == 0
    captured = capsys.readouterr()
    assert "warning: the report could not be written, and the run is complete: ValueError: made up" in captured.err
    assert "radfield report" in captured.err and "next:" in captured.out


def test_without_the_plugin_nothing_is_written_and_the_verb_says_what_to_install(
    tmp_path: Path, stored: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RADFIELD_DISABLE_PLUGINS", "report")
    get_registry.cache_clear()
    try:
        assert main([*TRAIN, "--out", str(tmp_path / "a")]) == 0
        assert not (tmp_path / "a" / "report.html").exists() and "report" not in capsys.readouterr().err
        assert main(["report", str(stored)]) == 69
        assert "radfield-report" in capsys.readouterr().err
    finally:
        monkeypatch.undo()
        get_registry.cache_clear()
    assert "report" in program.VERBS
