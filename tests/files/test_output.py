"""Output files: the format follows from the option or the ending, and nothing is overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from radfield_core.errors import StorageError, UsageError
from radfield_core.files.output import check_file, check_folder, file_and_format, require_empty

FORMATS = ("ply", "obj")


@pytest.mark.parametrize(
    ("path", "chosen", "expected"),
    [
        ("a", None, ("a.ply", "ply")), ("a", "obj", ("a.obj", "obj")), ("a.obj", None, ("a.obj", "obj")),
        ("a.OBJ", None, ("a.OBJ", "obj")), ("a.ply", "ply", ("a.ply", "ply")),
        ("model 1.5", None, ("model 1.5.ply", "ply")), ("b/.hidden", None, ("b/.hidden.ply", "ply")),
    ],
)  # fmt: skip
def test_the_format_is_the_chosen_one_or_the_ending_or_the_first(path, chosen, expected):
    file, format = file_and_format(Path(path), FORMATS, chosen)
    assert (str(file), format) == expected


@pytest.mark.parametrize(("path", "chosen"), [("a.png", None), ("a.obj", "ply"), ("a.h5", "ply")])
def test_an_ending_of_another_format_is_refused_with_a_path_that_works(path, chosen):
    with pytest.raises(UsageError) as caught:
        file_and_format(Path(path), FORMATS, chosen)
    (problem,) = caught.value.problems
    assert problem.path == path and "a.ply" in problem.hint


def test_only_an_absent_or_an_empty_folder_is_written_to(tmp_path):
    require_empty(tmp_path / "absent")
    require_empty(tmp_path)
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file"):
        with pytest.raises(UsageError, match="not an empty folder"):
            require_empty(path)


def test_a_place_that_can_be_written_is_left_as_it_was(tmp_path):
    (tmp_path / "old.ply").write_text("old")
    for check, path in (
        (check_file, "old.ply"),
        (check_file, "a/b/new.ply"),
        (check_folder, "a/b"),
        (check_folder, ""),
    ):
        check(tmp_path / path)
    assert [path.name for path in tmp_path.rglob("*")] == ["old.ply"]
    assert (tmp_path / "old.ply").read_text() == "old"


@pytest.mark.parametrize(
    ("check", "path", "reason", "hint"),
    [
        (check_file, "file/a.ply", "Not a directory", "leads through a file"),
        (check_file, "file/a/b.ply", "Not a directory", "leads through a file"),
        (check_folder, "file", "Not a directory", "leads through a file"),
        (check_file, "folder", "Is a directory", "a folder has this name"),
        (check_file, "new/" + "x" * 300, "File name too long", "shorter"),
        (check_folder, "y" * 300, "File name too long", "shorter"),
        (check_file, "dangling/a.ply", "File exists", "another name"),
    ],
)
def test_a_place_that_cannot_be_written_is_named_with_the_reason(check, path, reason, hint, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(StorageError, match=reason) as caught:
        check(tmp_path / path)
    (problem,) = caught.value.problems
    assert problem.path == str(tmp_path / path) and hint in problem.hint
    assert sorted(tmp_path.rglob("*")) == before
