"""The tutorial works as it stands: its files are written, its commands run, and they print what it shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from markdown import DOCS
from session import Session, matches


def test_the_tutorial_prints_what_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RADFIELD_CACHE", str(tmp_path / "cache"))
    session = Session(tmp_path)
    wrong = session.follow(DOCS / "authors" / "tutorial.md")
    assert not wrong, "\n\n".join(wrong)
    assert len(session.commands) >= 10
    assert (tmp_path / "acme-waves/acme_waves/encoding.py").exists() and (tmp_path / "runs/second/config.toml").exists()


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("step 3 ... dB", "step 3 · PSNR 12.1 dB\n", True), ("a\n...\nb", "a\nx\ny\nb", True), ("a  b", "a b", True),
        ("16 passed in ...s", "15 passed in 2.0s", False), ("", "something", False), ("something", "", False),
    ],
)  # fmt: skip
def test_dots_stand_for_anything_and_nothing_else_does(shown: str, printed: str, same: bool) -> None:
    assert matches(shown, printed) is same
