"""Splits: which views of a data set are for training, validation and testing."""

from __future__ import annotations

from pathlib import Path

from radfield_core.errors import DatasetError, NoSuchSplit

DEFAULT_HOLDOUT = 8
"""Every eighth view is tested where the user holds none out."""


def holdout_splits(n: int, every: int, root: Path, option: str = "holdout") -> dict[str, list[int]]:
    """The views of each split, as split -> view numbers.

    Views 0, `every`, 2·`every`, … are for validation and testing, the others for training. A single view serves all
    three splits.

    Args:
        n: number of views, sorted by name.
        every: distance between held-out views; 0 trains on all views and tests on every eighth of them.
        root: the data set, for messages.
        option: the option of the dataparser that sets `every`, for messages.

    Raises:
        DatasetError: there are no views, or none is left to train on.

    Example:
        >>> holdout_splits(5, 2, Path("scene"))
        {'train': [1, 3], 'val': [0, 2, 4], 'test': [0, 2, 4]}
    """
    if n == 0:
        raise DatasetError("there are no views", path=str(root), hint="Give a file that lists at least one frame")
    if every == 1 and n > 1:
        raise DatasetError(
            f"data.{option}=1 holds out every view, which leaves none to train on",
            path=str(root),
            hint=f"Set data.{option}=8, or data.{option}=0 to train on all views",
        )
    if n == 1:
        return {"train": [0], "val": [0], "test": [0]}
    held = list(range(0, n, every or DEFAULT_HOLDOUT))
    train = [view for view in range(n) if view % every] if every else list(range(n))
    return {"train": train, "val": held, "test": list(held)}


def split_notes(splits: dict[str, list[int]]) -> list[str]:
    """A remark for the user if some views are both trained on and tested, else nothing.

    Example:
        >>> split_notes({"train": [1, 2], "test": [0]})
        []
    """
    if set(splits["train"]) & set(splits["test"]):
        return ["the test views are also training views, so the metrics tell nothing about new views"]
    return []


def choose_split(splits: dict[str, list[int]], split: str, root: Path) -> list[int]:
    """The views of one split.

    Args:
        splits: split -> view numbers.
        split: "train", "val" or "test".
        root: the data set, for the message.

    Raises:
        NoSuchSplit: the split is empty or unknown; the message lists the others.

    Example:
        >>> choose_split({"train": [1], "test": [0]}, "test", Path("scene"))
        [0]
    """
    chosen = splits.get(split, [])
    if not chosen:
        there = ", ".join(f"{name} ({len(rows)})" for name, rows in splits.items() if rows)
        raise NoSuchSplit(f"the {split} split is empty; the data has {there or 'no other split'}", path=str(root))
    return chosen
