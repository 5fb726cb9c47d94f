"""A turntable before a still background: most features then stay where they are, while the object turns.

F is the number of features of a photograph.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

MOSTLY_STILL = 0.5
"""If this share of the matches between photographs does not move, the background is still. It is 0 for a camera that
moves, and nearly 1 for one that does not."""

_NEAR = 1.5
"""Features of two photographs that are at most this many pixels apart are at the same place."""

_COMPARED_PAIRS = 8
_COMPARED_PHOTOGRAPHS = 8
_MOST_FEATURES = 2000
_FEWEST_MATCHES = 15
_RATIO = 0.8
_SEEN_AGAIN = 0.5
_ROWS_AT_ONCE = 500
_SAME_COSINE = 0.8  # two descriptors of one feature have at least this cosine


def still_share(pycolmap: Any, database: Path) -> float:
    """Return the share of the matched features that do not move, the median over pairs of distant photographs.

    The share is 0 if too few features match.
    """
    with pycolmap.Database.open(database) as opened:
        numbers = _numbers(opened)
        apart = max(1, len(numbers) // 4)
        firsts = np.linspace(0, len(numbers) - 1 - apart, min(_COMPARED_PAIRS, len(numbers) - apart)).astype(int)
        features = {
            number: _features(opened, number)
            for number in {numbers[int(i) + step] for i in firsts for step in (0, apart)}
        }
    shares = []
    for i in firsts:
        first, other = features[numbers[i]], features[numbers[i + apart]]
        rows, partners = matched(first[1], other[1])
        if len(rows) >= _FEWEST_MATCHES:
            moved = np.linalg.norm(first[0][rows] - other[0][partners], axis=-1)
            shares.append(float((moved <= _NEAR).mean()))
    return float(np.median(shares)) if shares else 0.0


def drop_still(pycolmap: Any, database: Path) -> int:
    """Delete from the database the features that are at the same place in other photographs. Return their number.

    What is left are the features of the object on the turntable. They move as if the camera went around the object.
    """
    dropped = 0
    with pycolmap.Database.open(database) as opened:
        numbers = _numbers(opened)
        chosen = np.unique(np.linspace(0, len(numbers) - 1, _COMPARED_PHOTOGRAPHS + 1).astype(int))
        others = [_features(opened, numbers[i], most=None) for i in chosen]
        everything = {number: opened.read_keypoints(number) for number in numbers}
        described = {number: opened.read_descriptors(number) for number in numbers}
        kept = {}
        for number in numbers:
            places = everything[number][:, :2]
            vectors = _unit(described[number].data)
            again = np.zeros(len(places), int)
            compared = [each for i, each in zip(chosen, others, strict=True) if numbers[i] != number]
            for other_places, other_vectors in compared:
                again += _found_at_place(places, vectors, other_places, other_vectors)
            kept[number] = again < max(1.0, _SEEN_AGAIN * len(compared))
            dropped += int((~kept[number]).sum())
        opened.clear_keypoints()
        opened.clear_descriptors()
        for number in numbers:
            opened.write_keypoints(number, everything[number][kept[number]])
            left = described[number]
            left.data = left.data[kept[number]]
            opened.write_descriptors(number, left)
    return dropped


def matched(first: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows in `first` and in `other` of features that are each other's nearest, by their descriptors.

    The second nearest must be clearly farther away (Lowe 2004). The descriptors [F, 128] have length 1.
    """
    if min(len(first), len(other)) < 2:
        return np.zeros(0, int), np.zeros(0, int)
    angles = np.arccos(np.clip(first @ other.T, -1.0, 1.0))
    nearest = angles.argmin(1)
    rows = np.arange(len(first))
    best = angles[rows, nearest]
    second = np.partition(angles, 1, axis=1)[:, 1]
    good = (angles.argmin(0)[nearest] == rows) & (best < _RATIO * second)
    return rows[good], nearest[good]


def _found_at_place(
    places: np.ndarray, vectors: np.ndarray, other_places: np.ndarray, other_vectors: np.ndarray
) -> np.ndarray:
    """Return for each feature [F] whether another photograph has a like feature at the same place."""
    found = np.zeros(len(places), bool)
    for start in range(0, len(places), _ROWS_AT_ONCE):
        block = slice(start, start + _ROWS_AT_ONCE)
        apart = np.abs(places[block, None] - other_places[None]).max(-1)
        rows, partners = (apart <= _NEAR).nonzero()
        alike = np.einsum("nd,nd->n", vectors[block][rows], other_vectors[partners]) > _SAME_COSINE
        found[start + rows[alike]] = True
    return found


def _numbers(opened: Any) -> list[int]:
    """Return the numbers of all photographs in the database, in the order of their names."""
    return [int(image.image_id) for image in sorted(opened.read_all_images(), key=lambda image: image.name)]


def _features(opened: Any, number: int, most: int | None = _MOST_FEATURES) -> tuple[np.ndarray, np.ndarray]:
    """Return places [F, 2] and descriptors [F, 128] of length 1 of the largest features of a photograph."""
    keypoints = opened.read_keypoints(number)
    sizes = np.linalg.norm(keypoints[:, 2:4], axis=-1) if keypoints.shape[1] >= 4 else np.ones(len(keypoints))
    order = np.argsort(-sizes, kind="stable")[:most]
    return keypoints[order, :2].astype(np.float64), _unit(opened.read_descriptors(number).data[order])


def _unit(descriptors: np.ndarray) -> np.ndarray:
    vectors = descriptors.astype(np.float32)
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit: np.ndarray = vectors / np.maximum(lengths, 1e-9)
    return unit
