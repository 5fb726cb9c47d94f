"""Divide the views of a data set into splits for training, validation and testing."""

from __future__ import annotations

from pathlib import Path

from radfield_core.errors import DatasetError, NoSuchSplit

DEFAULT_HOLDOUT = 8
"""If no views are held out, every eighth training view is also used for validation and testing."""


def holdout_splits(n: int, every: int, root: Path, option: str = "holdout") -> dict[str, list[int]]:
    """Divide views into splits. Return a dictionary: split -> view numbers.

    Views 0, `every`, 2·`every`, … are held out: they are used for validation and testing, not for training. All other
    views are used for training. If there is only one view, it belongs to all three splits.

    Args:
        n: number of views.
        every: one view out of this many is held out. If it is 0, no view is held out: all views are used for training,
            and every eighth view is also used for validation and testing.
        root: folder of the data set, for messages.
        option: name of the dataparser's option that sets `every`, for messages.

    Raises:
        DatasetError: there are no views, or all of them would be held out.

    Example:
        >>> holdout_splits(5, 2, Path("scene"))
        {'train': [1, 3], 'val': [0, 2, 4], 'test': [0, 2, 4]}
    """
    if n == 0:
        raise DatasetError("there are no views", path=str(root), hint="Give a file that lists at least one frame")
    if every == 1 and n > 1:
        raise DatasetError(
            f"data.{option}=1 holds out every view, so that none is left to train on",
            path=str(root),
            hint=f"Set data.{option}=8, or data.{option}=0 to train on all views",
        )
    if n == 1:
        return {"train": [0], "val": [0], "test": [0]}
    held = list(range(0, n, every or DEFAULT_HOLDOUT))
    train = [view for view in range(n) if view % every] if every else list(range(n))
    return {"train": train, "val": held, "test": list(held)}


def split_notes(splits: dict[str, list[int]]) -> list[str]:
    """Return a list with one message for the user if some views are both training and test views, otherwise [].

    Example:
        >>> split_notes({"train": [1, 2], "test": [0]})
        []
    """
    if set(splits["train"]) & set(splits["test"]):
        return ["test views are also training views, so the metrics do not show the quality for new views"]
    return []


def choose_split(splits: dict[str, list[int]], split: str, root: Path) -> list[int]:
    """Return the view numbers of one split.

    Args:
        splits: split -> view numbers.
        split: "train", "val" or "test".
        root: folder of the data set, for the message.

    Raises:
        NoSuchSplit: the split is unknown or has no views. The message lists the splits that have views.

    Example:
        >>> choose_split({"train": [1], "test": [0]}, "test", Path("scene"))
        [0]
    """
    chosen = splits.get(split, [])
    if not chosen:
        there = ", ".join(f"{name} ({len(rows)})" for name, rows in splits.items() if rows)
        raise NoSuchSplit(f"the {split} split is empty; the data has {there or 'no other split'}", path=str(root))
    return chosen
