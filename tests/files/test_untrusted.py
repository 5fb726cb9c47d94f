"""Files of unknown origin: names stay inside their folder, and missing files are named with a similar one."""

from __future__ import annotations

import difflib
import os
import random

import pytest
from hypothesis import given, settings, strategies as st

from radfield_core.errors import DatasetError
from radfield_core.files.untrusted import (
    MAX_SIMILAR,
    absences,
    display_path,
    missing_files,
    read_limited,
    safe_join,
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A data folder with a link out of it and one inside it, beside a secret."""
    base = tmp_path_factory.mktemp("tree")
    root = base / "root"
    (root / "images").mkdir(parents=True)
    (root / "images" / "a.png").write_bytes(b"x")
    (base / "secret.txt").write_text("secret")
    (base / "root-twin").mkdir()
    (root / "out").symlink_to(base)
    (root / "out.txt").symlink_to(base / "secret.txt")
    (root / "loop").symlink_to(root / "loop")
    (root / "inside").symlink_to(root / "images")
    return root


def test_no_name_out_of_ten_thousand_escapes(tree):
    draw = random.Random(0)
    pieces = [
        "..", ".", "images", "a.png", "out", "out.txt", "inside", "loop", "", "~", "C:", "\0", "root-twin", "secret",
        "..\\..", "\\", "//", "%2e%2e", "é", " ", "etc", "passwd", "x" * 300, "....", "\n", "..;", "\\\\server",
        "\ud800", "secret.txt",
    ]  # fmt: skip
    taken = refused = 0
    for _ in range(10_000):
        name = draw.choice(["/", "\\", "//"]).join(draw.choices(pieces, k=draw.randint(1, 6)))
        name = draw.choice(["", "", "", "/", "./", "\\"]) + name
        try:
            path = safe_join(tree, name)
        except DatasetError:
            refused += 1
            continue
        taken += 1
        assert os.path.realpath(path).startswith(os.path.realpath(tree) + os.sep) or path == tree.resolve()
    assert taken > 1000 and refused > 1000


@settings(max_examples=500, deadline=None)
@given(st.text(max_size=40))
def test_any_text_stays_inside_or_is_refused(tree, name):
    try:
        path = safe_join(tree, name)
    except DatasetError:
        return
    assert path.is_relative_to(tree.resolve())


@pytest.mark.parametrize(
    "name", ["../secret.txt", "out/secret.txt", "out.txt", "/etc/passwd", "C:\\x", "a\0b", "", "loop/x"]
)
def test_names_that_leave_are_refused(tree, name):
    with pytest.raises(DatasetError):
        safe_join(tree, name)


def test_backslashes_and_inner_links_are_followed(tree):
    assert safe_join(tree, ".\\images\\a.png") == (tree / "images" / "a.png").resolve()
    assert safe_join(tree, "inside/a.png") == (tree / "images" / "a.png").resolve()


def test_every_missing_file_is_named_with_its_nearest(tmp_path):
    (tmp_path / "images").mkdir()
    for name in ("A.png", "b.jpg", "photo_001.png"):
        (tmp_path / "images" / name).write_bytes(b"")
    wanted = ["images/a.png", "images/b.png", "images/phto_001.png", "images/zzz.png", "image/a.png"]
    problems = missing_files([tmp_path / name for name in wanted], tmp_path)
    assert [problem.path for problem in problems] == wanted
    hints = [problem.hint for problem in problems]
    assert "images/A.png" in hints[0] and "images/b.jpg" in hints[1] and "photo_001" in hints[2]
    assert hints[3] == "" and "folder images," in hints[4] and "folder image does" in problems[4].message


def test_a_file_that_is_itself_wanted_is_never_proposed(tmp_path):
    for name in ("r_1.png", "r_10.png", "r_2.JPG"):
        (tmp_path / name).write_bytes(b"")
    wanted = [tmp_path / name for name in ("r_0.png", "r_1.png", "r_10.png", "r_11.png", "r_2.jpg", "r_1.png")]
    found = absences(wanted, tmp_path)
    assert [path.name for path in found] == ["r_0.png", "r_11.png", "r_2.jpg"]
    assert [absence.problem.hint for absence in found.values()] == ["", "", "Use r_2.JPG, which exists"]
    assert [absence.renamed for absence in found.values()] == ["", "", "r_2.JPG"]


def test_a_similar_name_is_a_hint_but_only_another_case_or_ending_is_the_same_file(tmp_path):
    for name in ("photo_001.png", "B.png", "c.jpg"):
        (tmp_path / name).write_bytes(b"")
    found = absences([tmp_path / name for name in ("phto_001.png", "b.png", "c.png")], tmp_path)
    assert [absence.renamed for absence in found.values()] == ["", "B.png", "c.jpg"]
    assert all(absence.problem.hint for absence in found.values())


def test_only_a_few_names_are_compared_letter_by_letter(tmp_path, monkeypatch):
    (tmp_path / "photo.png").write_bytes(b"")
    compared = []
    close = difflib.get_close_matches
    monkeypatch.setattr(difflib, "get_close_matches", lambda *a, **k: (compared.append(a[0]), close(*a, **k))[1])
    problems = missing_files([tmp_path / f"phot{i}.png" for i in range(100)], tmp_path)
    assert len(problems) == 100 and len(compared) == MAX_SIMILAR


def test_a_folder_where_a_file_is_expected_is_said_to_be_one(tmp_path):
    (tmp_path / "r_3.png").mkdir()
    (problem,) = missing_files([tmp_path / "r_3.png"], tmp_path)
    assert problem.path == "r_3.png" and "is a folder" in problem.message


def test_a_missing_folder_is_named_rather_than_each_folder_below_it(tmp_path):
    (problem,) = missing_files([tmp_path / "a" / "b" / "c.png"], tmp_path)
    assert "folder a does" in problem.message and problem.hint == ""


def test_paths_outside_of_the_data_set_are_shown_whole(tmp_path):
    assert display_path(tmp_path / "a" / "b", tmp_path) == "a/b"
    assert display_path(tmp_path, tmp_path / "a") == str(tmp_path)


def test_a_read_is_limited_to_the_byte(tmp_path):
    (tmp_path / "x").write_bytes(b"12345")
    assert read_limited(tmp_path / "x", 5) == b"12345"
    with pytest.raises(DatasetError, match="point cloud is larger"):
        read_limited(tmp_path / "x", 4, "point cloud")
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(DatasetError) as caught:
            read_limited(path, 5)
        assert caught.value.problems[0].path == str(path)


def test_a_pipe_in_the_place_of_a_file_is_said_to_be_none(tmp_path):
    os.mkfifo(tmp_path / "a.json")
    (problem,) = missing_files([tmp_path / "a.json"], tmp_path)
    assert problem.message == "is not a regular file"
    with pytest.raises(DatasetError, match="is not a regular file"):
        read_limited(tmp_path / "a.json", 100)
