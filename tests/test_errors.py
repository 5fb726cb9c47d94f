"""Errors: exit codes, the text of problems, and reporting of all problems at once."""

from __future__ import annotations

import copy
import errno

import pytest

from radfield_core import errors
from radfield_core.errors import (
    BrokenPlugin,
    DatasetError,
    Diverged,
    NoSuchSplit,
    NoSurface,
    PluginError,
    Problem,
    Problems,
    RadfieldError,
    SplitWithoutImages,
    StorageError,
    UsageError,
    summarized,
    unwritable,
)
from radfield_core.names import Lines


def test_every_error_has_the_documented_exit_code() -> None:
    """65, 69, 74 and 78 are EX_DATAERR, EX_UNAVAILABLE, EX_IOERR and EX_CONFIG of sysexits.h."""
    codes = {UsageError: 2, Diverged: 3, NoSurface: 4, DatasetError: 65, NoSuchSplit: 65, PluginError: 69}
    codes |= {SplitWithoutImages: 65, StorageError: 74, BrokenPlugin: 78, RadfieldError: 1}
    assert {kind: kind.code for kind in codes} == codes
    defined = [x for x in vars(errors).values() if isinstance(x, type) and issubclass(x, RadfieldError)]
    assert set(defined) == set(codes)


@pytest.mark.parametrize(
    ("problem", "lines"),
    [
        (Problem("", "is wrong"), ["is wrong"]),
        (Problem("a.png", "is empty"), ["a.png: is empty"]),
        (Problem("a.png", "is empty", "Copy it"), ["a.png: is empty", "    try: Copy it"]),
        (Problem("", "is wrong", "radfield --help"), ["is wrong", "    try: radfield --help"]),
    ],
)
def test_a_problem_prints_its_place_message_and_hint(problem: Problem, lines: list[str]) -> None:
    assert str(problem).splitlines() == lines


def test_an_error_has_its_message_as_the_only_problem_or_all_that_it_is_given() -> None:
    single = UsageError("is 0", path="trainer.n_rays", hint="trainer.n_rays=1")
    assert single.problems == (Problem("trainer.n_rays", "is 0", "trainer.n_rays=1"),)
    several = DatasetError(problems=[Problem("a", "is empty"), Problem("b", "is missing")])
    assert str(several).splitlines() == ["a: is empty", "b: is missing"] and len(several.problems) == 2


def test_problems_are_raised_together_and_none_are_not_raised() -> None:
    problems = Problems()
    problems.raise_as(DatasetError)
    assert not problems
    problems.add("a", "is empty")
    problems.add(7, "is missing", "Copy it")
    assert problems
    with pytest.raises(DatasetError) as raised:
        problems.raise_as(DatasetError)
    assert raised.value.problems == (Problem("a", "is empty"), Problem("7", "is missing", "Copy it"))


def test_a_missing_split_can_be_caught_as_a_fault_of_the_data() -> None:
    with pytest.raises(DatasetError):
        raise NoSuchSplit("there is no split test")


def test_an_unwritable_result_names_the_file_and_the_systems_reason() -> None:
    (problem,) = unwritable(OSError(errno.ENOSPC, "No space left on device"), "runs/x").problems
    assert problem.path == "runs/x" and "No space left on device" in problem.message and problem.hint


def test_an_error_survives_the_way_out_of_a_worker_process() -> None:
    """copy() takes an object apart and rebuilds it as a process pool does with the errors of its workers."""
    error = DatasetError("is empty", path="a.png", hint="Copy it")
    rebuilt = copy.copy(error)
    assert str(rebuilt) == str(error) and rebuilt.problems == error.problems and rebuilt is not error


def test_every_text_of_a_problem_is_one_line_unless_it_is_made_of_lines() -> None:
    hostile = "a\nerror: b\x1b[2J"
    shown = str(UsageError(hostile, path=hostile, hint=hostile))
    assert shown == "a\\nerror: b\\x1b[2J: a\\nerror: b\\x1b[2J\n    try: a\\nerror: b\\x1b[2J"
    assert str(Problem("", Lines.of("these:", "  a\nb"))) == "these:\n  a\\nb"


def test_a_reader_that_has_exited_is_not_a_disk_that_cannot_be_written() -> None:
    with pytest.raises(BrokenPipeError):
        unwritable(BrokenPipeError(32, "Broken pipe"), "picture.png")


def test_many_problems_alike_are_summarized_and_others_are_all_kept() -> None:
    cut = [Problem(f"{i}.png", f"is cut off after {i} bytes", "Copy it again") for i in range(50)]
    other = [Problem(f"{i}.json", f"has no list {chr(97 + i)!r}") for i in range(25)]
    bare = [Problem("", f"option {i} is wrong") for i in range(30)]
    few = [Problem(f"{i}.txt", "is empty") for i in range(errors.MAX_ALIKE + 1)]
    assert summarized(cut) == [
        *cut[: errors.MAX_ALIKE], Problem("30 more", "is cut off after 20 bytes", "Copy it again")
    ]  # fmt: skip
    assert summarized([*other, *bare, *few]) == [*other, *bare, *few]
    mixed = summarized([*cut[:15], *other, *cut[15:]])
    assert [problem for problem in mixed if problem in other] == other and mixed[-1].path == "30 more"
