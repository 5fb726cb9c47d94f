"""Check the quality of a capture: its camera positions, near and far limits, lens, blurred images and duplicates.

The functions return facts, as pairs (name, text), and warnings, as sentences. `radfield data inspect` prints them.
V is the number of views.
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
from radfield_core.names import plural
from radfield_core.ops.distortion import distort, undistort

THUMBNAIL_SIZE = 16
SHARPNESS_WIDTH = 512

MIN_BASELINE_SHARE = 0.02
"""Smallest distance between the outermost cameras, as a share of their distance to the content, to determine depth."""

BLUR_SHARE = 0.2
"""An image counts as blurred if its sharpness is below this share of the median sharpness."""

MIN_SCORES = 5
"""Smallest number of images whose median sharpness is meaningful."""

DUPLICATE_RMS = 1.0
"""Two images count as duplicates if the RMS difference of their thumbnails, in gray values 0 to 255, is smaller."""

MAX_COMPARED = 3000
"""Largest number of views that are compared with each other."""

MAX_SHARE_OUTSIDE_LIMITS = 0.05
MAX_LENS_ERROR = 0.1
"""Largest allowed error, in pixels, after a point at the image border is undistorted and distorted again."""

MAX_LISTED = 5
"""Largest number of views that one warning names."""

Findings = tuple[list[tuple[str, str]], list[str]]


def coverage(scene: Scene) -> Findings:
    """Check the camera positions: distances between cameras, and the range of angles from which they see the focus."""
    c2w = scene.cameras.c2w.detach().double().numpy()
    up = c2w[:, :, 1].mean(0)
    up = up / max(float(np.linalg.norm(up)), 1e-12)
    facts = [("axes", f"right-handed; the cameras' mean up is ({', '.join(f'{value + 0.0:.2f}' for value in up)})")]
    if len(c2w) < 2:
        return facts, []
    centers, focus = c2w[:MAX_COMPARED, :, 3], focus_point(c2w)
    apart = torch.cdist(torch.from_numpy(centers), torch.from_numpy(centers)).numpy()
    across = float(apart.max())
    np.fill_diagonal(apart, np.inf)
    distance = float(np.median(np.linalg.norm(centers - focus, axis=-1)))
    toward = (centers - focus) / np.maximum(np.linalg.norm(centers - focus, axis=-1, keepdims=True), 1e-12)
    angle = math.degrees(math.acos(np.clip((toward @ toward.T).min(), -1.0, 1.0)))
    facts.append(("baseline", f"{np.median(apart.min(0)):.3g} between neighbors, at most {across:.3g} between cameras"))
    facts.append(
        ("coverage", f"the cameras see the focus at a distance of {distance:.3g}, from up to {angle:.0f}° apart")
    )
    # If the cameras only rotate on the spot, the focus is their own position. The content is at least `near` away.
    content = distance if scene.ndc else max(distance, scene.near)
    if across <= MIN_BASELINE_SHARE * content:
        share = 100 * across / max(content, 1e-12)
        return facts, [
            f"the cameras lie within {across:.3g} of each other, which is {share:.1f} % of the distance to the "
            "content: too close to determine depth"
        ]
    return facts, []


def limits_against_points(scene: Scene) -> Findings:
    """Compare the near and far limits with the distances at which the views see the known points."""
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
        return [("points", f"{len(scene.points)}, none visible")], ["no view sees any of the known points"]
    low, high = np.percentile(distances, [1, 99])
    outside = float(np.mean((distances < scene.near) | (distances > scene.far)))
    text = (
        f"{len(scene.points)}; seen at distances of {low:.4g} to {high:.4g}, "
        f"{100 * outside:.1f} % of them outside of near and far"
    )
    if outside <= MAX_SHARE_OUTSIDE_LIMITS:
        return [("points", text)], []
    return [("points", text)], [
        f"{100 * outside:.0f} % of the known points that the views see are nearer than {scene.near:.4g} or farther "
        f"than {scene.far:.4g}; set scene.near={0.9 * low:.3g} scene.far={1.1 * high:.3g} to include them"
    ]


def lens(scene: Scene) -> Findings:
    """Check how far the lens displaces the image border, and whether the lens model is invertible there."""
    cameras = scene.cameras
    if cameras.model == "pinhole" or cameras.distortion is None:
        return [], []
    shift, folded = 0.0, []
    for index in range(len(cameras)):
        camera = cameras.camera(index)
        border = _border(camera.width, camera.height)
        plane = (border - camera.intrinsics[2:]) / camera.intrinsics[:2]
        parameters = torch.tensor(camera.distortion, dtype=torch.float64)
        directions = undistort(camera.model, plane, parameters)
        back = distort(camera.model, directions, parameters)
        straight = distort("fisheye" if "fisheye" in camera.model else "pinhole", directions, torch.zeros(0))
        shift = max(shift, float(((straight - plane) * camera.intrinsics[:2]).norm(dim=-1).nan_to_num(0.0).max()))
        error = float(((back - plane) * camera.intrinsics[:2]).norm(dim=-1).nan_to_num(math.inf).max())
        if error > MAX_LENS_ERROR:
            folded.append((index, error))
    facts = [("distort", f"up to {shift:.1f} px at the border")]
    if not folded:
        return facts, []
    index, error = max(folded, key=lambda each: each[1])
    return facts, [
        f"the lens model of {plural(len(folded), 'view')} is not invertible at the border (error {error:.1f} px in "
        f"{scene.name(index)}): it was fitted to the center of the image only"
    ]


def _border(width: int, height: int) -> Tensor:
    """Points [132, 2] along the four sides of an image, in pixels."""
    x = torch.linspace(0, width, 33, dtype=torch.float64)
    y = torch.linspace(0, height, 33, dtype=torch.float64)
    sides = [torch.stack([x, torch.full_like(x, at)], -1) for at in (0, height)]
    sides += [torch.stack([torch.full_like(y, at), y], -1) for at in (0, width)]
    return torch.cat(sides)


def sharpness(image: np.ndarray) -> float:
    """The sharpness of an image [H, W, C]: the variance of the Laplacian of its gray values. A blurred image has less.

    Images wider than 512 pixels are scaled down first, so that the values of different cameras can be compared.
    """
    gray = _gray(image)
    if gray.width > SHARPNESS_WIDTH:
        gray = gray.resize((SHARPNESS_WIDTH, max(3, round(gray.height * SHARPNESS_WIDTH / gray.width))))
    x = np.asarray(gray, dtype=np.float64)
    if min(x.shape) < 3:
        return 0.0
    laplacian = x[:-2, 1:-1] + x[2:, 1:-1] + x[1:-1, :-2] + x[1:-1, 2:] - 4 * x[1:-1, 1:-1]
    return float(laplacian.var())


def thumbnail(image: np.ndarray) -> np.ndarray:
    """Scale an image [H, W, C] down to 16×16 gray pixels in float64, to recognize duplicates."""
    size = (THUMBNAIL_SIZE, THUMBNAIL_SIZE)
    return np.asarray(_gray(image).resize(size, Image.Resampling.BOX), dtype=np.float64)


def _gray(image: np.ndarray) -> Image.Image:
    if image.shape[-1] == 4:
        image = np.round(image[..., :3] * (image[..., 3:] / 255.0)).astype(np.uint8)
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).convert("L")


def blur(scene: Scene, scores: Sequence[float]) -> Findings:
    """Find views that are much less sharp than the median.

    scores: sharpness of each of the V images, NaN if an image cannot be read.
    """
    values = np.asarray(scores)
    good = values[np.isfinite(values)]
    if not len(good):
        return [], []
    middle = float(np.median(good))
    facts = [("sharp", f"median {middle:.0f}, minimum {good.min():.0f} (variance of the Laplacian)")]
    blurred = sorted((i for i in range(len(values)) if values[i] < BLUR_SHARE * middle), key=lambda i: values[i])
    if len(good) < MIN_SCORES or not blurred:
        return facts, []
    shown = ", ".join(f"{scene.name(i)} ({values[i]:.0f})" for i in blurred[:MAX_LISTED])
    verb = "is" if len(blurred) == 1 else "are"
    return facts, [f"{plural(len(blurred), 'image')} {verb} blurred; the median sharpness is {middle:.0f}: {shown}"]


def duplicates(scene: Scene, thumbnails: Sequence[np.ndarray | None]) -> list[str]:
    """A list with one warning if some images look the same, otherwise empty.

    thumbnails: thumbnails of the V images, None if an image cannot be read.
    """
    known = [(i, small) for i, small in enumerate(thumbnails[:MAX_COMPARED]) if small is not None]
    if len(known) < 2:
        return []
    rows = torch.from_numpy(np.stack([small.ravel() for _, small in known]))
    apart = torch.cdist(rows, rows) / THUMBNAIL_SIZE
    pairs = (apart.triu(1) + torch.full_like(apart, math.inf).tril() < DUPLICATE_RMS).nonzero().tolist()
    if not pairs:
        return []
    named = [(scene.name(known[a][0]), scene.name(known[b][0])) for a, b in pairs[:MAX_LISTED]]
    shown = ", ".join(f"{first} = {second}" for first, second in named)
    verb = "looks" if len(pairs) == 1 else "look"
    return [f"{plural(len(pairs), 'pair')} of images {verb} the same: {shown}"]
