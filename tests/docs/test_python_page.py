"""The Python page runs as it stands and prints what it shows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from markdown import DOCS, blocks
from session import matches

BREAK = "===== block ====="


def test_every_block_of_the_python_page_runs_and_prints_what_is_shown(tmp_path: Path) -> None:
    found = blocks(DOCS / "python.md")
    code = [(index, source) for index, (language, source) in enumerate(found) if language == "python"]
    assert len(code) > 10
    program = tmp_path / "page.py"
    program.write_text("".join(f"{source}\nprint({BREAK!r}, flush=True)\n" for _, source in code), encoding="utf-8")
    environment = os.environ | {"RADFIELD_CACHE": str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, program], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    printed = done.stdout.split(f"{BREAK}\n")
    for (index, source), text in zip(code, printed, strict=False):
        following = found[index + 1] if index + 1 < len(found) else ("", "")
        expected = following[1] if following[0] == "text" else ""
        assert matches(expected, text), f"{source}\nprinted:\n{text}"
    assert len(printed) == len(code) + 1
