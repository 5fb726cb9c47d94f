"""Splits: no view is trained on and tested, unless the user or the number of views leaves no choice."""

from __future__ import annotations

from pathlib import Path

import pytest

from radfield_core.data.splits import choose_split, holdout_splits, split_notes
from radfield_core.errors import DatasetError, NoSuchSplit

ROOT = Path("scene")


@pytest.mark.parametrize("n", [2, 3, 8, 9, 100])
@pytest.mark.parametrize("every", [2, 3, 8])
def test_every_nth_view_from_the_first_is_tested_and_the_others_train(n, every):
    splits = holdout_splits(n, every, ROOT)
    assert splits["val"] == splits["test"] == [i for i in range(n) if i % every == 0]
    assert sorted(splits["train"] + splits["test"]) == list(range(n)) and split_notes(splits) == []


def test_holding_none_out_trains_on_all_and_says_that_metrics_tell_little():
    splits = holdout_splits(17, 0, ROOT)
    assert splits == {"train": list(range(17)), "val": [0, 8, 16], "test": [0, 8, 16]}
    assert len(split_notes(splits)) == 1


def test_a_single_view_serves_every_split():
    assert holdout_splits(1, 1, ROOT) == holdout_splits(1, 8, ROOT) == {"train": [0], "val": [0], "test": [0]}


@pytest.mark.parametrize(("n", "every", "says"), [(0, 8, "no views"), (5, 1, "data.skip=1")])
def test_nothing_to_train_on_is_an_error_that_names_the_option(n, every, says):
    with pytest.raises(DatasetError, match=says):
        holdout_splits(n, every, ROOT, "skip")


def test_an_empty_split_lists_the_others():
    splits = {"train": [0, 1], "val": [], "test": [2]}
    assert choose_split(splits, "test", ROOT) == [2]
    for split in ("val", "holiday"):
        with pytest.raises(NoSuchSplit, match=r"train \(2\), test \(1\)"):
            choose_split(splits, split, ROOT)
