"""Check that the cameras look at their scene. Wrong axes are the most common fault of poses, and prevent training.

The optical axes of a capture about an object, or of one that faces a scene, nearly meet in a point. The cameras must
look at this point. If known points are available, the cameras must see them. If this is not so,
but would be so under another meaning of the stored matrices, a warning names that meaning. V is the number of views.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from radfield_core.config.pose_options import AXES, PoseOptions, rolled, turned
from radfield_core.data.pairing import listed
from radfield_core.data.poses import as_stored, to_opengl
from radfield_core.data.scene import Scene
from radfield_core.data.similarity import Array, transform_cameras, transform_points
from radfield_core.names import plural

NAMES = {"R": "right", "L": "left", "U": "up", "D": "down", "F": "forward", "B": "back"}

MIN_VIEWS = 3
"""Smallest number of views to check. The optical axes of fewer views always nearly meet in a point."""

MAX_MISS = 0.3
"""The axes meet if their median distance from the point is at most this share of the median distance along them."""

MIN_CERTAINTY = 5.0
"""The point is used only if its distance from the cameras is more than its standard error times this factor."""

MIN_SHARE_AHEAD = 0.9
"""The cameras look at the point if it is in front of at least this share of them."""

MUCH_BETTER = 5.0
"""If the axes meet, but miss the point by this factor less under another meaning of the poses, that one is right."""

MIN_MISS = 0.02
"""If the axes miss the point by at most this share of the distance, no other meaning is proposed."""

MIN_SHARE_SEEN = 0.01
"""If the cameras see less than this share of the known points on average, the points cannot decide the meaning."""

MORE = 1.5
"""If the cameras would see this many times as many known points with inverse poses, the points do not decide."""

MUCH_MORE = 3.0
"""If the cameras would see this many times as many known points under another meaning, the other meaning is right."""

MIN_MEAN_UP = 0.3
"""The cameras are upside down if the mean of their up axes (unit vectors) points down by more than this length."""

MAX_CAMERAS, MAX_POINTS = 64, 1000
"""At most this many cameras and known points are compared."""


class Meeting(NamedTuple):
    """The point nearest to all optical axes.

    Attributes:
        ahead: [V], distance to the point along each axis, which is negative if the point is behind the camera.
        miss: median distance of the axes from the point, as a share of the median distance along them.
        certain: True if the axes are different enough to determine the point.
    """

    ahead: Array
    miss: float
    certain: bool

    @property
    def meets(self) -> bool:
        """True if the axes nearly meet."""
        return self.certain and self.miss <= MAX_MISS

    @property
    def looked_at(self) -> bool:
        """True if the axes nearly meet in front of the cameras."""
        return self.meets and float((self.ahead > 0).mean()) >= MIN_SHARE_AHEAD


class Meaning(NamedTuple):
    """A meaning of the stored matrices: the axes as three letters, and whether they are world-to-camera matrices."""

    axes: str
    world_to_camera: bool


class Advice(NamedTuple):
    """Makes the end of a warning: what the poses may mean, and the options to set.

    Attributes:
        now: the meaning that the dataparser gives to the poses.
        has_options: True if the dataparser has options for the meaning of its poses.
    """

    now: Meaning
    has_options: bool

    def __call__(self, *likely: Meaning) -> str:
        """Return text that names the likely meanings of the poses, and the options to set."""
        if not self.has_options:
            return f"the poses look as if {' or '.join(map(self._exchanged, likely))} were exchanged"
        causes, options = map(self._cause, likely), map(self._options, likely)
        return f"the poses may {' or '.join(causes)}; set {' or '.join(options)}"

    def _exchanged(self, meaning: Meaning) -> str:
        exchanged = "OpenGL and OpenCV axes" if meaning.axes == turned(self.now.axes) else "opposite axes"
        both = [exchanged] * (meaning.axes != self.now.axes)
        both += ["camera-to-world and world-to-camera"] * (meaning.world_to_camera != self.now.world_to_camera)
        return ", and ".join(both)

    def _cause(self, meaning: Meaning) -> str:
        names = {"RUB": "OpenGL axes", "RDF": "OpenCV axes"}
        axes = names.get(meaning.axes, f"the axes {', '.join(NAMES[letter] for letter in meaning.axes)}")
        if meaning.world_to_camera == self.now.world_to_camera:
            return f"have {axes}"
        kind = "world-to-camera" if meaning.world_to_camera else "camera-to-world"
        return f"be {kind} matrices" + ("" if meaning.axes == self.now.axes else f" with {axes}")

    def _options(self, meaning: Meaning) -> str:
        changed = []
        if meaning.axes != self.now.axes:
            changed.append(f"data.axes={next((n for n, axes in AXES.items() if axes == meaning.axes), meaning.axes)}")
        if meaning.world_to_camera != self.now.world_to_camera:
            changed.append(f"data.world_to_camera={str(meaning.world_to_camera).lower()}")
        return " ".join(changed)


def viewing_axes(scene: Scene, options: Any = None) -> list[str]:
    """Return warnings about cameras that do not look at the scene, with the likely cause and the options to set.

    Args:
        scene: the scene of a split.
        options: the options of its dataparser. If they do not include `PoseOptions`, no options are proposed.
    """
    to_data = scene.to_data.detach().double().cpu().numpy()
    c2w = transform_cameras(to_data, scene.cameras.c2w.detach().double().cpu().numpy())
    if len(c2w) < MIN_VIEWS or scene.cameras.panoramic:  # a panorama sees everything, whatever its pose means
        return []
    now = meaning_of(options)
    matrices = as_stored(c2w, *now)
    others: dict[Meaning, Array] = {}
    for meaning in (
        Meaning(turned(now.axes), now.world_to_camera),
        Meaning(now.axes, not now.world_to_camera),
        Meaning(turned(now.axes), not now.world_to_camera),
    ):
        if upside_down(scene, to_opengl(matrices, *meaning)):
            meaning = Meaning(rolled(meaning.axes), meaning.world_to_camera)
        others[meaning] = to_opengl(matrices, *meaning)
    advice = Advice(now, isinstance(options, PoseOptions))
    found = _directions(scene, c2w, others, to_data, advice)
    if not found and upside_down(scene, c2w):
        down = advice(Meaning(rolled(now.axes), now.world_to_camera))
        return [f"the cameras stand upside down, because {scene.up} is up in this format: {down}"]
    return found


def meaning_of(options: Any) -> Meaning:
    """Return the meaning that a dataparser gives to its poses.

    A format without pose options may state its own meaning, in the class attributes own_axes and own_world_to_camera of
    its options. Otherwise, it counts as a format of camera-to-world matrices with OpenGL axes.
    """
    if isinstance(options, PoseOptions):
        return Meaning(options.stored_axes(), options.world_to_camera)
    return Meaning(getattr(options, "own_axes", "RUB"), getattr(options, "own_world_to_camera", False))


def upside_down(scene: Scene, c2w: Array) -> bool:
    """Return True if the scene's upward axis is known, and the up axes of most cameras point the other way."""
    if scene.up is None:
        return False
    up = np.eye(3)["xyz".index(scene.up[-1])] * (-1.0 if scene.up.startswith("-") else 1.0)
    return float(c2w[:, :, 1].mean(0) @ up) < -MIN_MEAN_UP


def _directions(scene: Scene, c2w: Array, others: dict[Meaning, Array], to_data: Array, advice: Advice) -> list[str]:
    """Return warnings about cameras that look away from the known points or from the point in which their axes meet."""
    if scene.points is not None and len(scene.points):
        points = transform_points(to_data, scene.points.detach().double().cpu().numpy())
        found = _by_points(scene, points, c2w, others, advice)
        if found is not None:
            return found
    return _by_meeting(scene, c2w, others, advice)


def _by_points(
    scene: Scene, points: Array, c2w: Array, others: dict[Meaning, Array], advice: Advice
) -> list[str] | None:
    """Return warnings if the cameras see too few of the known points, or None if the points cannot decide."""
    seen = seen_share(scene, points, c2w)
    best = max(others, key=lambda meaning: seen_share(scene, points, others[meaning]))
    most = seen_share(scene, points, others[best])
    if most >= max(MIN_SHARE_SEEN, MUCH_MORE * seen):
        return [
            f"the cameras see {100 * seen:.2g} % of the known points, and would see {100 * most:.2g} % if the poses "
            f"had another meaning: {advice(best)}"
        ]
    # Inverse poses keep some of the points in view. Cameras that look away from an object do not, but those that look
    # outward may see points on all sides.
    unsure = best.world_to_camera != advice.now.world_to_camera and most >= MORE * seen
    return None if seen < MIN_SHARE_SEEN or unsure else []


def seen_share(scene: Scene, points: Array, c2w: Array) -> float:
    """Return the mean share of the points [P, 3] that lie inside the view of a camera. Lens distortion is ignored."""
    chosen = np.unique(np.linspace(0, len(c2w) - 1, MAX_CAMERAS).astype(int))
    points = points[:: max(1, len(points) // MAX_POINTS)]
    local = np.einsum("vpi,vij->vpj", points[None] - c2w[chosen, None, :, 3], c2w[chosen, :, :3])
    intrinsics = scene.cameras.intrinsics.numpy()[chosen, None]
    sizes = scene.cameras.sizes.numpy()[chosen, None]
    depth = -local[..., 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        pixels = np.stack([local[..., 0], -local[..., 1]], -1) / depth[..., None] * intrinsics[..., :2]
        inside = (depth > 0) & ((pixels + intrinsics[..., 2:] >= 0) & (pixels + intrinsics[..., 2:] < sizes)).all(-1)
    return float(inside.mean())


def _by_meeting(scene: Scene, c2w: Array, others: dict[Meaning, Array], advice: Advice) -> list[str]:
    """Return warnings if the cameras look away from the point in which their axes meet."""
    own = meeting(c2w)
    found = {meaning: meeting(poses) for meaning, poses in others.items()}
    good = {meaning: point.miss for meaning, point in found.items() if point is not None and point.looked_at}
    best = min(good, key=good.__getitem__, default=None)
    if own is not None and own.looked_at:
        if best is not None and own.miss > MIN_MISS and good[best] < own.miss / MUCH_BETTER:
            return [f"the axes of the cameras do not quite meet: {advice(best)}"]
    elif best is not None:
        # In front of a flat scene several meanings fit equally well. The first of them is the most common one.
        likely = [meaning for meaning in good if good[meaning] <= 1.5 * good[best] + 1e-6]
        away = "" if own is None or not own.meets else ", but they look away from it"
        return [
            f"the axes of the cameras {'meet in a point' + away if away else 'do not meet in a point'}: "
            f"{advice(*likely)}; ignore this if the cameras look outward on purpose"
        ]
    if own is None or not own.meets:
        return []
    away_views = [scene.name(int(i)) for i in np.flatnonzero(own.ahead < 0)]
    if not away_views:
        return []
    look = "looks" if len(away_views) == 1 else "look"
    views = plural(len(away_views), "view")
    return [f"{views} of {len(c2w)} {look} away from the point in which the axes meet: {listed(away_views)}"]


def meeting(c2w: Array) -> Meeting | None:
    """Return the point nearest to all optical axes of cameras [V, 3, 4], or None if the axes are parallel."""
    axes, centers = -c2w[:, :, 2], c2w[:, :, 3]
    across = np.eye(3) - axes[:, :, None] * axes[:, None, :]
    matrix = across.mean(0)
    least = float(np.linalg.eigvalsh(matrix)[0])
    if not np.isfinite(c2w).all() or least < 1e-8:
        return None
    offset = np.linalg.solve(matrix, (across @ centers[..., None]).mean(0)[:, 0]) - centers
    ahead = (offset * axes).sum(-1)
    missed = np.linalg.norm(offset - ahead[:, None] * axes, axis=-1)
    distance = float(np.median(np.abs(ahead)))
    error = float(np.sqrt(np.square(missed).mean() / (len(c2w) * least)))
    return Meeting(ahead, float(np.median(missed)) / max(distance, 1e-300), distance > MIN_CERTAINTY * error)
