"""The look of pictures as users write it."""

from __future__ import annotations

import pytest

from radfield_core.errors import UsageError
from radfield_core.render.look import Look, read_color, read_crop


@pytest.mark.parametrize(
    ("text", "color"),
    [("black", (0, 0, 0)), ("gray", (0.5, 0.5, 0.5)), ("#00FF80", (0, 1, 128 / 255)), ("1,0,0.25", (1, 0, 0.25))],
)
def test_a_color_is_a_name_a_code_or_three_numbers(text: str, color: tuple[float, float, float]) -> None:
    assert read_color(text) == pytest.approx(color)


@pytest.mark.parametrize("text", ["whit", "#fff", "1,0", "255,0,0", "-0.1,0,0", "nan,0,0", "", "1,0,0,0"])
def test_what_is_no_color_is_refused_with_the_forms_there_are(text: str) -> None:
    with pytest.raises(UsageError, match=r"is no color.*#RRGGBB") as caught:
        read_color(text)
    assert caught.value.problems[0].path == "--background"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1,2,3", "neither four nor six"), ("", "neither four nor six"), ("1,2,3,x", "neither four nor six"),
        ("0,0,0,10", "keeps nothing"), ("0,0,0,1,1,-1", "keeps nothing"), ("0,0,inf,1", "neither four nor six"),
        ("0,0,1.5,2", "whole numbers"), ("-1,0,5,5", "whole numbers"),
    ],
)  # fmt: skip
def test_a_crop_that_keeps_nothing_or_is_none_is_refused(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        read_crop(text)


def test_a_width_sets_the_scale_of_every_view_up_to_a_limit() -> None:
    assert Look(scale=0.5).scale_of(800) == 0.5
    assert Look(width=200).scale_of(800) == 0.25 and Look(width=200).scale_of(100) == 2.0
    with pytest.raises(UsageError, match="2000 pixels are more than 16 times the 100") as caught:
        Look(width=2000).scale_of(100)
    assert caught.value.problems[0].hint == "--width 1600"
