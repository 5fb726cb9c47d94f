"""Camera paths for videos.

A path is a list of n camera poses: camera-to-world matrices c2w [n, 3, 4] float64 in scene coordinates, with OpenGL
axes (x right, y up, z backward). Turntables and spirals are closed, so that a video can loop.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from radfield_core.data.placement import focus_point
from radfield_core.data.scene import Scene
from radfield_core.errors import UsageError
from radfield_core.render.pose_splines import interpolated_poses

PATHS = ("auto", "turntable", "spiral", "cameras")
SURROUNDED_BELOW = 0.7  # length of the mean viewing direction; it is 1 if all cameras look in the same direction
NDC_TARGET_DEPTH = 4.0  # scenes in NDC are scaled so that the nearest content lies just beyond depth 1
FAR_WEIGHT = 0.75  # `target_depth` is a weighted mean of near and far; this is the weight of far
SPIRAL_SIZE = 0.5  # radius of a spiral, as a share of the spread of the cameras
FLAT_BELOW = 0.2  # cameras lie in a plane if their spread across it / their smallest spread in it is less than this
LEVEL_BELOW = 0.2  # cameras are level if, for their x axes, the same ratio is less than this
SHORTEST_GAP = 0.05  # time between two cameras at the same place, as a share of the mean time between two cameras
STEEP = 0.999  # a camera whose axis has at least this cosine to the vertical looks straight up or down
MIN_UP_COSINE = 0.5  # an estimated upward axis is within 60° of the mean upward axis of the cameras


def check_name(name: str) -> None:
    """Raise UsageError unless `name` is the name of a camera path."""
    if name not in PATHS:
        known = ", ".join(PATHS)
        raise UsageError(
            f"unknown camera path {name!r}; known paths are {known}", path="--path", hint=f"--path {PATHS[0]}"
        )


def camera_path(scene: Scene, name: str, n: int) -> tuple[str, Tensor]:
    """Make a camera path of n poses.

    Args:
        scene: the scene, usually the training split.
        name: "turntable", "spiral", "cameras" or "auto". "auto" takes the path that the data set contains. If the data
            set contains no path, "auto" makes a turntable if the cameras surround the scene, and a spiral otherwise.
        n: number of poses.

    Returns:
        The name of the chosen path and its poses c2w [n, 3, 4]. The name is "turntable", "spiral", "cameras", or "path"
        for the path that the data set contains.

    Raises:
        UsageError: the name is unknown.
    """
    check_name(name)
    if name == "auto" and scene.render_path is not None:
        return "path", scene.render_path[torch.arange(n) * len(scene.render_path) // n]
    if name == "auto":
        name = "turntable" if not scene.ndc and surrounds(scene) else "spiral"
    make = {"turntable": turntable, "spiral": spiral, "cameras": through_cameras}[name]
    return name, make(scene, n)


def surrounds(scene: Scene) -> bool:
    """Return True if the cameras look at the scene from many sides.

    If they do, their viewing directions nearly cancel out, so the mean of the directions is a short vector. Panoramas
    look in all directions.
    """
    return scene.cameras.panoramic or bool(_viewing_directions(scene).mean(0).norm() < SURROUNDED_BELOW)


def turntable(scene: Scene, n: int) -> Tensor:
    """Return poses c2w [n, 3, 4] on a circle around the focus. Every pose looks at the focus.

    The focus is the point that the scene's cameras look at. The axis of the circle passes through the focus, parallel
    to the upward axis of the scene, which `upward_axis` returns. The circle has the median height of the cameras above
    the focus, and their median distance from the axis.
    """
    up, center = upward_axis(scene), _focus(scene)
    offsets = _centers(scene) - center
    height = (offsets @ up).median()
    radius = (offsets - (offsets @ up)[:, None] * up).norm(dim=-1).median()
    first = offsets[0] - (offsets[0] @ up) * up
    first = functional.normalize(first, dim=0) if float(first.norm()) > 1e-9 else _perpendicular(up)
    second = torch.linalg.cross(up, first)
    angles = _angles(n)
    circle = torch.cos(angles)[:, None] * first + torch.sin(angles)[:, None] * second
    return look_at(center + radius * circle + height * up, center, up)


def through_cameras(scene: Scene, n: int) -> Tensor:
    """Return poses c2w [n, 3, 4] on a smooth path through all cameras of a scene, in their order."""
    return between(scene.cameras.c2w, n)


def between(c2w: Tensor, n: int) -> Tensor:
    """Return poses c2w [n, 3, 4] float64 on a smooth path from the first pose of c2w [K, 3, 4] to the last.

    The path takes longer between poses that are farther apart, or whose orientations differ more. Two poses are joined
    by a straight line, on which the camera turns evenly.

    Example:
        >>> ends = torch.eye(4, dtype=torch.float64)[:3].repeat(2, 1, 1)
        >>> ends[1, 0, 3] = 4.0
        >>> between(ends, 3)[:, 0, 3].tolist()
        [0.0, 2.0, 4.0]
    """
    c2w = c2w.detach().cpu().to(torch.float64)
    steps = (c2w[1:, :, 3] - c2w[:-1, :, 3]).norm(dim=-1)
    chords = (c2w[1:, :, :3] - c2w[:-1, :, :3]).flatten(1).norm(dim=-1)  # √8 · sin(angle / 2)
    gaps = sum((part / part.mean() for part in (steps, chords) if len(part) and float(part.mean()) > 0), steps * 0)
    gaps = torch.cat([gaps.clamp_min(SHORTEST_GAP), gaps.new_ones(1)])
    at = torch.linspace(0.0, float(gaps[:-1].sum()), n, dtype=torch.float64)
    return torch.from_numpy(interpolated_poses(c2w.numpy(), gaps.numpy(), at.numpy()))


def upward_axis(scene: Scene) -> Tensor:
    """Return the upward axis [3] of a scene in scene coordinates: a unit vector.

    It is the axis that the data states. If the data states none, but the cameras lie in a plane, it is the normal of
    the plane. Otherwise, if the cameras are level, it is the direction perpendicular to their x axes. If none of this
    holds, it is the mean of the cameras' upward axes.
    """
    if scene.up is not None and scene.up[-1:] in ("x", "y", "z"):
        axis = torch.zeros(3, dtype=torch.float64)
        axis["xyz".index(scene.up[-1])] = -1.0 if scene.up.startswith("-") else 1.0
        return functional.normalize(scene.to_data[:3, :3].to(torch.float64).T @ axis, dim=0)
    mean, centers = _mean_up(scene), _centers(scene)
    right = scene.cameras.c2w[:, :, 0].to(torch.float64)
    for vectors, limit in ((centers - centers.mean(0), FLAT_BELOW), (right, LEVEL_BELOW)):
        normal = _normal(vectors, limit)
        if normal is not None and float((normal @ mean).abs()) >= MIN_UP_COSINE:
            return normal if float(normal @ mean) > 0 else -normal
    return mean


def spiral(scene: Scene, n: int) -> Tensor:
    """Return poses c2w [n, 3, 4] on a small loop around the mean position of the scene's cameras.

    The loop is smaller than the spread of the cameras. Every pose looks at the point that the cameras look at. If the
    optical axes of the cameras do not meet in the scene, every pose looks instead at a point on the mean optical axis,
    at the depth that `target_depth()` returns.
    """
    centers, up = _centers(scene), _mean_up(scene)
    axis = functional.normalize(_viewing_directions(scene).mean(0), dim=0)
    right = functional.normalize(torch.linalg.cross(axis, up), dim=0)
    up = torch.linalg.cross(right, axis)
    frame = torch.stack([right, up, axis])
    mean = centers.mean(0)
    spread = ((centers - mean) @ frame.T).abs().quantile(0.9, dim=0)
    angles = _angles(n)
    loop = torch.stack([torch.cos(angles), torch.sin(angles), torch.sin(2 * angles)], dim=-1)
    origins = mean + (SPIRAL_SIZE * spread * loop) @ frame
    target = _focus(scene) if _axes_meet(scene) else mean + axis * target_depth(scene)
    return look_at(origins, target, up)


def target_depth(scene: Scene) -> float:
    """Return the distance at which the poses of a spiral look if the optical axes of the cameras do not meet.

    It is the weighted harmonic mean of near (weight ¼) and far (weight ¾). LLFF uses the same weights in its function
    `render_path_spiral` (Mildenhall et al. 2019). If the scene uses NDC, the depth is always 4.
    """
    if scene.ndc:
        return NDC_TARGET_DEPTH
    near, far = max(scene.near, 1e-3), max(scene.far, 2e-3)
    return 1.0 / ((1.0 - FAR_WEIGHT) / near + FAR_WEIGHT / far)


def look_at(origins: Tensor, target: Tensor, up: Tensor) -> Tensor:
    """Return poses c2w [n, 3, 4] of cameras at origins [n, 3] that look at a target [3].

    The y axis of each camera points as nearly along `up` [3] as the viewing direction allows.
    """
    back = functional.normalize(origins - target, dim=-1)
    right = functional.normalize(torch.linalg.cross(up.expand_as(back), back), dim=-1)
    return torch.stack([right, torch.linalg.cross(back, right), back, origins], dim=-1)


def level(c2w: Tensor, up: Tensor) -> Tensor:
    """Return poses c2w [n, 3, 4] at the same positions whose y axes point along `up`, as a panorama needs.

    The middle of the image keeps its compass direction. If a camera looks straight down or up, the middle is where the
    top or the bottom of its image was.
    """
    c2w = c2w.to(torch.float64)
    forward, tops = -c2w[:, :, 2], c2w[:, :, 1]
    steep = forward @ up
    flat = forward - steep[:, None] * up
    beyond = -steep.sign()[:, None] * (tops - (tops @ up)[:, None] * up)
    ahead = functional.normalize(torch.where((steep.abs() > STEEP)[:, None], beyond, flat), dim=-1)
    right = torch.linalg.cross(ahead, up.expand_as(ahead))
    return torch.stack([right, up.expand_as(ahead), -ahead, c2w[:, :, 3]], dim=-1)


def _angles(n: int) -> Tensor:
    """Return n angles in radians that divide a full turn evenly."""
    return torch.arange(n, dtype=torch.float64) * (2 * math.pi / n)


def _centers(scene: Scene) -> Tensor:
    """Return the camera centers [V, 3]."""
    return scene.cameras.c2w[:, :, 3].to(torch.float64)


def _viewing_directions(scene: Scene) -> Tensor:
    """Return the viewing directions of the cameras: unit vectors [V, 3] along the optical axes."""
    return -scene.cameras.c2w[:, :, 2].to(torch.float64)


def _focus(scene: Scene) -> Tensor:
    """Return the focus: the point [3] nearest to all optical axes, or the middle of the cameras of panoramas."""
    return torch.from_numpy(focus_point(scene.cameras.c2w.detach().double().numpy(), scene.cameras.panoramic))


def _axes_meet(scene: Scene) -> bool:
    """Return True if the optical axes meet in the scene, that is, if the median depth of the focus is between near and
    far.

    The focus is the point nearest to all optical axes. If the axes are nearly parallel, it may lie behind the cameras.
    If the scene uses NDC, return False, because near and far are then not distances.
    """
    depths = ((_focus(scene) - _centers(scene)) * _viewing_directions(scene)).sum(-1)
    return not scene.ndc and scene.near < float(depths.median()) < scene.far


def _normal(vectors: Tensor, limit: float) -> Tensor | None:
    """Return the unit normal [3] of the plane through the origin that is nearest to vectors [V, 3], by least squares.

    Return None if the vectors lie on a line, or if they are not flat: their spread perpendicular to the plane is at
    least `limit` times their smallest spread within the plane.
    """
    if len(vectors) < 3:
        return None
    _, (longest, shorter, across), axes = torch.linalg.svd(vectors, full_matrices=False)
    flat = float(shorter) > 0.1 * float(longest) and float(across) < limit * float(shorter)
    return axes[2] if flat else None


def _mean_up(scene: Scene) -> Tensor:
    """Return the mean upward axis [3] of the cameras, or the z axis if the upward axes of the cameras cancel out."""
    up = scene.cameras.c2w[:, :, 1].to(torch.float64).mean(0)
    return functional.normalize(up, dim=0) if float(up.norm()) > 1e-6 else up.new_tensor([0.0, 0.0, 1.0])


def _perpendicular(axis: Tensor) -> Tensor:
    """Return a unit vector [3] that is perpendicular to an axis [3]."""
    other = torch.eye(3, dtype=torch.float64)[int(axis.abs().argmin())]
    return functional.normalize(torch.linalg.cross(axis, other), dim=0)
