"""The Python page runs as it stands and prints what it shows."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import pytest
from markdown import DOCS, blocks
from session import matches


def test_every_block_of_the_python_page_runs_and_prints_what_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RADFIELD_CACHE", str(tmp_path / "cache"))
    names: dict[str, Any] = {"__name__": "page"}
    found = blocks(DOCS / "python.md")
    assert len(found) > 20
    for index, (language, source) in enumerate(found):
        if language != "python":
            continue
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(source, f"docs/python.md, block {index}", "exec"), names)
        following = found[index + 1] if index + 1 < len(found) else ("", "")
        expected = following[1] if following[0] == "text" else ""
        assert matches(expected, printed.getvalue()), f"{source}\nprinted:\n{printed.getvalue()}"
