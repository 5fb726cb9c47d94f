"""Folded reconstructions: sides of an object that look alike were laid on one another.

The print of a can repeats after half a turn, and a building may look the same from two sides. Structure from motion
then puts cameras of one side among those of the other, with a small reprojection error. In a video or a walk around the
object, such a fold shows as a jump between neighboring photographs. V is the number of views.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np

from radfield_core.data.placement import focus_point
from radfield_core.data.similarity import Array
from radfield_core.names import natural_key, plural

FEWEST_VIEWS = 8
"""With fewer views, the usual turn between neighbors is not known."""

MAX_USUAL_TURN = 30.0
"""If neighbors turn by more than this angle, in degrees, the photographs are in no order, and nothing is checked."""

MIN_JUMP, MIN_RATIO = 60.0, 4.0
"""Neighbors jump if they turn by more than this angle, in degrees, and by more than this times the usual turn."""

MAX_STEP_RATIO = 4.0
"""Photographs whose numbers are farther apart than this times the usual step may show different parts of a walk."""

MIN_FACING = 0.7
"""Cosine of the largest allowed angle between the optical axis of a camera and the point that all cameras look at."""

_LISTED = 5


class Jump(NamedTuple):
    """Two photographs that follow each other, and between which the camera turns by far more than usual.

    Attributes:
        before: name of the first photograph.
        after: name of the second.
        turn: angle in degrees between the two cameras.
    """

    before: str
    after: str
    turn: float


def jumps(names: Sequence[str], c2w: Array, panoramic: bool = False) -> tuple[list[Jump], float]:
    """Return the jumps between photographs that follow each other, and the median turn between neighbors in degrees.

    A jump counts only if both cameras look at the point that all cameras look at. Someone who turns around in a room
    sees other things before and after. It does not count if the numbers in the names jump as well.

    Args:
        names: V names. Their natural order is the order in which the photographs were taken.
        c2w: [V, 3, 4], camera-to-world matrices; x right, y up, z backward.
        panoramic: True if the cameras take panoramas, which have no direction of view. There are no jumps then.

    Example:
        >>> angles = np.radians(10.0 * np.arange(12) + 170.0 * (np.arange(12) == 7))
        >>> c2w = np.array([[[np.cos(a), 0, np.sin(a), 4 * np.sin(a)], [0, 1, 0, 0],
        ...                  [-np.sin(a), 0, np.cos(a), 4 * np.cos(a)]] for a in angles])
        >>> [(jump.before, jump.after) for jump in jumps([f"{i}.jpg" for i in range(12)], c2w)[0]]
        [('6.jpg', '7.jpg'), ('7.jpg', '8.jpg')]
    """
    if len(names) < FEWEST_VIEWS or panoramic:
        return [], 0.0
    order = sorted(range(len(names)), key=lambda view: natural_key(names[view]))
    poses = c2w[order]
    traces = np.einsum("vij,vij->v", poses[:-1, :, :3], poses[1:, :, :3])
    turns = np.degrees(np.arccos(np.clip((traces - 1.0) / 2.0, -1.0, 1.0)))
    usual = float(np.median(turns))
    if usual > MAX_USUAL_TURN:
        return [], usual
    toward = focus_point(c2w) - poses[:, :, 3]
    facing = -(poses[:, :, 2] * toward).sum(-1) > MIN_FACING * np.linalg.norm(toward, axis=-1)
    suspect = (turns > max(MIN_JUMP, MIN_RATIO * usual)) & facing[:-1] & facing[1:]
    suspect &= _next_to_each_other([names[view] for view in order])
    return [Jump(names[order[i]], names[order[i + 1]], float(turns[i])) for i in suspect.nonzero()[0]], usual


def _next_to_each_other(names: Sequence[str]) -> np.ndarray:
    """Return for each pair of successive names [V − 1] whether they are in one folder and their numbers are near."""
    paths = [PurePosixPath(name) for name in names]
    numbers = [re.findall(r"[0-9]{1,15}", path.stem) for path in paths]
    last = np.array([float(found[-1]) if found else np.nan for found in numbers])
    steps = np.diff(last)
    known = steps[np.isfinite(steps) & (steps > 0)]
    far = steps > MAX_STEP_RATIO * (float(np.median(known)) if len(known) else 1.0)
    together = np.array([one.parent == other.parent for one, other in pairwise(paths)], bool)
    return together & ~far


def fold_warnings(names: Sequence[str], c2w: Array, panoramic: bool = False) -> list[str]:
    """Return a list with one warning if a reconstruction seems folded. Otherwise, return []. See `jumps`.

    Example:
        >>> fold_warnings(["a.jpg", "b.jpg"], np.eye(3, 4)[None].repeat(2, 0))
        []
    """
    found, usual = jumps(names, c2w, panoramic)
    if not found:
        return []
    listed = ", ".join(f"{jump.before} and {jump.after} ({jump.turn:.0f}°)" for jump in found[:_LISTED])
    more = f" and {plural(len(found) - _LISTED, 'other pair')}" if len(found) > _LISTED else ""
    return [
        f"the cameras may be folded: from one photograph to the next they turn by {usual:.0f}° as a rule, but by far "
        f"more between {listed}{more}. Sides of the object that look alike may lie on one another, and a small "
        "reprojection error does not show it. Solve the cameras again with something unlike on each side, such as "
        "printed paper under the object"
    ]
