"""Names stay inside their folder, JSON is refused before it hurts, files are whole or absent."""

from __future__ import annotations

import contextlib
import json
import os
import random

import pytest
from hypothesis import given, settings, strategies as st

from radfield_core.errors import DatasetError
from radfield_core.files import untrusted
from radfield_core.files.durable import atomic_path, write_atomic
from radfield_core.files.untrusted import missing_files, read_json, safe_join


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


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"a": NaN}', "NaN"),
        ('{"a": -Infinity}', "Infinity"),
        ('{"a": 1e999}', "beyond"),
        ('{"a": 1, "a": 2}', "twice"),
        ('{"a": ' + "9" * 5000 + "}", "digits"),
        ("[" * 100_000, "nested"),
        ('{"a":' * 100_000, "nested"),
        ('{"a": 1', "line 1"),
        ("", "line 1"),
        ("\ufffe{}", "JSON"),
    ],
)
def test_json_that_json_forbids_is_a_dataset_error(tmp_path, text, says):
    file = tmp_path / "x.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(DatasetError, match=says):
        read_json(file)


def test_json_limits_hold(tmp_path, monkeypatch):
    file = tmp_path / "x.json"
    file.write_text(json.dumps({"frames": [0] * 50}))
    assert read_json(file) == {"frames": [0] * 50}
    for limit, says in (("MAX_ENTRIES", "50 entries"), ("MAX_JSON_VALUES", "values"), ("MAX_JSON_BYTES", "larger")):
        with monkeypatch.context() as patch:
            patch.setattr(untrusted, limit, 10)
            with pytest.raises(DatasetError, match=says):
                read_json(file)


def test_a_byte_order_mark_is_no_fault(tmp_path):
    file = tmp_path / "x.json"
    file.write_bytes(b'\xef\xbb\xbf{"a": 1.5}')
    assert read_json(file) == {"a": 1.5}


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_json_or_a_dataset_error(tmp_path_factory, data):
    file = tmp_path_factory.mktemp("j") / "x.json"
    file.write_bytes(data)
    with contextlib.suppress(DatasetError):
        read_json(file)


def test_every_missing_file_is_named_with_its_nearest(tmp_path):
    (tmp_path / "images").mkdir()
    for name in ("A.png", "b.jpg", "photo_001.png"):
        (tmp_path / "images" / name).write_bytes(b"")
    wanted = ["images/a.png", "images/b.png", "images/phto_001.png", "images/zzz.png", "image/a.png", "images/A.png"]
    problems = missing_files([tmp_path / name for name in wanted], tmp_path)
    assert [problem.path for problem in problems] == wanted[:5]
    hints = [problem.hint for problem in problems]
    assert "images/A.png" in hints[0] and "images/b.jpg" in hints[1] and "photo_001" in hints[2]
    assert hints[3] == "" and "images is there" in hints[4]


def test_a_folder_where_a_file_is_expected_is_said_to_be_one(tmp_path):
    (tmp_path / "r_3.png").mkdir()
    (problem,) = missing_files([tmp_path / "r_3.png"], tmp_path)
    assert problem == ("r_3.png", "is a folder, not a file", "a file of that name in its place")


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    file = tmp_path / "x"
    write_atomic(file, "old")
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
