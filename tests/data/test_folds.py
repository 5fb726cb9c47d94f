"""Folded reconstructions are found by the jumps between neighboring photographs, and other jumps are left alone."""

from __future__ import annotations

import numpy as np
import pytest

from radfield_core.config.layers import compose_data
from radfield_core.data.folds import fold_warnings, jumps
from radfield_core.interfaces.dataparser import open_data_set
from radfield_core.plugins.registry import get_registry


def ring(degrees: np.ndarray, outward: bool = False) -> np.ndarray:
    """Return cameras [V, 3, 4] at these angles on a ring around the origin. They look at it, or away from it."""
    a = np.radians(degrees)
    zero, one = np.zeros_like(a), np.ones_like(a)
    sign = -1.0 if outward else 1.0
    x = np.stack([sign * np.cos(a), zero, -sign * np.sin(a)], -1)
    y = np.stack([zero, one, zero], -1)
    z = np.stack([sign * np.sin(a), zero, sign * np.cos(a)], -1)
    return np.stack([x, y, z, 4 * np.stack([np.sin(a), zero, np.cos(a)], -1)], -1)


WALK = 9.0 * np.arange(40)
NAMES = [f"{i}.jpg" for i in range(40)]  # without leading zeros: as text, 10.jpg would follow 1.jpg


def test_sides_that_were_laid_on_one_another_are_named():
    folded = np.where((np.arange(40) >= 14) & (np.arange(40) < 26), WALK + 174.0, WALK)
    shuffled = np.random.default_rng(0).permutation(40)
    found, usual = jumps([NAMES[i] for i in shuffled], ring(folded)[shuffled])
    assert [(jump.before, jump.after) for jump in found] == [("13.jpg", "14.jpg"), ("25.jpg", "26.jpg")]
    assert [jump.turn for jump in found] == pytest.approx([177.0, 165.0]) and usual == pytest.approx(9.0)
    (text,) = fold_warnings(NAMES, ring(folded))
    assert (
        "they turn by 9° as a rule, but by far more between 13.jpg and 14.jpg (177°), 25.jpg and 26.jpg (165°)" in text
    )


@pytest.mark.parametrize(
    ("names", "c2w"),
    [
        (NAMES, ring(WALK)),
        (NAMES[:7], ring(np.where(np.arange(7) == 3, 170.0, WALK[:7]))),  # too few to know what is usual
        (NAMES, ring(np.random.default_rng(1).uniform(0, 360, 40))),  # in no order
        ([f"{i + 80 * (i > 19)}.jpg" for i in range(40)], ring(WALK + 130.0 * (np.arange(40) > 19))),  # a second walk
        ([f"{i > 19}/{i}.jpg" for i in range(40)], ring(WALK + 130.0 * (np.arange(40) > 19))),  # another folder
        (NAMES, ring(WALK + 170.0 * (np.arange(40) > 19), outward=True)),  # someone who turned around in a room
    ],
    ids=["walk", "few", "no order", "numbers jump", "folders", "room"],
)
def test_what_is_no_fold_is_not_reported(names, c2w):
    assert jumps(names, c2w)[0] == [] and fold_warnings(names, c2w) == []


@pytest.mark.parametrize(
    ("folder", "pairs"),
    [
        ("colmap/can", ["0013.jpg and 0014.jpg", "0034.jpg and 0035.jpg", "0052.jpg and 0053.jpg"]),
        ("colmap/south_building", []), ("colmap/toy", []), ("llff/fern", []), ("llff/horns", []),
        ("instant_ngp/fox", []),
    ],
)  # fmt: skip
def test_real_captures_are_warned_of_only_where_they_are_folded(folder, pairs, test_data):
    choice, _ = compose_data(
        get_registry(), str(test_data / folder), ["data.type=colmap"] if folder == "colmap/can" else []
    )
    notes = [note for note in open_data_set(choice).parse("train").notes if "folded" in note]
    assert len(notes) == bool(pairs) and all(pair in notes[0] for pair in pairs)
