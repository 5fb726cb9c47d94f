"""Only regular files are opened, and a link is followed only where that is asked for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from radfield_core.errors import StorageError
from radfield_core.files.regular import open_regular, open_to_append, refuse_links_out


@pytest.fixture
def odd(tmp_path: Path) -> dict[str, Path]:
    """One path of each kind that is not a plain file."""
    (tmp_path / "file").write_text("text")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "device").symlink_to("/dev/zero")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    return {path.name: path for path in tmp_path.iterdir()}


@pytest.mark.parametrize("kind", ["link", "device", "loop", "folder", "pipe"])
def test_what_is_not_a_plain_file_is_refused_at_once(odd: dict[str, Path], kind: str) -> None:
    with pytest.raises(OSError, match=r"is a link|is not a regular file") as caught:
        open_regular(odd[kind])
    assert caught.value.filename == str(odd[kind])
    with pytest.raises(OSError, match=r"is a link|is not a regular file|Is a directory"):
        open_to_append(odd[kind])


def test_a_link_to_a_file_is_followed_on_request_and_a_device_never(odd: dict[str, Path]) -> None:
    with open_regular(odd["link"], follow_links=True) as stream:
        assert stream.read() == b"text"
    with pytest.raises(OSError, match="not a regular file"):
        open_regular(odd["device"], follow_links=True)


def test_text_is_appended_and_can_be_read_back(tmp_path: Path) -> None:
    for word in ("one", "two"):
        with open_to_append(tmp_path / "new") as stream:
            stream.write(f"{word}\n")
    with open_to_append(tmp_path / "new") as stream:
        stream.seek(0)
        assert stream.read() == "one\ntwo\n"


def test_a_file_with_a_second_name_is_not_appended_to(odd: dict[str, Path], tmp_path: Path) -> None:
    os.link(odd["file"], tmp_path / "second")
    with pytest.raises(OSError, match="second name"):
        open_to_append(tmp_path / "second")


def test_links_out_are_found_at_any_depth_and_only_directly_in_the_skipped_folder(tmp_path: Path) -> None:
    run = tmp_path / "run"
    for name in ("a/b/c", "skipped/deeper"):
        (run / name).mkdir(parents=True)
    for name in ("a/b/c/out", "skipped/out", "skipped/deeper/unseen"):
        (run / name).symlink_to("/etc")
    (run / "a/inside").symlink_to("b")
    (run / "a/round").symlink_to("../../run/a")
    with pytest.raises(StorageError) as caught:
        refuse_links_out(run, run / "skipped")
    assert sorted(problem.path for problem in caught.value.problems) == [
        str(run / "a/b/c/out"),
        str(run / "skipped/out"),
    ]
