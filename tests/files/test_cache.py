"""The cache folder: where the environment says, private to the user."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from radfield_core.files.cache import cache_dir


def test_the_first_of_three_variables_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("RADFIELD_CACHE", raising=False)
    assert cache_dir("x") == tmp_path / "home/.cache/radfield/x"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_dir("x") == tmp_path / "xdg/radfield/x"
    monkeypatch.setenv("RADFIELD_CACHE", str(tmp_path / "own"))
    assert cache_dir("x") == tmp_path / "own/x"


def test_others_cannot_read_a_new_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RADFIELD_CACHE", str(tmp_path))
    folder = cache_dir("x")
    assert folder.is_dir() and stat.S_IMODE(folder.stat().st_mode) & 0o077 == 0
