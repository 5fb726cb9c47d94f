"""Camera paths for videos: a spiral before a scene, a circle round an object. F frames, c2w [F, 3, 4]."""

from __future__ import annotations

import numpy as np

FRAMES = 120
_ROTATIONS = 2
_Z_RATE = 0.5


def look(back: np.ndarray, up: np.ndarray, place: np.ndarray) -> np.ndarray:
    """c2w [..., 3, 4] of cameras at places [..., 3] with z axis `back` and the y axis as near to `up` as it can be."""
    z = back / np.linalg.norm(back, axis=-1, keepdims=True)
    x = np.cross(up, z)
    x /= np.linalg.norm(x, axis=-1, keepdims=True)
    return np.stack([x, np.cross(z, x), z, place], axis=-1)


def average(c2w: np.ndarray) -> np.ndarray:
    """The mean camera [3, 4] of poses [V, 3, 4]: mean place, mean z axis, y as near to the mean y as it can be."""
    return look(c2w[:, :, 2].mean(0), c2w[:, :, 1].mean(0), c2w[:, :, 3].mean(0))


def spiral(c2w: np.ndarray, bounds: np.ndarray, frames: int = FRAMES) -> np.ndarray:
    """Two turns about the mean camera, as wide as nine tenths of the cameras' places, looking at one distance.

    That distance is the harmonic mean of 0.9 · the nearest (a quarter) and 5 · the farthest depth (NeRF's code).
    bounds [V, 2].
    """
    middle = average(c2w)
    focus = 1.0 / (0.25 / (0.9 * bounds.min()) + 0.75 / (5.0 * bounds.max()))
    radii = np.percentile(np.abs(c2w[:, :, 3]), 90, axis=0)
    up = c2w[:, :, 1].mean(0)
    target = middle[:, :3] @ (0.0, 0.0, -focus) + middle[:, 3]
    angles = np.linspace(0.0, 2 * np.pi * _ROTATIONS, frames, endpoint=False)
    offsets = np.stack([np.cos(angles), -np.sin(angles), -np.sin(angles * _Z_RATE)], axis=-1) * radii
    places = offsets @ middle[:, :3].T + middle[:, 3]
    return look(places - target, up, places)


def circle(c2w: np.ndarray, frames: int = FRAMES) -> np.ndarray:
    """A circle at the cameras' mean height, on the sphere of their mean square distance, looking at the origin."""
    places = c2w[:, :, 3]
    height = float(places[:, 2].mean())
    radius = np.sqrt(max(float(np.square(places).sum(-1).mean()) - height**2, 1e-12))
    angles = np.linspace(0.0, 2 * np.pi, frames, endpoint=False)
    ring = np.stack([radius * np.cos(angles), radius * np.sin(angles), np.full(frames, height)], axis=-1)
    return look(ring, np.array([0.0, 0.0, 1.0]), ring)
