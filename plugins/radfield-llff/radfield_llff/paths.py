"""Camera paths for videos: a spiral in front of a scene, or a circle around an object.

A path has one camera for each of F frames: c2w [F, 3, 4].
"""

from __future__ import annotations

import numpy as np

FRAMES = 120
_ROTATIONS = 2
_Z_RATE = 0.5


def look(back: np.ndarray, up: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Return c2w [..., 3, 4] of cameras at `position` [..., 3].

    The z axis of each camera has the direction `back`. Its y axis points as nearly along `up` as possible.
    """
    z = back / np.linalg.norm(back, axis=-1, keepdims=True)
    x = np.cross(up, z)
    x /= np.linalg.norm(x, axis=-1, keepdims=True)
    return np.stack([x, np.cross(z, x), z, position], axis=-1)


def average(c2w: np.ndarray) -> np.ndarray:
    """Return the mean camera [3, 4] of cameras c2w [V, 3, 4].

    It has the mean center and the mean z axis. Its y axis points as nearly along the mean y axis as possible.
    """
    return look(c2w[:, :, 2].mean(0), c2w[:, :, 1].mean(0), c2w[:, :, 3].mean(0))


def spiral(c2w: np.ndarray, bounds: np.ndarray, frames: int = FRAMES) -> np.ndarray:
    """Return a spiral of two turns around the mean camera. All frames look at one target in front of the mean camera.

    The radii in x, y and z are the 90th percentiles of the absolute coordinates of the camera centers. The distance to
    the target is the weighted harmonic mean of two depths, as in NeRF's code: 0.9 times the nearest depth (weight ¼)
    and 5 times the farthest depth (weight ¾).

    Args:
        c2w: [V, 3, 4], the cameras.
        bounds: [V, 2], nearest and farthest depth of each view.
        frames: number of frames.
    """
    middle = average(c2w)
    focus = 1.0 / (0.25 / (0.9 * bounds.min()) + 0.75 / (5.0 * bounds.max()))
    radii = np.percentile(np.abs(c2w[:, :, 3]), 90, axis=0)
    up = c2w[:, :, 1].mean(0)
    target = middle[:, :3] @ (0.0, 0.0, -focus) + middle[:, 3]
    angles = np.linspace(0.0, 2 * np.pi * _ROTATIONS, frames, endpoint=False)
    offsets = np.stack([np.cos(angles), -np.sin(angles), -np.sin(angles * _Z_RATE)], axis=-1) * radii
    positions = offsets @ middle[:, :3].T + middle[:, 3]
    return look(positions - target, up, positions)


def circle(c2w: np.ndarray, frames: int = FRAMES) -> np.ndarray:
    """Return a circle of `frames` cameras around the z axis, all of which look at the origin.

    The height of the circle is the mean height of the given cameras c2w [V, 3, 4]. The distance from the origin to the
    circle is the root mean square distance of the given cameras.
    """
    centers = c2w[:, :, 3]
    height = float(centers[:, 2].mean())
    radius = np.sqrt(max(float(np.square(centers).sum(-1).mean()) - height**2, 1e-12))
    angles = np.linspace(0.0, 2 * np.pi, frames, endpoint=False)
    ring = np.stack([radius * np.cos(angles), radius * np.sin(angles), np.full(frames, height)], axis=-1)
    return look(ring, np.array([0.0, 0.0, 1.0]), ring)
