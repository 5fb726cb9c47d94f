"""Mistakes: all are raised at once, and mistakes of one kind keep its exit code."""

from __future__ import annotations

import pytest

from radfield_core.config.mistakes import Mistakes
from radfield_core.errors import BrokenPlugin, DatasetError, PluginError, UsageError


def test_no_mistake_raises_nothing() -> None:
    mistakes = Mistakes()
    with mistakes.collect():
        pass
    mistakes.finish()
    assert len(mistakes) == 0


@pytest.mark.parametrize(
    ("kinds", "raised"),
    [
        ([DatasetError, DatasetError], DatasetError),
        ([DatasetError, PluginError], UsageError),
        ([BrokenPlugin, PluginError], PluginError),
        ([BrokenPlugin, BrokenPlugin], BrokenPlugin),
        ([UsageError], UsageError),
    ],
)
def test_mistakes_of_one_kind_are_raised_as_that_kind(kinds: list, raised: type) -> None:
    mistakes = Mistakes()
    for number, kind in enumerate(kinds):
        with mistakes.collect():
            raise kind(f"fault {number}", path="x")
    assert len(mistakes) == len(kinds)
    with pytest.raises(raised) as caught:
        mistakes.finish()
    assert type(caught.value) is raised
    assert [problem.message for problem in caught.value.problems] == [f"fault {n}" for n in range(len(kinds))]


def test_other_exceptions_are_not_collected() -> None:
    with pytest.raises(ZeroDivisionError), Mistakes().collect():
        raise ZeroDivisionError
