"""The facts of runs: what their folders say, and what of it cannot be read."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from radfield_core.runs.listing import facts, find_runs

CONFIG = """
[method]
type = "ngp"
lr = 0.01
[data]
type = "blender"
root = "/data/my lego/"
[trainer]
max_steps = 20
"""


def results(step: int, psnr: float, split: str = "test") -> str:
    views = [{"name": f"v{index}", "psnr": psnr + index - 1} for index in range(3)]
    return json.dumps({"metrics": {"psnr": psnr}, "per_image": views, "split": split, "step": step})


def make_run(folder: Path, *steps: int) -> Path:
    """A run folder with empty checkpoints of these steps."""
    for step in steps:
        (folder / "checkpoints" / f"step-{step:09d}").mkdir(parents=True)
    (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
    (folder / "config.toml").write_text(CONFIG)
    (folder / "plugins.json").write_text('{"radfield-core": "1.0"}')
    return folder


def test_runs_are_found_at_any_depth_and_only_once(tmp_path: Path) -> None:
    for name in ("a/x/1", "a/x/2", "b", "c/checkpoints"):
        make_run(tmp_path / name)
    make_run(tmp_path / "b" / "checkpoints" / "inner")
    make_run(tmp_path / "1" / "2" / "3" / "4" / "5" / "6" / "7")
    (tmp_path / "latest").symlink_to(tmp_path / "b")
    (tmp_path / "no run").mkdir()
    (tmp_path / "no run" / "config.toml").touch()
    found = [str(path.relative_to(tmp_path)) for path in find_runs(tmp_path)]
    assert found == ["a/x/1", "a/x/2", "b", "c/checkpoints"]
    assert list(find_runs(tmp_path / "b")) == [tmp_path / "b"]


def test_facts_are_read_from_the_files(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", 5, 10)
    (folder / "results.json").write_text(results(10, 25.0))
    (folder / "metrics.jsonl").write_text('{"step": 10, "seconds": 1.5}\n{"step": 10, "seconds": 2.5, "eval": {}}\n')
    (folder / "big.bin").write_bytes(b"x" * 5000)
    os.utime(folder / "metrics.jsonl", (2e9, 2e9))
    found = facts(folder)
    assert (found.scene, found.method, found.step, found.max_steps, found.seconds) == ("my-lego", "ngp", 10, 20, 2.5)
    assert found.modified == 2e9 and found.size == sum(
        path.lstat().st_size for path in folder.rglob("*") if path.is_file()
    )
    assert found.options["method.lr"] == "0.01" and found.options["data.root"] == '"/data/my lego/"'
    assert found.plugins == {"radfield-core": "1.0"} and found.best is None and not found.fault
    measured = found.measured
    assert measured is not None and measured.whole and measured.metrics == {"psnr": 25.0}
    assert (measured.split, measured.views, measured.step) == ("test", 3, 10)
    assert measured.per_view == {"v0": 24.0, "v1": 25.0, "v2": 26.0}


def test_without_results_the_last_evaluation_of_the_log_counts(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", 10)
    entries = [
        {"step": 5, "split": "val", "views": 4, "size": [40, 30], "eval": {"psnr": 20.0}},
        {"step": 10, "split": "val", "views": 2, "size": [40, 30], "eval": {"psnr": 21.0, "ssim": None}},
        {"step": 11, "loss": 1.0},
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries) + '{"step": 12, "ev')
    measured = facts(folder).measured
    assert measured is not None and not measured.whole
    assert (measured.metrics, measured.split, measured.views) == ({"psnr": 21.0}, "val", 2)
    assert (measured.step, measured.size) == (10, (40, 30))


def test_a_checkpoint_has_its_own_results_or_none(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", 5, 10, 15)
    (folder / "results.json").write_text(results(10, 25.0))
    (folder / "results").mkdir()
    (folder / "results" / "results-step-000000005.json").write_text(results(5, 15.0))
    (folder / "metrics.jsonl").write_text('{"step": 15, "eval": {"psnr": 30.0}}\n')

    def psnr(step: int) -> float | None:
        found = facts(folder, folder / "checkpoints" / f"step-{step:09d}")
        assert found.step == step
        return None if found.measured is None else found.measured.metrics["psnr"]

    assert [psnr(step) for step in (5, 10, 15)] == [15.0, 25.0, None]
    newest = facts(folder)
    assert newest.step == 15 and newest.measured is not None and newest.measured.step == 10


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"metrics": 3}', '{"metrics": {}, "per_image": [1], "split": 1, "step": "x"}', '{"a": NaN}'],
)
def test_damaged_files_are_left_out(text: str, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", 5)
    for name in ("results.json", "metrics.jsonl", "plugins.json", "checkpoints/best.json", "config.toml"):
        (folder / name).write_text(text)
    found = facts(folder)
    assert (found.measured, found.plugins, found.best, found.seconds) == (None, {}, None, None)
    assert (found.scene, found.method, found.step) == ("scene", "", 5)
    assert bool(found.fault) == (text != "")


def test_a_pipe_or_a_link_in_a_run_is_not_opened(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", 5)
    os.mkfifo(folder / "metrics.jsonl")
    (tmp_path / "secret.json").write_text(results(5, 99.0))
    assert facts(folder).measured is None


def test_a_bare_name_is_a_part_too(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    (folder / "config.toml").write_text('method = "nerf"\ndata = "synthetic"\n')
    assert (facts(folder).method, facts(folder).scene, facts(folder).step) == ("nerf", "synthetic", None)


@pytest.mark.parametrize("name", ["config.toml", "metrics.jsonl", "results.json", "plugins.json", "checkpoints"])
def test_a_run_with_a_link_that_leads_out_is_listed_but_not_read(tmp_path: Path, name: str) -> None:
    folder = make_run(tmp_path / "run", 5)
    (folder / "results.json").write_text(results(5, 25.0))
    moved = tmp_path / "outside"
    if (folder / name).exists():
        (folder / name).rename(moved)
    else:
        moved.write_text("{}")
    (folder / name).symlink_to(moved)
    found = facts(folder)
    assert "leads out of the folder" in found.fault and found.measured is None and found.options == {}


@pytest.mark.parametrize("name", ["config.toml", "metrics.jsonl", "results.json", "plugins.json"])
def test_a_pipe_in_a_run_is_not_waited_for(tmp_path: Path, name: str) -> None:
    folder = make_run(tmp_path / "run", 5)
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    found = facts(folder)
    assert (found.fault == "is not a regular file") == (name == "config.toml")
