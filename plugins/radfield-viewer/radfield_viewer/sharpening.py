"""Pictures that are coarse at first and become sharper while the camera rests."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from radfield_core import Camera, LiveRun, Rendered, View
from radfield_core.render import make_pictures, stated_camera

COARSENESS = (8, 4, 2, 1)
"""A picture is rendered with its sides divided by each of these numbers in turn."""

FIRST_SECONDS = 0.15
"""The first picture is the sharpest one that takes at most this long."""

PIECE_SECONDS = 0.1
"""A picture is rendered in pieces of rows that take about this long, so that a moving camera interrupts it soon."""

SMALLEST_SIDE = 8
MAX_SIDE = 2048


@dataclass(frozen=True, eq=False)
class Wanted:
    """What a page wants to see.

    Attributes:
        c2w: camera-to-world matrix [3, 4] in scene coordinates, with OpenGL axes.
        width: width of the sharp picture in pixels.
        height: height of the sharp picture in pixels.
        fov: angle in degrees from the top edge to the bottom edge.
        kind: kind of the picture, such as "rgb"; see `radfield_core.render.make_pictures`.
        background: color in [0, 1], or None for the one that evaluation uses.
        box: smallest x, y and z and largest x, y and z of the part to show, in the data's coordinates, or None.
    """

    c2w: torch.Tensor
    width: int
    height: int
    fov: float
    kind: str = "rgb"
    background: tuple[float, float, float] | None = None
    box: tuple[float, ...] | None = None

    def camera(self, coarseness: int) -> Camera:
        """Return the camera of a picture whose sides are divided by a number."""
        width, height = (max(SMALLEST_SIDE, round(side / coarseness)) for side in (self.width, self.height))
        return stated_camera(width, height, self.fov)


@dataclass(frozen=True)
class Shown:
    """A finished picture.

    Attributes:
        picture: [H, W, 3] uint8.
        sharp: True if it has the full size.
        kind: kind of the picture, which is "rgb" or "depth" if the model does not provide the wanted one.
    """

    picture: np.ndarray
    sharp: bool
    kind: str


class Sharpening:
    """The pictures of one page. Each call of `work` renders one piece of one of them.

    A camera that moves ends the picture that is being made, unless it is the first one of its camera.

    Args:
        clock: function that returns seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter):
        self._clock = clock
        self._wanted: Wanted | None = None
        self._current: Wanted | None = None
        self._level = len(COARSENESS)
        self._pieces: list[Rendered] = []
        self._rows = 0
        self._first = False  # the first picture of a camera is being made

    def want(self, wanted: Wanted | None) -> None:
        """Render something else from now on, or nothing. May be called from any thread."""
        self._wanted = wanted

    @property
    def idle(self) -> bool:
        """True if the sharpest picture of what is wanted has been made."""
        wanted = self._wanted
        return wanted is None or (wanted is self._current and self._level == len(COARSENESS))

    def seconds(self, per_ray: float) -> float:
        """Return about how long the next piece will take. `per_ray` is the time to render a ray, in seconds."""
        wanted = self._wanted
        if wanted is None:
            return 0.0
        camera = wanted.camera(COARSENESS[self._level_of(wanted, per_ray)])
        return per_ray * min(camera.width * camera.height, camera.width * _rows_in(PIECE_SECONDS, camera, per_ray))

    def work(self, live: LiveRun, per_ray: float) -> tuple[Shown | None, float]:
        """Render the next piece. Return the picture, if it is finished, and the measured time per ray.

        Args:
            live: the model.
            per_ray: the expected time to render a ray, in seconds; 0 if it is not known.
        """
        wanted = self._wanted
        if wanted is None or self.idle:
            return None, per_ray
        if wanted is not self._current:
            if self._first and self._pieces and self._current is not None:
                wanted = self._current  # a camera that never rests would see no picture if each was given up
            else:
                self._level, self._first = self._level_of(wanted, per_ray), True
                self._current, self._pieces, self._rows = wanted, [], 0
        camera = wanted.camera(COARSENESS[self._level])
        rows = min(_rows_in(PIECE_SECONDS, camera, per_ray), camera.height - self._rows)
        started = self._clock()
        piece = replace(camera, height=rows, cy=camera.cy - self._rows)
        self._pieces.append(live.render(View(wanted.c2w, piece), wanted.background, wanted.box))
        measured = (self._clock() - started) / (rows * camera.width)
        self._rows += rows
        if self._rows < camera.height:
            return None, measured
        shown = self._finished(wanted, camera)
        self._level, self._pieces, self._rows, self._first = self._level + 1, [], 0, False
        return shown, measured

    def fail(self) -> None:
        """Give up what is wanted, because it cannot be rendered."""
        self._current, self._level, self._pieces = self._wanted, len(COARSENESS), []

    def _level_of(self, wanted: Wanted, per_ray: float) -> int:
        """Return the index in COARSENESS of the picture to render next."""
        if wanted is self._current:
            return min(self._level, len(COARSENESS) - 1)
        fitting = [
            level
            for level, coarseness in enumerate(COARSENESS)
            if per_ray * _pixels(wanted.camera(coarseness)) <= FIRST_SECONDS
        ]
        return fitting[-1] if per_ray > 0 and fitting else 0

    def _finished(self, wanted: Wanted, camera: Camera) -> Shown:
        pictures = make_pictures(_joined(self._pieces), camera.width, camera.height)
        kind = next(kind for kind in (wanted.kind, "rgb", "depth") if kind in pictures)
        return Shown(pictures[kind], self._level == len(COARSENESS) - 1, kind)


def _pixels(camera: Camera) -> int:
    return camera.width * camera.height


def _rows_in(seconds: float, camera: Camera, per_ray: float) -> int:
    """Return how many rows are rendered in about so many seconds: at least one, and all if the time is not known."""
    if per_ray <= 0:
        return camera.height
    return max(1, min(camera.height, int(seconds / (per_ray * camera.width))))


def _joined(pieces: list[Rendered]) -> Rendered:
    """Return the pixels of pieces in one."""

    def join(name: str) -> torch.Tensor | None:
        parts = [getattr(piece, name) for piece in pieces]
        return None if parts[0] is None else torch.cat(parts)

    depth, opacity = join("depth"), join("opacity")
    assert depth is not None and opacity is not None
    return Rendered(join("rgb"), depth, opacity, join("normals"), median_depth=join("median_depth"))
