"""Options for data formats whose files contain camera poses. They define the meaning of the stored matrices."""

from __future__ import annotations

from typing import Any, ClassVar

import attrs

from radfield_core.config.slots import option

AXES = {"opengl": "RUB", "opencv": "RDF"}
"""Names of two conventions. The letters are explained in `PoseOptions.axes`."""

_OPPOSITE = {"R": "L", "L": "R", "U": "D", "D": "U", "F": "B", "B": "F"}


@attrs.frozen(kw_only=True)
class PoseOptions:
    """Options for camera poses that a file stores as matrices. A dataparser's options may inherit from this class.

    Attributes:
        own_axes: the axes that the format defines, as three letters. They apply if the option `axes` is unset.
    """

    own_axes: ClassVar[str] = "RUB"

    axes: str | None = option(
        None,
        help="where the axes x, y, z of the cameras point: opengl (RUB), opencv (RDF), or three of the letters Right, "
        "Left, Up, Down, Forward, Back; unset: as the format defines them",
    )
    world_to_camera: bool = option(
        False, help="read the poses as world-to-camera matrices, which are the inverse of camera-to-world matrices"
    )

    @axes.validator
    def _three_letters(self, attribute: Any, value: Any) -> None:
        if value is not None and sorted(map(_direction, letters_of(value))) != [0, 1, 2]:
            raise ValueError(
                f"axes={value!r} is not opengl, opencv, or three letters such as RUF (right, up, forward): "
                "one of R and L, one of U and D, one of F and B"
            )

    def stored_axes(self) -> str:
        """Return the axes of the stored poses as three letters."""
        return self.own_axes if self.axes is None else letters_of(self.axes)


def letters_of(axes: str) -> str:
    """Return the letters of axes that are given by name or by letters.

    Example:
        >>> letters_of("opencv"), letters_of("luf")
        ('RDF', 'LUF')
    """
    return AXES.get(axes.lower(), axes.upper())


def turned(axes: str) -> str:
    """Return the letters of axes after half a turn about the camera's x axis, from OpenGL to OpenCV and back.

    Example:
        >>> turned("RUB"), turned("DRB")
        ('RDF', 'URF')
    """
    return "".join(letter if letter in "RL" else _OPPOSITE[letter] for letter in axes)


def rolled(axes: str) -> str:
    """Return the letters of axes after half a turn about the camera's viewing axis.

    Example:
        >>> rolled("RUB")
        'LDB'
    """
    return "".join(letter if letter in "FB" else _OPPOSITE[letter] for letter in axes)


def _direction(letter: str) -> int:
    return next((i for i, pair in enumerate(("RL", "UD", "FB")) if letter in pair), -1)
