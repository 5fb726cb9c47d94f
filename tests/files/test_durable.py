"""Durable files: each is whole or unchanged, whatever fails while it is written."""

from __future__ import annotations

import os

import pytest

from radfield_core.files.durable import atomic_path, write_durably


def test_folders_above_a_new_file_are_created_and_text_is_utf8(tmp_path):
    file = tmp_path / "a" / "b" / "x"
    write_durably(file, "é")
    assert file.read_bytes() == "é".encode()
    write_durably(file, b"\x00")
    assert file.read_bytes() == b"\x00" and os.listdir(file.parent) == ["x"]


@pytest.mark.parametrize("call", ["open", "write", "fsync", "replace"])
def test_a_failed_system_call_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, call):
    file = tmp_path / "x"
    write_durably(file, "old")

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        with pytest.raises(OSError, match="No space"):
            write_durably(file, "new")
    assert file.read_text() == "old" and os.listdir(tmp_path) == ["x"]


def test_content_is_synced_before_the_rename_and_the_folder_after_it(tmp_path, monkeypatch):
    calls = []
    for name in ("fsync", "replace"):
        original = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, name=name, original=original: (calls.append(name), original(*a))[1])
    write_durably(tmp_path / "x", "text")
    assert calls == ["fsync", "replace", "fsync"]
    calls.clear()
    with atomic_path(tmp_path / "d") as temporary:
        temporary.mkdir()
        (temporary / "y").write_text("text")
    assert calls == ["fsync", "fsync", "replace", "fsync"]


def test_a_short_write_is_continued(tmp_path, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: write(handle, data[:3]))
    write_durably(tmp_path / "x", b"0123456789")
    assert (tmp_path / "x").read_bytes() == b"0123456789"


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    file = tmp_path / "x"
    write_durably(file, "old")
    with pytest.raises(RuntimeError), atomic_path(file) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert file.read_text() == "old" and os.listdir(tmp_path) == ["x"]


def test_a_folder_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), atomic_path(tmp_path / "d") as temporary:
        (temporary / "inner").mkdir(parents=True)
        raise RuntimeError
    assert os.listdir(tmp_path) == []
    with atomic_path(tmp_path / "d") as temporary:
        (temporary / "inner").mkdir(parents=True)
    assert os.listdir(tmp_path / "d") == ["inner"]
