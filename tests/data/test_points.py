"""Known points: those that cannot be used are left out and counted."""

from __future__ import annotations

import numpy as np

from radfield_core.data.placement import MAX_DISTANCE
from radfield_core.data.points import unused_points, usable_points
from radfield_core.errors import DatasetError, Problem


def test_points_are_used_if_they_are_finite_and_within_the_limit():
    points = np.array([[0, 1, 2], [np.nan, 0, 0], [0, np.inf, 0], [0, 0, -MAX_DISTANCE], [0, 0, 1.01 * MAX_DISTANCE]])
    usable, (note,) = usable_points(points, "points.ply")
    assert usable.tolist() == [True, False, False, True, False]
    assert note.startswith("points.ply: 3 points of 5 are not finite") and "are left out" in note
    assert "1 point of 2 is not finite" in usable_points(points[:2], "points.ply")[1][0]
    assert usable_points(points[:1], "points.ply")[1] == [] and usable_points(points[:0], "points.ply")[0].size == 0


def test_the_reason_for_unused_points_is_one_line():
    error = DatasetError(problems=[Problem("a.ply", "is empty", "Copy it again"), Problem("b.ply", "too")])
    assert unused_points(error) == "the known points are not used: a.ply: is empty"
