"""The cache folder: where the environment says, private to the user."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from radfield_core.files.cache import cache_dir, private_folder


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


def test_a_folder_of_another_user_is_refused(tmp_path, monkeypatch):
    (tmp_path / "x").mkdir(mode=0o700)
    monkeypatch.setattr("os.geteuid", lambda: (tmp_path / "x").stat().st_uid + 1)
    with pytest.raises(PermissionError, match="another user") as caught:
        private_folder(tmp_path / "x")
    assert caught.value.filename == str(tmp_path / "x")


@pytest.mark.parametrize(("mode", "usable"), [(0o755, True), (0o700, True), (0o720, False), (0o702, False)])
def test_a_folder_that_others_can_read_is_closed_and_one_that_they_can_write_to_is_refused(tmp_path, mode, usable):
    folder = tmp_path / "x"
    folder.mkdir()
    folder.chmod(mode)
    if usable:
        assert private_folder(folder).stat().st_mode & 0o777 == 0o700
    else:
        with pytest.raises(PermissionError, match="other users"):
            private_folder(folder)
