"""Pair files by the number or the stem in their names, so that a missing file does not shift all later pairs.

A stem is the name of a file without its ending. Files cannot be paired safely in sorted order: `10.png` comes before
`2.png`, and one missing file shifts all later ones.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import NamedTuple

MAX_LISTED = 8
"""A message lists at most this many names."""


_PAIRED_BY_NUMBER = (
    "the alphabetical order of the names differs from the order of their numbers; they are paired by number, but "
    "programs that pair by order need leading zeros"
)


class Pairs(NamedTuple):
    """The pairs of two lists of files.

    Attributes:
        partners: for each file of the first list, the index of its partner in the second list, or None.
        unused: indices of the files in the second list that have no partner.
    """

    partners: list[int | None]
    unused: list[int]

    @property
    def complete(self) -> bool:
        """True if every file has a partner."""
        return not self.unused and None not in self.partners


def numbers_in(stems: Sequence[str]) -> list[int] | None:
    """Return, for each name, the number by which it differs from the other names. Return None if there is no such
    number.

    The names must be equal apart from numbers, and exactly one of these numbers must be different in every name.

    Args:
        stems: the names without their endings.

    Example:
        >>> numbers_in(["rect_001_3", "rect_012_3"]), numbers_in(["left", "right"])
        ([1, 12], None)
    """
    parts = [re.split(r"([0-9]+)", stem) for stem in stems]
    if not parts or len({tuple(part[::2]) for part in parts}) != 1 or any(len(stem) > 255 for stem in stems):
        return None
    columns = [[int(part[i]) for part in parts] for i in range(1, len(parts[0]), 2)]
    if len(stems) == 1:
        return columns[-1] if columns else None
    telling = [column for column in columns if len(set(column)) == len(column)]
    return telling[0] if len(telling) == 1 else None


def pair_names(first: Sequence[Path], second: Sequence[Path]) -> Pairs:
    """Pair two lists of files by their names, such as images and masks.

    The partner of `a.jpg` has the same stem (`a.png`), or its stem is the whole name (`a.jpg.png`). If the files cannot
    be paired in this way, the number in the name decides: `012.png` is the partner of `mask_000012.png`.

    Example:
        >>> pair_names([Path("2.png"), Path("10.png")], [Path("010.png"), Path("002.png")]).partners
        [1, 0]
    """
    numbers = numbers_in([path.stem for path in first]), numbers_in([path.stem for path in second])
    ways: list[tuple[Sequence[Hashable], Sequence[Hashable]]] = [
        ([path.stem.lower() for path in first], [path.stem.lower() for path in second]),
        ([path.name.lower() for path in first], [path.stem.lower() for path in second]),
    ]
    if numbers[0] is not None and numbers[1] is not None:
        ways.append((numbers[0], numbers[1]))
    found = [_matched(*way) for way in ways]
    return next((pairs for pairs in found if pairs.complete), max(found, key=_number_of_pairs))


def _matched(first: Sequence[Hashable], second: Sequence[Hashable]) -> Pairs:
    """Pair equal keys. A key that occurs twice in a list gets no partner, because the choice would be ambiguous."""
    times, times_second = Counter(first), Counter(second)
    places = {key: i for i, key in enumerate(second) if times_second[key] == 1}
    partners = [places.get(key) if times[key] == 1 else None for key in first]
    used = set(partners)
    return Pairs(partners, [i for i in range(len(second)) if i not in used])


def _number_of_pairs(pairs: Pairs) -> int:
    return sum(partner is not None for partner in pairs.partners)


def pair_with_numbers(files: Sequence[Path], entries: Sequence[int], prefix: str) -> tuple[list[int], str]:
    """Pair files with numbered entries of another file, such as images with cameras: `12.png` has the entry 12.

    If no number matches, but the files have an unambiguous order, they are paired with the entries in this order.

    Args:
        files: the files, which must have different names.
        entries: numbers of the entries, in ascending order.
        prefix: text before the number in the name of an entry, such as "world_mat_", for messages.

    Returns:
        The number of each file's entry, and a message for the user. The message is "" if the pairs are certain, and if
        other programs would pair the files in the same way.

    Raises:
        ValueError: files and entries cannot be paired. The message lists those without a partner.

    Example:
        >>> pair_with_numbers([Path("010.png"), Path("002.png")], [2, 10], "world_mat_")
        ([10, 2], '')
    """
    numbers = numbers_in([path.stem for path in files])
    if numbers is not None and set(numbers) == set(entries):
        return numbers, _PAIRED_BY_NUMBER if in_other_order(files) else ""
    shifted = numbers is not None and len(files) == len(entries) and _shifted(numbers, entries)
    loose: Sequence[int | None] = numbers or [_whole_number(path.stem) for path in files]
    known, given = set(entries), Counter(loose)
    lonely = [path.name for path, number in zip(files, loose, strict=True) if number not in known or given[number] > 1]
    if not shifted and (len(files) != len(entries) or len(lonely) < len(files) or given.keys() & known):
        unused = [f"{prefix}{entry}" for entry in entries if given[entry] != 1]
        raise ValueError(_without_partner(lonely, unused, prefix))
    by_name = sorted(range(len(files)), key=lambda i: files[i].name)
    order = by_name if numbers is None else sorted(range(len(files)), key=numbers.__getitem__)
    span = f"{prefix}{entries[0]} … {prefix}{entries[-1]}"
    if order != by_name and not shifted:
        raise ValueError(f"the order of the names differs from the order of their numbers, and none is one of {span}")
    paired = dict(zip(order, entries, strict=True))
    names = f"{files[order[0]].name} … {files[order[-1]].name}"
    note = f"{names} do not have the numbers of {span}, so they are paired in their order"
    return [paired[i] for i in range(len(files))], note


def in_other_order(files: Sequence[Path]) -> bool:
    """Return True if the alphabetical order of file names differs from the order of the numbers in them.

    Example:
        >>> in_other_order([Path("2.png"), Path("10.png")]), in_other_order([Path("02.png"), Path("10.png")])
        (True, False)
    """
    numbers = numbers_in([path.stem for path in files])
    if numbers is None:
        return False
    ordered = [number for _, number in sorted(zip([path.name for path in files], numbers, strict=True))]
    return ordered != sorted(ordered)


def _whole_number(stem: str) -> int | None:
    """Return the number that a stem consists of, or None if it has other characters than digits."""
    return int(stem) if stem.isascii() and stem.isdecimal() and len(stem) < 10 else None


def _shifted(numbers: Sequence[int], entries: Sequence[int]) -> bool:
    """Return True if all numbers differ from the numbers of the entries by the same amount, as 1, 2, 3 differ from 0,
    1, 2."""
    return len({number - entry for number, entry in zip(sorted(numbers), entries, strict=True)}) == 1


def _without_partner(files: Sequence[str], entries: Sequence[str], prefix: str) -> str:
    """Return a message that lists the files and the entries without a partner."""
    found = [f"there is no {prefix} with the number of {listed(files)}"] if files else []
    return "; ".join([*found, *([f"there is no file, or more than one, for {listed(entries)}"] if entries else [])])


def listed(names: Sequence[str]) -> str:
    """Return text that lists the first names, and says how many more there are.

    Example:
        >>> listed(["a", "b"])
        'a, b'
    """
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return ", ".join(names[:MAX_LISTED]) + more
