"""Check the known surface points of a data set. These points are optional, so bad ones are left out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from radfield_core.data.placement import MAX_DISTANCE
from radfield_core.data.similarity import Array
from radfield_core.names import plural


def usable_points(points: Array, file: str) -> tuple[npt.NDArray[np.bool_], list[str]]:
    """Find the usable points, which are finite and at most `MAX_DISTANCE` from the origin along each axis.

    Args:
        points: [P, 3], the points in the data's own units.
        file: name of the file that contains the points, for the message.

    Returns:
        A mask [P] that is True for usable points, and a list with one message for the user if some points are not
        usable.

    Example:
        >>> usable_points(np.array([[0.0, 1.0, 2.0], [np.nan, 0.0, 0.0]]), "points.ply")[0].tolist()
        [True, False]
    """
    with np.errstate(invalid="ignore"):
        usable = np.all(np.abs(points) <= MAX_DISTANCE, axis=-1)  # False for NaN
    bad = int((~usable).sum())
    if not bad:
        return usable, []
    verb = "is" if bad == 1 else "are"
    return usable, [
        f"{file}: {plural(bad, 'point')} of {len(points)} {verb} not finite, or farther than {MAX_DISTANCE:g} from "
        f"the origin, and {verb} left out"
    ]


def unused_points(error: Exception) -> str:
    """Return a message for the user that says why the known points are not used.

    Example:
        >>> unused_points(ValueError("points.ply: is empty"))
        'the known points are not used: points.ply: is empty'
    """
    return f"the known points are not used: {str(error).partition(chr(10))[0]}"
