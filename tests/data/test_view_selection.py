"""Selecting views by number, by name, and every n-th."""

from dataclasses import replace

import pytest

from radfield_core.data.scene import Scene
from radfield_core.data.view_selection import selected, view_numbers
from radfield_core.errors import UsageError
from radfield_core.testing.captures import toy_capture

NAMES = ["train/r_0", "train/r_1", "train/r_10", "images/IMG 7.jpg", "images/b.jpg"]


@pytest.fixture(scope="module")
def scene() -> Scene:
    return replace(toy_capture(5), names=NAMES)


@pytest.mark.parametrize(
    ("views", "wanted"),
    [
        (3, [3]),
        ([4, 0, 4], [0, 4]),
        ("0, 2-3", [0, 2, 3]),
        ("r_1*", [1, 2]),
        ("r_1", [1]),
        ("train/*", [0, 1, 2]),
        ("IMG 7.jpg,b", [3, 4]),
        ("images/b.jpg", [4]),
        ("04,train/r_0", [0, 4]),  # no view is called 04, so it is a number
    ],
)
def test_views_are_named_by_numbers_ranges_and_names(scene: Scene, views: object, wanted: list[int]) -> None:
    assert view_numbers(views, scene) == wanted  # type: ignore[arg-type]


def test_everything_that_fits_no_view_is_listed_at_once(scene: Scene) -> None:
    with pytest.raises(UsageError) as error:
        view_numbers("5,2-9,r_2,-1,", scene)
    messages = [problem.message for problem in error.value.problems]
    assert len(messages) == 5 and {problem.path for problem in error.value.problems} == {"data.views"}
    assert messages[0] == "there is no view 5: the training split has 5 views, which are numbered from 0 to 4"
    assert messages[2] == "no training view is named 'r_2'; names are like train/r_0"
    assert error.value.problems[2].hint.startswith("data.views=r_")


def test_names_of_digits_are_names_if_they_have_leading_zeros() -> None:
    scene = replace(toy_capture(4), names=["0001.png", "0002.png", "0004.png", "3.png"])
    assert view_numbers("0002,0004", scene) == [1, 2]
    assert view_numbers("2,3", scene) == [2, 3]
    assert view_numbers("3.png", scene) == [3]


def test_a_huge_range_is_refused_without_being_listed(scene: Scene) -> None:
    with pytest.raises(UsageError, match="no view 0-999999999"):
        view_numbers("0-999999999", scene)


def test_every_applies_to_all_splits_and_views_to_the_training_split(scene: Scene) -> None:
    assert selected(scene, "train", None, 2).names == NAMES[::2]
    assert selected(scene, "test", None, 2).names == NAMES[::2]
    assert selected(scene, "train", "1-4", 2).names == [NAMES[1], NAMES[3]]
    assert selected(scene, "test", "1-4", 1) is scene
    assert selected(scene, "train", None, 1) is scene
    assert selected(scene, "val", None, 99).names == NAMES[:1]  # no split becomes empty


def test_a_note_says_how_many_views_are_left(scene: Scene) -> None:
    assert selected(scene, "train", None, 2).chosen[-1] == "3 of 5 train views are used, as data.every says"
    assert selected(scene, "train", "0-3", 2).chosen[-1] == (
        "2 of 5 train views are used, as data.views and data.every say"
    )
