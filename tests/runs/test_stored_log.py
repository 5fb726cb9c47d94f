"""The log of a run, read whole: damaged lines are left out, and a link leads nowhere."""

from __future__ import annotations

import json
from pathlib import Path

from radfield_core.runs import stored_log
from radfield_core.runs.stored_log import read_log


def test_entries_come_in_their_order_and_damaged_lines_are_left_out(tmp_path: Path) -> None:
    log = tmp_path / "metrics.jsonl"
    deep = "[" * 100_000
    lines = ['{"step": 1}', "", "3", '["a"]', '{"step": NaN}', deep, '{"step": 2, "x": {"y": 1}}', '{"st']
    log.write_bytes("\n".join(lines).encode() + b"\n\xff\xfe\n")
    found = read_log(log)
    assert [list(entry) for entry in found] == [["step"], ["step"], ["step", "x"]]
    assert found[0] == {"step": 1} and found[2] == {"step": 2, "x": {"y": 1}}


def test_a_missing_log_and_a_folder_are_empty(tmp_path: Path) -> None:
    assert read_log(tmp_path / "none") == [] and read_log(tmp_path) == []


def test_of_a_long_log_only_the_beginning_is_read(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    log = tmp_path / "metrics.jsonl"
    log.write_text("".join(json.dumps({"step": step}) + "\n" for step in range(10)))
    monkeypatch.setattr(stored_log, "MAX_LOG_BYTES", 30)
    assert read_log(log) == [{"step": 0}, {"step": 1}]
