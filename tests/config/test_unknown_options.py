"""Options that do not exist: each is reported where it was written, with the option that was meant."""

from __future__ import annotations

import pytest

from radfield_core.config.mistakes import Mistakes
from radfield_core.config.unknown_options import COMMAND_LINE, UnknownOptions
from radfield_core.errors import Problem

PATHS = ["method.lr", "field.encoding.n", "trainer.max_steps", "trainer.seed"]


@pytest.mark.parametrize(
    ("path", "value", "origin", "problem"),
    [
        ("trainer.max_step", 5, COMMAND_LINE, ("unknown option 'max_step' (command line)", "trainer.max_steps=5")),
        ("trainer.max_step", 5, "a.toml", ("unknown option 'max_step' (a.toml)", "Use trainer.max_steps")),
        ("trainer.lr", 1.5, COMMAND_LINE, ("unknown option 'lr'; the options are max_steps, seed (command line)", "h")),
        ("lr", True, COMMAND_LINE, ("unknown option 'lr' (command line)", "method.lr=true")),
        ("lr", "none", "a.toml", ("unknown option 'lr' (a.toml)", "Use method.lr")),
        ("field.n", [1, 2], COMMAND_LINE, ("unknown option 'n' (command line)", "field.encoding.n=[1, 2]")),
        ("seeds", {"a": 1}, COMMAND_LINE, ("unknown option 'seeds' (command line)", "Use trainer.seed")),
    ],
)
def test_an_unknown_option_is_answered_with_the_one_that_was_meant(path, value, origin, problem) -> None:
    mistakes = Mistakes()
    unknown = UnknownOptions(mistakes)
    known = ["max_steps", "seed"] if path.startswith("trainer.") else ["method", "field"]
    unknown.add(path, value, origin, known, "h")
    unknown.suggest(PATHS)
    assert mistakes.problems == [Problem(path, *problem)]
