"""Output files: the format follows from the option or the ending, and nothing is overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from radfield_core.errors import UsageError
from radfield_core.files.output import file_and_format, require_empty

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
