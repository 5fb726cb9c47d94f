"""`radfield bench micro`: every benchmark that plugins offer, chosen by name, as a table and as JSON."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

from radfield_core.bench import micro, offered
from radfield_core.bench.timing import Timing
from radfield_core.cli.main import main
from radfield_core.errors import UsageError
from radfield_core.plugin import load

KEYS = {"op", "case", "backend", "torch_ms", "kernel_ms", "ratio", "limit", "share_of_limit"}


def test_an_unknown_benchmark_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="marhcing") as caught:
        micro.micro(["marhcing"])
    assert caught.value.problems[0].hint == "radfield bench micro marching"


@pytest.mark.skipif(torch.cuda.is_available(), reason="about machines without CUDA; tests/gpu covers those with it")
def test_an_absent_device_is_refused() -> None:
    for device in ("cuda", "cuda:1", "tpu"):
        with pytest.raises(UsageError, match=f"device '{device}' is not available") as caught:
            micro.micro(device=device)
        assert caught.value.problems[0].path == "--device"


def test_a_benchmark_that_fails_is_reported_after_the_others_have_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(offered, "benchmarks", lambda registry: {"broken": "math:no_such", "good": "tests:timed"})
    monkeypatch.setattr(micro, "load", lambda reference: timed if reference.endswith("timed") else load(reference))
    assert main(["bench", "micro", "--repeats", "3", "--out", str(tmp_path)]) == 1
    output = capsys.readouterr().out
    assert "\nfine           on cpu, 3 times" in output
    assert "wrong: the benchmark broken failed: AttributeError: module 'math' has no attribute 'no_such'" in output
    found = json.loads((tmp_path / "micro.json").read_text())
    assert [row["op"] for row in found["rows"]] == ["fine"] and list(found["failures"]) == ["broken"]


def timed(device: str, repeats: int) -> list[Timing]:
    return [Timing("fine", f"on {device}, {repeats} times", "numba", 2.0, 1.0)]


def test_a_table_has_a_row_for_each_timing_with_its_share_of_the_limit() -> None:
    timings = [
        Timing("hash", "2^14 points", "numba", 30.0, 2.0, "gather", 1.5),
        Timing("march", "1 ray", "triton", 8.0, 0.25),
    ]
    header, first, second = micro.table(timings).splitlines()
    assert header.split() == ["op", "case", "backend", "torch", "ms", "kernel", "ms", "ratio", "share", "of", "limit"]
    assert first.split() == ["hash", "2^14", "points", "numba", "30.00", "2.00", "15.0", "75%", "of", "gather"]
    assert second.split() == ["march", "1", "ray", "triton", "8.00", "0.25", "32.0"]


def test_a_row_of_json_has_four_digits_and_null_without_a_limit() -> None:
    row = micro.timing_row(Timing("march", "1 ray", "numba", 30.00049, 7.0))
    assert set(row) == KEYS
    assert (row["torch_ms"], row["ratio"], row["limit"], row["share_of_limit"]) == (30.0, 4.286, None, None)


def test_micro_writes_the_ratio_and_the_machine(tmp_path, capsys):
    assert main(["bench", "micro", "perceptron", "--repeats", "1", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "micro.json").read_text())
    (row,) = found["rows"]
    assert set(row) == KEYS
    assert row["ratio"] == pytest.approx(row["torch_ms"] / row["kernel_ms"], rel=1e-2)
    assert found["machine"]["threads"] == 1 and found["machine"]["versions"]["torch"] == version("torch")
    assert "perceptron" in capsys.readouterr().out
