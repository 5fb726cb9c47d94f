"""`radfield compare`: metrics, options and versions of runs side by side."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from radfield_core.cli.main import main

CONFIG = '[method]\ntype = "ngp"\nlr = {lr}\n[data]\ntype = "blender"\nroot = "/data/{scene}"\n'


def make_run(folder: Path, lr: float, psnr: list[float], *, scene: str = "lego", version: str = "1") -> Path:
    (folder / "checkpoints" / "step-000000010").mkdir(parents=True)
    (folder / "config.toml").write_text(CONFIG.format(lr=lr, scene=scene))
    (folder / "plugins.json").write_text(json.dumps({"radfield-ngp": version}))
    (folder / "metrics.jsonl").write_text('{"step": 10, "seconds": 12.25}\n')
    views = [{"name": f"v{index}", "psnr": value} for index, value in enumerate(psnr)]
    mean = sum(psnr) / len(psnr)
    table = {"metrics": {"psnr": mean}, "per_image": views, "split": "test", "step": 10}
    (folder / "results.json").write_text(json.dumps(table))
    return folder


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two runs, a and b."""
    make_run(tmp_path / "a", 0.01, [20.0, 30.0, 25.0])
    make_run(tmp_path / "b", 0.02, [21.0, 29.5, 26.0], version="2")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def test_metrics_options_and_versions_are_side_by_side(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "a", "b"]) == 0
    shown = lines(capsys.readouterr().out)
    for line in (
        "A a: ngp on lego", "B b: ngp on lego", "step 10 10", "training, s 12.2 12.2", "measured on test test",
        "PSNR 25.00 25.50", "B has the higher PSNR in 2 of 3 views; the mean difference is +0.50 dB",
        "different options A B", "method.lr 0.01 0.02", "different plugins A B", "radfield-ngp 1 2",
    ):  # fmt: skip
        assert line in shown, line
    assert not any("data.root" in line or "caution" in line for line in shown)


def test_a_run_is_like_itself(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "a", "a"]) == 0
    shown = lines(capsys.readouterr().out)
    assert "options: no differences" in shown and "plugins: no differences" in shown
    assert "B has the higher PSNR in 0 of 3 views; the mean difference is +0.00 dB" in shown


def test_what_cannot_be_compared_is_said(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = make_run(runs / "other scene", 0.01, [20.0], scene="ship")
    assert main(["compare", "a", "b", str(other)]) == 0
    shown = capsys.readouterr().out
    assert "caution: the runs have different scenes" in shown and "come from different views or sizes" in shown
    (other / "results.json").unlink()
    assert main(["compare", "a", str(other)]) == 0
    shown = capsys.readouterr().out
    assert "for metrics of the whole test split: radfield eval 'other scene'" in shown
    assert "B has the higher PSNR" not in shown


def test_a_checkpoint_is_compared_by_its_own_results(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (runs / "a" / "checkpoints" / "step-000000005").mkdir()
    (runs / "a" / "results").mkdir()
    older = json.loads((runs / "a" / "results.json").read_text()) | {"step": 5, "metrics": {"psnr": 11.0}}
    (runs / "a" / "results" / "results-step-000000005.json").write_text(json.dumps(older))
    assert main(["compare", "a/checkpoints/step-000000005", "a"]) == 0
    shown = lines(capsys.readouterr().out)
    assert "step 5 10" in shown and "PSNR 11.00 25.00" in shown


def test_mistakes_are_named_all_at_once(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "a"]) == 2
    assert "one run cannot be compared" in capsys.readouterr().err
    assert main(["compare", "a", "x", "y"]) == 2
    error = capsys.readouterr().err
    assert "/x: is neither" in error and "/y: is neither" in error
