"""Select some of the views of a split: every n-th view, or training views by number or name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from radfield_core.data.scene import Scene
from radfield_core.errors import Problems, UsageError
from radfield_core.names import nearest, plural

Views = int | str | Sequence[int] | None

_COUNTED = re.compile(r"(0|[1-9]\d*)", re.ASCII)
"""A whole number without leading zeros. 007 is not a number, but may be the name of a view."""

_RANGE = re.compile(r"(\d{1,9})\s*-\s*(\d{1,9})", re.ASCII)


def selected(scene: Scene, split: str, views: Views, every: int) -> Scene:
    """Return a scene with some of its views, and a message that states their number.

    Args:
        scene: the scene of a split.
        split: name of the split. `views` applies to the split "train" only.
        views: the views to keep, in one of the forms that `view_numbers` accepts; None keeps all.
        every: n, to keep every n-th of these views, starting with the first.

    Raises:
        UsageError: no view has a number or name that is listed in `views`.
    """
    total = len(scene.cameras)
    named = views is not None and split == "train"
    kept = view_numbers(views, scene) if named and views is not None else list(range(total))
    kept = kept[::every]
    if len(kept) == total:
        return scene
    options = [word for word, given in (("data.views", named), ("data.every", every > 1)) if given]
    note = f"{len(kept)} of {plural(total, f'{split} view')} are used, as {' and '.join(options)} say"
    return replace(scene.only(kept), chosen=(*scene.chosen, note + ("s" if len(options) == 1 else "")))


def view_numbers(views: int | str | Sequence[int], scene: Scene) -> list[int]:
    """Return the numbers of the views that an option selects, in ascending order.

    Args:
        views: a number, a list of numbers, or a text with entries between commas. An entry is a number, a range such as
            "10-19" (with both ends), or a name. A name may lack its folder and its ending, and may contain the
            wildcards * and ?. A whole number without leading zeros is always the number of a view, never a name.
        scene: the scene of the training split.

    Raises:
        UsageError: an entry selects no view. The error lists all such entries.

    Example:
        >>> from radfield_core.testing.captures import toy_capture
        >>> view_numbers("0,2-3", toy_capture(6)), view_numbers([5], toy_capture(6))
        ([0, 2, 3], [5])
    """
    listed = [views] if isinstance(views, int) else views.split(",") if isinstance(views, str) else views
    entries = [str(entry).strip() for entry in listed]
    problems, total = Problems(), len(scene.cameras)
    found: set[int] = set()
    for entry in entries:
        numbers = _numbers(entry, scene)
        outside = [number for number in numbers if not 0 <= number < total]
        if outside or not numbers:
            problems.add("data.views", *_fault(entry, scene, bool(outside)))
        found.update(numbers)
    problems.raise_as(UsageError)
    return sorted(found)


def _numbers(entry: str, scene: Scene) -> Sequence[int]:
    """Return the numbers of the views that one entry selects. They may exceed the number of the last view.

    If the entry is a name that no view has, the list is empty.
    """
    named = [number for number, name in enumerate(scene.names) if _fits(name, entry)]
    if named and not _COUNTED.fullmatch(entry):
        return named
    if re.fullmatch(r"-?\d{1,9}", entry, re.ASCII):
        return [int(entry)]
    if limits := _RANGE.fullmatch(entry):
        first, last = int(limits[1]), int(limits[2])
        return range(first, last + 1) if last - first < len(scene.cameras) else [last]
    return []


def _fits(name: str, entry: str) -> bool:
    return any(fnmatchcase(spelling, entry) for spelling in _spellings(name))


def _spellings(name: str) -> tuple[str, str, str]:
    """Return the possible spellings of a view's name: in full, without its folder, and without folder and ending."""
    path = PurePosixPath(name.replace("\\", "/"))
    return name, path.name, path.stem


def _fault(entry: str, scene: Scene, too_large: bool) -> tuple[str, str]:
    """Return the message and the hint for an entry that selects no view."""
    total = len(scene.cameras)
    if too_large:
        there = f"the training split has {plural(total, 'view')}, which are numbered from 0 to {total - 1}"
        return f"there is no view {entry}: {there}", f"data.views=0-{total - 1}"
    names = [spelling for name in scene.names for spelling in _spellings(name)]
    near = nearest(entry, names)
    there = f"names are like {scene.names[0]}" if scene.names else "the views have no names, so give numbers"
    return (
        f"no training view is named {entry!r}; {there}",
        f"data.views={near}" if near else f"data.views=0-{total - 1}",
    )
