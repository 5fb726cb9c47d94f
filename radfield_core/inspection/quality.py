"""How good a capture is: how far apart the cameras stand, what the lens does, how sharp the photographs are.

V views. Facts are (name, text) pairs and warnings are sentences, as `radfield data inspect` shows them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from radfield_core.cameras import project, visible
from radfield_core.data.placement import focus_point
from radfield_core.data.scene import Scene
from radfield_core.ops.distortion import distort, undistort

_THUMB = 16
_SHARPNESS_WIDTH = 512
_HARDLY_MOVES = 0.02
_BLURRED = 0.2
_SAME_RMS = 1.0
_MOST_COMPARED = 3000
_OUTSIDE = 0.05
_FOLDS = 0.1

Findings = tuple[list[tuple[str, str]], list[str]]


def coverage(scene: Scene) -> Findings:
    """Distances between neighboring cameras, their spread, and the angles from which the focus is seen."""
    c2w = scene.cameras.c2w.detach().double().numpy()
    up = c2w[:, :, 1].mean(0)
    up = up / max(float(np.linalg.norm(up)), 1e-12)
    facts = [("axes", f"right-handed; the cameras' mean up is ({', '.join(f'{value + 0.0:.2f}' for value in up)})")]
    if len(c2w) < 2:
        return facts, []
    places, focus = c2w[:_MOST_COMPARED, :, 3], focus_point(c2w)
    apart = torch.cdist(torch.from_numpy(places), torch.from_numpy(places)).numpy()
    across = float(apart.max())
    np.fill_diagonal(apart, np.inf)
    distance = float(np.median(np.linalg.norm(places - focus, axis=-1)))
    toward = (places - focus) / np.maximum(np.linalg.norm(places - focus, axis=-1, keepdims=True), 1e-12)
    angle = math.degrees(math.acos(np.clip((toward @ toward.T).min(), -1.0, 1.0)))
    facts.append(("baseline", f"{np.median(apart.min(0)):.3g} between neighbors, {across:.3g} across"))
    facts.append(("coverage", f"what is looked at, {distance:.3g} away, is seen from {angle:.0f}° round"))
    content = distance if scene.ndc else max(distance, scene.near)  # cameras that turn on the spot look at themselves
    if across <= _HARDLY_MOVES * content:
        share = 100 * across / max(content, 1e-12)
        return facts, [
            f"the cameras lie within {across:.3g}, {share:.1f} % of the distance to what they see: "
            "hardly enough to tell depth"
        ]
    return facts, []


def limits_against_points(scene: Scene) -> Findings:
    """Depths of the known points that each view sees, against near and far."""
    if scene.points is None or not len(scene.points) or scene.ndc:
        return [], []
    seen = []
    for index in range(len(scene.cameras)):
        view = scene.cameras.view(index)
        points = scene.points[visible(view, scene.points)]
        if scene.limits_along == "ray":
            seen.append((points.double() - view.c2w[:, 3].double()).norm(dim=-1))
        else:
            seen.append(project(view, points)[1])
    distances = torch.cat(seen).numpy()
    if not len(distances):
        return [("points", f"{len(scene.points)}, none of them before a camera")], ["no view sees any of the points"]
    low, high = np.percentile(distances, [1, 99])
    outside = float(np.mean((distances < scene.near) | (distances > scene.far)))
    facts = [("points", f"{len(scene.points)}; seen {low:.4g} to {high:.4g} away, {100 * outside:.1f} % out of limits")]
    if outside <= _OUTSIDE:
        return facts, []
    return facts, [
        f"{100 * outside:.0f} % of what the views see of the points is nearer than {scene.near:.4g} or farther than "
        f"{scene.far:.4g}; scene.near={0.9 * low:.3g} scene.far={1.1 * high:.3g} would hold them"
    ]


def lens(scene: Scene) -> Findings:
    """How far the lens moves the picture's border, and where it is not one-to-one."""
    cameras = scene.cameras
    if cameras.model == "pinhole" or cameras.distortion is None:
        return [], []
    moved, folded = 0.0, []
    for index in range(len(cameras)):
        camera = cameras.camera(index)
        border = _border(camera.width, camera.height)
        plane = (border - camera.intrinsics[2:]) / camera.intrinsics[:2]
        parameters = torch.tensor(camera.distortion, dtype=torch.float64)
        directions = undistort(camera.model, plane, parameters)
        back = distort(camera.model, directions, parameters)
        straight = distort("fisheye" if "fisheye" in camera.model else "pinhole", directions, torch.zeros(0))
        moved = max(moved, float(((straight - plane) * camera.intrinsics[:2]).norm(dim=-1).nan_to_num(0.0).max()))
        error = float(((back - plane) * camera.intrinsics[:2]).norm(dim=-1).nan_to_num(math.inf).max())
        if error > _FOLDS:
            folded.append((index, error))
    facts = [("distort", f"by up to {moved:.1f} px at the border")]
    if not folded:
        return facts, []
    index, error = max(folded, key=lambda each: each[1])
    return facts, [
        f"the lens of {len(folded)} views does not reach the whole picture (off by {error:.1f} px in "
        f"{scene.name(index)}): its distortion was fitted to the middle only"
    ]


def _border(width: int, height: int) -> Tensor:
    x = torch.linspace(0, width, 33, dtype=torch.float64)
    y = torch.linspace(0, height, 33, dtype=torch.float64)
    sides = [torch.stack([x, torch.full_like(x, at)], -1) for at in (0, height)]
    sides += [torch.stack([torch.full_like(y, at), y], -1) for at in (0, width)]
    return torch.cat(sides)


def sharpness(image: np.ndarray) -> float:
    """Variance of the Laplacian of the gray image [H, W, C], at most 512 pixels wide; small where it is blurred."""
    gray = _gray(image)
    if gray.width > _SHARPNESS_WIDTH:
        gray = gray.resize((_SHARPNESS_WIDTH, max(3, round(gray.height * _SHARPNESS_WIDTH / gray.width))))
    x = np.asarray(gray, dtype=np.float64)
    if min(x.shape) < 3:
        return 0.0
    laplacian = x[:-2, 1:-1] + x[2:, 1:-1] + x[1:-1, :-2] + x[1:-1, 2:] - 4 * x[1:-1, 1:-1]
    return float(laplacian.var())


def thumbnail(image: np.ndarray) -> np.ndarray:
    """The gray image [H, W, C] shrunk to 16×16, float64: what duplicates are recognized by."""
    return np.asarray(_gray(image).resize((_THUMB, _THUMB), Image.Resampling.BOX), dtype=np.float64)


def _gray(image: np.ndarray) -> Image.Image:
    if image.shape[-1] == 4:
        image = np.round(image[..., :3] * (image[..., 3:] / 255.0)).astype(np.uint8)
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).convert("L")


def blur(scene: Scene, scores: Sequence[float]) -> Findings:
    """Views much less sharp than most; scores [V], NaN for an image that could not be read."""
    values = np.asarray(scores)
    good = values[np.isfinite(values)]
    if not len(good):
        return [], []
    middle = float(np.median(good))
    facts = [("sharp", f"{middle:.0f} in the middle, {good.min():.0f} at least (variance of the Laplacian)")]
    dull = [i for i in range(len(values)) if values[i] < _BLURRED * middle]
    if len(good) < 5 or not dull:
        return facts, []
    shown = ", ".join(f"{scene.name(i)} ({values[i]:.0f})" for i in sorted(dull, key=lambda i: values[i])[:5])
    return facts, [f"{len(dull)} images are blurred beside the others ({middle:.0f}): {shown}"]


def duplicates(scene: Scene, thumbnails: Sequence[np.ndarray | None]) -> list[str]:
    """A warning if images look the same; thumbnails [V], None for an image that could not be read."""
    known = [i for i, each in enumerate(thumbnails[:_MOST_COMPARED]) if each is not None]
    if len(known) < 2:
        return []
    rows = torch.from_numpy(np.stack([thumbnails[i].ravel() for i in known]))  # type: ignore[union-attr]
    apart = torch.cdist(rows, rows) / _THUMB
    pairs = (apart.triu(1) + torch.full_like(apart, math.inf).tril() < _SAME_RMS).nonzero().tolist()
    if not pairs:
        return []
    shown = ", ".join(f"{scene.name(known[i])} = {scene.name(known[j])}" for i, j in pairs[:5])
    return [f"{len(pairs)} pairs of images look the same: {shown}"]
