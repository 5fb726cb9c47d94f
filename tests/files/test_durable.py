"""Durable files: each is whole or unchanged, whatever fails while it is written."""

from __future__ import annotations

import contextlib
import os
import signal

import pytest

from radfield_core.files import durable
from radfield_core.files.durable import atomic_path, temporary_path, write_durably


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


def killed_while_writing(folder, kind):
    """Start to write a file or a folder in another process, and kill that process halfway."""
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException), atomic_path(folder / "final") as temporary:
            if kind == "folder":
                (temporary / "inner").mkdir(parents=True)
                (temporary / "inner" / "x").write_text("half")
            elif kind == "link":
                temporary.symlink_to(folder / "precious")
            else:
                temporary.write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
        os._exit(0)
    os.waitpid(pid, 0)


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
@pytest.mark.parametrize("again", ["file", "folder"])
def test_what_a_killed_process_left_goes_when_another_writes_there(tmp_path, monkeypatch, kind, again):
    (tmp_path / "precious").write_text("mine")
    killed_while_writing(tmp_path, kind)
    (left,) = tmp_path.glob(".tmp-*")
    monkeypatch.setattr(durable, "_cleaned", set())  # as a new process has it
    if again == "file":
        write_durably(tmp_path / "new", "text")
    else:
        with atomic_path(tmp_path / "new") as temporary:
            temporary.mkdir()
    assert not os.path.lexists(left) and sorted(os.listdir(tmp_path)) == ["new", "precious"]
    assert (tmp_path / "precious").read_text() == "mine"


def test_temporary_files_of_others_stay(tmp_path, monkeypatch):
    alive = temporary_path(tmp_path / "mine")
    other_machine = tmp_path / f".tmp-{2**22 + 1}-{'0' * 16}-0-x"
    running = tmp_path / alive.name.replace(str(os.getpid()), str(os.getppid()), 1)
    foreign = [tmp_path / name for name in (".tmp-1", ".tmp-99999999-x", ".tmp-notes", "tmp-1-2")]
    for path in (alive, other_machine, running, *foreign):
        path.write_text("x")
    durable.remove_leftovers(tmp_path)
    assert len(os.listdir(tmp_path)) == 7


def test_temporary_names_differ_and_are_short_enough_for_long_names(tmp_path):
    final = tmp_path / ("n" * 250 + ".png")
    assert temporary_path(final) != temporary_path(final)
    assert temporary_path(final).suffix == ".png"
    write_durably(final, "text")
    assert final.read_text() == "text"


@pytest.mark.parametrize("call", ["open", "write", "fsync", "replace"])
def test_an_error_names_the_file_that_was_to_be_written(tmp_path, monkeypatch, call):
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device", *args[:1] if call in ("open", "replace") else ())

    monkeypatch.setattr(os, call, full)
    with pytest.raises(OSError, match="No space") as caught:
        write_durably(tmp_path / "x", "new")
    assert caught.value.filename == str(tmp_path / "x") and caught.value.filename2 is None


def test_an_error_within_a_new_folder_names_the_file_at_its_final_place(tmp_path):
    with pytest.raises(OSError, match="No such file") as caught, atomic_path(tmp_path / "d") as temporary:
        (temporary / "a" / "b").write_text("x")
    assert caught.value.filename == str(tmp_path / "d" / "a" / "b")
    with pytest.raises(OSError, match="No such file") as caught, atomic_path(tmp_path / "d"):
        (tmp_path / "other" / "b").write_text("x")
    assert caught.value.filename == str(tmp_path / "other" / "b")
