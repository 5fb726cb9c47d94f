"""Check the quality of a capture: camera positions, near and far limits, lens, blurred images and duplicate images.

Most checks return two lists: facts, which are pairs (name, text), and warnings, which are sentences. `radfield data
inspect` prints both. V is the number of views.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageChops
from torch import Tensor

from radfield_core.cameras import project, visible
from radfield_core.data.placement import focus_point
from radfield_core.data.scene import Scene
from radfield_core.names import plural
from radfield_core.ops.distortion import distort, undistort

THUMBNAIL_SIZE = 16
SHARPNESS_WIDTH = 512

MIN_BASELINE_SHARE = 0.02
"""Cameras are too close together to determine depth if none are farther apart than this share of the distance to the
content.
"""

BLUR_SHARE = 0.2
"""An image counts as blurred if its sharpness is below this share of the median sharpness."""

MIN_SCORES = 5
"""With fewer images than this, the median sharpness is not reliable, so no image counts as blurred."""

DUPLICATE_RMS = 1.0
"""Two images count as duplicates if the RMS difference between their thumbnails is below this gray value (0 to 255)."""

MAX_COMPARED = 3000
"""Largest number of views, from the first on, that are compared with each other."""

MIN_MEAN_UP = 0.1
"""If the mean of the cameras' up vectors is shorter than this, the cameras have no common upward direction."""

MAX_HEIGHT = 80.0
"""A camera that is at least this angle, in degrees, above or below a point sees the point from no particular side."""

MAX_GAP_AROUND = 60.0
"""If no gap between neighboring cameras is larger than this angle, in degrees, the cameras surround the point."""

MAX_SHARE_OUTSIDE_LIMITS = 0.05
MAX_SHARE_OFF_CENTER = 0.25
"""A principal point is reported if its distance from the image center is more than this share of the width or
height."""

MAX_PIXEL_ASPECT = 1.2
"""A view is reported if the ratio of its two focal lengths is larger than this."""

MAX_LENS_ERROR = 0.1
"""The lens check undistorts and distorts points at the image border. This is the largest allowed error in pixels."""

MAX_LISTED = 5
"""A warning lists at most this many views by name."""

Findings = tuple[list[tuple[str, str]], list[str]]


def coverage(scene: Scene) -> Findings:
    """Check the camera positions: the distances between cameras, and the angles from which they see the focus.

    The focus is the point nearest to all optical axes.
    """
    c2w = scene.cameras.c2w.detach().double().numpy()
    up = c2w[:, :, 1].mean(0)
    length = float(np.linalg.norm(up))
    up = up / length if length > MIN_MEAN_UP else np.zeros(3)
    facts = [("axes", f"right-handed; the cameras' mean up is ({', '.join(f'{value + 0.0:.2f}' for value in up)})")]
    if len(c2w) < 2:
        return facts, []
    centers, focus = c2w[:MAX_COMPARED, :, 3], focus_point(c2w, scene.cameras.panoramic)
    apart = torch.cdist(torch.from_numpy(centers), torch.from_numpy(centers)).numpy()
    across = float(apart.max())
    np.fill_diagonal(apart, np.inf)
    distance = float(np.median(np.linalg.norm(centers - focus, axis=-1)))
    facts.append(("baseline", f"{np.median(apart.min(0)):.3g} between neighbors, at most {across:.3g} between cameras"))
    around = _around(centers - focus, up)
    if not scene.cameras.panoramic:
        facts.append(("coverage", f"the cameras see the focus at a distance of {distance:.3g}, {around}"))
    # If all cameras are at the same position, the focus is that position too. The content is then at least `near` away.
    content = distance if scene.ndc else max(distance, scene.near)
    if across <= MIN_BASELINE_SHARE * content:
        share = 100 * across / max(content, 1e-12)
        return facts, [
            f"the cameras lie within {across:.3g} of each other, which is {share:.1f} % of the distance to the "
            "content: too close to determine depth"
        ]
    return facts, []


def _around(offsets: np.ndarray, up: np.ndarray) -> str:
    """Describe from which sides cameras see a point.

    Args:
        offsets: [V, 3], from the point to each camera.
        up: [3], the cameras' mean up, a unit vector or zero.
    """
    toward = offsets / np.maximum(np.linalg.norm(offsets, axis=-1, keepdims=True), 1e-12)
    if not up.any():
        up = np.linalg.svd(toward)[2][-1]  # the normal of the plane in which the cameras nearly lie
    height = np.degrees(np.arcsin(np.clip(toward @ up, -1.0, 1.0)))
    first = np.linalg.svd(up[None])[2][1]  # any direction perpendicular to up
    angles = np.degrees(np.arctan2(toward @ np.cross(up, first), toward @ first))[np.abs(height) < MAX_HEIGHT]
    gap = 360.0 if len(angles) < 2 else float(np.diff(np.sort(angles), append=angles.min() + 360.0).max())
    heights = f"{height.min():.0f}° to {height.max():.0f}° above its level"
    if gap <= MAX_GAP_AROUND:
        return f"from 360° around, with gaps of at most {gap:.0f}°, and from {heights}"
    return f"from {360.0 - gap:.0f}° of 360° around, and from {heights}"


def limits_against_points(scene: Scene) -> Findings:
    """Check whether the known points that each camera sees lie between the near and far limits."""
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


def intrinsics(scene: Scene) -> Findings:
    """Check that the principal points are near the image centers, and that the pixels are about square.

    If they are not, the intrinsics may belong to images of another size. If the data states no size, this is the only
    sign of it.
    """
    cameras = scene.cameras
    sizes = cameras.sizes.double()
    principal = cameras.intrinsics[:, 2:] + 0.5 - cameras.pixel_center
    off = ((principal / sizes) - 0.5).abs().amax(-1)
    focal = cameras.intrinsics[:, :2]
    aspect = torch.maximum(focal[:, 0] / focal[:, 1], focal[:, 1] / focal[:, 0])
    found = []
    if float(off.max()) > MAX_SHARE_OFF_CENTER:
        view = int(off.argmax())
        (cx, cy), (width, height) = principal[view].tolist(), cameras.sizes[view].tolist()
        found.append(
            f"the principal point of {plural(int((off > MAX_SHARE_OFF_CENTER).sum()), 'view')} is far from the middle "
            f"of the image: ({cx:.4g}, {cy:.4g}) in {scene.name(view)}, which is {width}×{height}; the intrinsics may "
            f"be those of images of about {2 * cx:.0f}×{2 * cy:.0f}"
        )
    if float(aspect.max()) > MAX_PIXEL_ASPECT:
        view = int(aspect.argmax())
        fx, fy = focal[view].tolist()
        found.append(
            f"the pixels of {plural(int((aspect > MAX_PIXEL_ASPECT).sum()), 'view')} are not square: the focal lengths "
            f"of {scene.name(view)} are {fx:.4g} and {fy:.4g} pixels" + (" per radian" if cameras.panoramic else "")
        )
    return [], found


def lens(scene: Scene) -> Findings:
    """Check two properties of the lens at the image border: by how many pixels it shifts points, and whether it is
    invertible."""
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
    """Return points [132, 2] along the four sides of an image, in pixels."""
    x = torch.linspace(0, width, 33, dtype=torch.float64)
    y = torch.linspace(0, height, 33, dtype=torch.float64)
    sides = [torch.stack([x, torch.full_like(x, at)], -1) for at in (0, height)]
    sides += [torch.stack([torch.full_like(y, at), y], -1) for at in (0, width)]
    return torch.cat(sides)


def gray(image: np.ndarray) -> np.ndarray:
    """Return the gray values [H, W] uint8 of an image [H, W, C]. Transparent pixels are black.

    An image that is wider than 512 pixels is scaled down, so that values of different cameras can be compared.
    """
    channels = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    found = channels.convert("L")
    if image.shape[-1] == 4:
        found = ImageChops.multiply(found, channels.getchannel("A"))
    if found.width > SHARPNESS_WIDTH:
        height = max(3, round(found.height * SHARPNESS_WIDTH / found.width))
        found = found.resize((SHARPNESS_WIDTH, height), reducing_gap=3.0)
    return np.asarray(found)


def sharpness(gray: np.ndarray) -> float:
    """Return the sharpness of gray values [H, W]. The blurrier the image, the smaller the value.

    The sharpness is the variance of the Laplacian of the gray values.
    """
    x = gray.astype(np.float32)
    if min(x.shape) < 3:
        return 0.0
    laplacian = x[:-2, 1:-1] + x[2:, 1:-1] + x[1:-1, :-2] + x[1:-1, 2:] - 4 * x[1:-1, 1:-1]
    return float(laplacian.var(dtype=np.float64))


def thumbnail(gray: np.ndarray) -> np.ndarray:
    """Return gray values [H, W] scaled down to 16×16 pixels in float64.

    Thumbnails are compared to find duplicate images.
    """
    size = (THUMBNAIL_SIZE, THUMBNAIL_SIZE)
    return np.asarray(Image.fromarray(gray).resize(size, Image.Resampling.BOX), dtype=np.float64)


def blur(scene: Scene, scores: Sequence[float]) -> Findings:
    """Find views whose sharpness is far below the median sharpness of all views.

    scores: V values of `sharpness`, one per image. The value is NaN if the image cannot be read.
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
    """Return a list with one warning if some images look the same. Otherwise, return an empty list.

    thumbnails: V thumbnails, one per image. An entry is None if the image cannot be read.
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
