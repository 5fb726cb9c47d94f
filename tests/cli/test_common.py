"""Helpers of the verbs that define a run: remarks on stderr unless -q is given, and numbers above zero."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest

from radfield_core.cli.common import require_positive
from radfield_core.errors import UsageError


def test_choices_made_for_the_user_are_printed_unless_quiet(radfield, tmp_path: Path) -> None:
    (tmp_path / "boxes.txt").touch()
    words = ("config", "show", "--method", "study", "--data", str(tmp_path))
    assert "data: boxes (has boxes.txt)\n" in radfield(*words).stderr
    assert radfield(*words, "--quiet").stderr == ""


@pytest.mark.parametrize("value", [0, -3.5, float("nan")])
def test_a_number_that_is_not_above_zero_is_refused_with_its_option(value: float) -> None:
    require_positive(Namespace(seconds=0.1, every=None), "seconds", "every", "absent")
    with pytest.raises(UsageError, match=f"{value:g}") as caught:
        require_positive(Namespace(every=1, seconds=value), "every", "seconds")
    assert caught.value.problems[0].path == "--seconds"
