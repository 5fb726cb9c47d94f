"""The unit of a reconstruction, from a known distance between two points that were picked in photographs."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np

from radfield_core import UsageError

METERS = {"mm": 1e-3, "cm": 1e-2, "dm": 1e-1, "m": 1.0, "km": 1e3, "in": 0.0254, "ft": 0.3048}
"""Unit -> its length in meters."""

MIN_ANGLE = 2.0
"""Smallest usable angle in degrees between the rays through the picks of a point."""

MAX_MISS = 0.02
"""Largest distance of a ray from the point, as a share of the point's distance from the camera."""

_PICK = re.compile(r"(?P<name>\S+):(?P<x>[0-9]+(?:\.[0-9]+)?),(?P<y>[0-9]+(?:\.[0-9]+)?)")
_LENGTH = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]+)?(?:e-?[0-9]+)?)\s*(?P<unit>[a-z]+)")
_EXAMPLE = '"a.jpg:120,80+b.jpg:96,77 a.jpg:410,92+b.jpg:388,90 = 0.4m"'


class Pick(NamedTuple):
    """A pixel of a photograph. The first pixel's center is at (0.5, 0.5).

    Attributes:
        name: name of the photograph.
        x: pixels from the left border.
        y: pixels from the upper border.
    """

    name: str
    x: float
    y: float


class Distance(NamedTuple):
    """A known distance between two points.

    Attributes:
        points: the picks of the first point, and those of the second.
        meters: their distance in meters.
    """

    points: tuple[tuple[Pick, ...], tuple[Pick, ...]]
    meters: float


class NotMeasured(Exception):
    """Raised if the picks do not give two points. The message says why."""


def length(text: str) -> float:
    """Return a length in meters, such as 0.165 for "165mm". Raises ValueError if the text is none.

    Example:
        >>> length("165mm"), length("0.4 m"), length("2 ft")
        (0.165, 0.4, 0.6096)
    """
    found = _LENGTH.fullmatch(text.strip())
    if found is None or found["unit"] not in METERS:
        raise ValueError(f"{text.strip()!r:.100} is no length such as 165mm or 0.4m; units: {', '.join(METERS)}")
    meters = float(found["number"]) * METERS[found["unit"]]
    if not 1e-9 < meters < 1e9:
        raise ValueError(f"{text.strip()!r:.100} is no usable length")
    return meters


def distance(text: str) -> Distance:
    """Return a known distance from a text such as "a.jpg:1,2+b.jpg:3,4 a.jpg:5,6+b.jpg:7,8 = 0.4m".

    Each point is picked in two photographs or more.

    Raises:
        UsageError: the text has another form.
    """
    points, _, size = text.rpartition("=")
    try:
        meters = length(size)
        first, second = (tuple(_pick(word) for word in point.split("+")) for point in points.split())
        if min(len(first), len(second)) < 2:
            raise ValueError("each point must be picked in two photographs or more")
    except ValueError as error:
        reason = str(error) if "unpack" not in str(error) else "two points and a length are needed"
        raise UsageError(reason, path="between", hint=f"between={_EXAMPLE}") from None
    return Distance((first, second), meters)


def _pick(word: str) -> Pick:
    found = _PICK.fullmatch(word)
    if found is None:
        raise ValueError(f"{word!r:.100} is no pick such as a.jpg:120,80")
    return Pick(found["name"], float(found["x"]), float(found["y"]))


def triangulated(model: Any, picks: tuple[Pick, ...]) -> np.ndarray:
    """Return the point [3] nearest to the rays through some picks, in the coordinates of a pycolmap reconstruction.

    Raises:
        NotMeasured: a photograph is not registered, the rays are nearly parallel, or they do not meet.
    """
    images = {image.name: image for image in model.images.values() if image.has_pose}
    origins, rays = [], []
    for pick in picks:
        image = images.get(pick.name)
        if image is None:
            raise NotMeasured(f"{pick.name} is not among the registered photographs")
        plane = model.cameras[image.camera_id].cam_from_img(np.array([[pick.x, pick.y]]))[0]
        rotation = image.cam_from_world().matrix()[:, :3]
        ray = rotation.T @ np.append(plane, 1.0)
        origins.append(image.projection_center())
        rays.append(ray / np.linalg.norm(ray))
    at, along = np.array(origins), np.array(rays)
    angle = np.degrees(np.arccos(np.clip((along @ along.T).min(), -1.0, 1.0)))
    if angle < MIN_ANGLE:
        raise NotMeasured(f"the photographs of {picks[0].name} and others see the point from nearly the same direction")
    across = np.eye(3) - along[:, :, None] * along[:, None, :]
    point: np.ndarray = np.linalg.solve(across.sum(0), (across @ at[:, :, None]).sum(0)[:, 0])
    offsets = point - at
    miss = np.linalg.norm((across @ offsets[:, :, None])[:, :, 0], axis=-1) / np.linalg.norm(offsets, axis=-1)
    if miss.max() > MAX_MISS or ((offsets * along).sum(-1) <= 0).any():
        raise NotMeasured(f"the picks in {', '.join(pick.name for pick in picks)} are not of one point")
    return point


def scale_to(pycolmap: Any, model: Any, known: Distance) -> str:
    """Scale a reconstruction so that its unit is a meter. Return a sentence for the user. If that is impossible, the
    sentence says why, and the reconstruction stays as it is."""
    try:
        first, second = (triangulated(model, picks) for picks in known.points)
        apart = float(np.linalg.norm(first - second))
        if not apart > 1e-9:
            raise NotMeasured("the two points are one")
    except NotMeasured as error:
        return f"warning: the cameras have no unit: {error}"
    scale = known.meters / apart
    model.transform(pycolmap.Sim3d(scale, pycolmap.Rotation3d(), np.zeros(3)))
    return (
        f"the coordinates are in meters, by the distance of {known.meters:g} m between two points; data.unit=m says so "
        "to training and exports"
    )
