"""The data set of a dataparser under test comes from its author, or from the format's own writer."""

from __future__ import annotations

from pathlib import Path

import pytest

from radfield_core.testing.captures import toy_capture
from radfield_core.testing.examples import example_of, has_root, parser_of, write_capture
from radfield_core.testing.kit import part_under_test
from radfield_core.testing.under_test import Example, ExampleMissing


def test_the_authors_example_is_made_in_a_folder_of_its_own(tmp_path: Path) -> None:
    tested = part_under_test("dataparser:blender", example=lambda folder: Example(folder / "data", (1, 2, 3)))
    tested.folder = tmp_path
    assert example_of(tested) == Example(tmp_path / "example" / "data", (1, 2, 3))


def test_without_an_example_the_formats_writer_makes_one(tmp_path: Path) -> None:
    tested = part_under_test("dataparser:blender")
    tested.folder = tmp_path
    root = example_of(tested).root
    assert (root / "transforms_train.json").is_file()
    assert len(parser_of(tested, root).parse("train").cameras) == len(toy_capture().cameras)


def test_a_parser_without_files_needs_no_example() -> None:
    tested = part_under_test("radfield-toys:dataparser:toy-ball")
    assert not has_root(tested) and example_of(tested) == Example(Path("."))
    assert len(parser_of(tested, None).parse("train").cameras) == 6


def test_a_parser_of_files_without_a_writer_asks_for_an_example(tmp_path: Path) -> None:
    tested = part_under_test("dataparser:tiny-nerf")
    tested.folder = tmp_path
    assert has_root(tested)
    with pytest.raises(ExampleMissing, match="dataparser:tiny-nerf") as caught:
        example_of(tested)
    assert "example=make" in caught.value.problems[0].hint


def test_a_written_capture_is_read_from_the_new_folder(tmp_path: Path) -> None:
    tested = part_under_test("dataparser:blender")
    root = write_capture(tested, tmp_path / "new", toy_capture(4))
    assert root == tmp_path / "new" and len(parser_of(tested, root).parse("train").images) == 4
