"""Files are paired by the stem or the number in their names, and never by their place in a list."""

from __future__ import annotations

from pathlib import Path

import pytest

from radfield_core.data.pairing import listed, numbers_in, pair_names, pair_with_numbers


def paths(*names: str) -> list[Path]:
    return [Path("folder") / name for name in names]


@pytest.mark.parametrize(
    ("stems", "numbers"),
    [
        (["0", "10", "2"], [0, 10, 2]),
        (["000", "0001"], [0, 1]),
        (["rect_001_3_r5000", "rect_002_3_r5000"], [1, 2]),
        (["a1b1", "a2b1"], [1, 2]),
        (["a1b1", "a2b2"], None),  # either number could be meant
        (["a1", "b2"], None),
        (["1", "01"], None),
        (["left", "right"], None),
        (["frame7"], [7]),
        (["9" * 300, "8" * 300], None),
        ([], None),
    ],
)
def test_the_number_of_a_name_is_the_only_one_that_differs_in_every_name(stems, numbers):
    assert numbers_in(stems) == numbers


@pytest.mark.parametrize(
    ("images", "masks", "partners"),
    [
        (["b.jpg", "a.jpg"], ["a.png", "b.png"], [1, 0]),
        (["a.jpg", "b.jpg"], ["b.jpg.png", "a.jpg.png"], [1, 0]),
        (["A.JPG", "b.jpg"], ["B.png", "a.png"], [1, 0]),
        (["2.png", "10.png"], ["mask_000010.png", "mask_000002.png"], [1, 0]),
        (["a.png", "a.jpg"], ["a.png.png", "a.jpg.png"], [0, 1]),
    ],
)
def test_partners_have_the_same_stem_or_the_same_number(images, masks, partners):
    pairs = pair_names(paths(*images), paths(*masks))
    assert pairs.partners == partners and pairs.complete


def test_what_has_no_partner_is_known_and_shifts_no_other_pair():
    pairs = pair_names(paths("1.png", "2.png", "3.png", "4.png"), paths("1.png", "3.png", "9.png"))
    assert pairs.partners == [0, None, 1, None] and pairs.unused == [2] and not pairs.complete
    assert pair_names(paths("a.png", "a.jpg"), paths("a.tif")).partners == [None, None], "the choice would be a guess"
    assert pair_names(paths("left.png"), paths("0.png")).partners == [None]


@pytest.mark.parametrize(
    ("names", "entries", "expected", "guess"),
    [
        (["00.png", "01.png", "10.png", "02.png"], [0, 1, 2, 10], [0, 1, 10, 2], False),
        (["1.png", "2.png", "3.png"], [0, 1, 2], [0, 1, 2], True),
        (["9.png", "10.png"], [0, 1], [0, 1], True),
        (["b.png", "a.png"], [0, 1], [1, 0], True),
        (["IMG_100.png", "IMG_200.png"], [0, 1], [0, 1], True),
    ],
)
def test_numbered_entries_belong_to_their_numbers_and_a_guess_is_said(names, entries, expected, guess):
    found, note = pair_with_numbers(paths(*names), entries, "world_mat_")
    assert found == expected and bool(note) == guess
    assert not guess or ("world_mat_0" in note and names[0] in note)


def test_numbers_without_leading_zeros_are_paired_by_number_and_said():
    found, note = pair_with_numbers(paths("0.png", "1.png", "10.png", "2.png"), [0, 1, 2, 10], "world_mat_")
    assert found == [0, 1, 10, 2] and "paired by number" in note and "leading zeros" in note


@pytest.mark.parametrize(
    ("names", "entries", "message"),
    [
        (
            ["0.png", "1.png", "3.png"],
            [0, 1, 2],
            "number of 3.png; there is no file, or more than one, for world_mat_2",
        ),
        (["0.png", "1.png"], [0, 1, 2], "^there is no file, or more than one, for world_mat_2$"),
        (["0.png", "1.png", "cover.png"], [0, 1, 2], "number of cover.png; there is no file.* for world_mat_2"),
        (["0.png", "1.png", "cover.png"], [0, 1], "^there is no world_mat_ with the number of cover.png$"),
        (["0.png", "0.jpg", "1.png"], [0, 1], "number of 0.png, 0.jpg; there is no file, or more than one, for"),
        (["0.png", "0.jpg"], [0, 1], "number of 0.png, 0.jpg"),
        (["0.png", "1.png", "2.png"], [0, 1], "no world_mat_ with the number of 2.png"),
        (["a.png", "b.png"], [0], "number of a.png, b.png"),
        (["95.png", "98.png", "101.png"], [0, 1, 2], "the order of the names differs"),
        (["0.png"], [], "number of 0.png"),
    ],
)
def test_what_cannot_be_paired_is_refused_with_all_names(names, entries, message):
    with pytest.raises(ValueError, match=message):
        pair_with_numbers(paths(*names), entries, "world_mat_")


def test_long_lists_are_cut():
    assert listed([str(i) for i in range(10)]) == "0, 1, 2, 3, 4, 5, 6, 7 and 2 more"
