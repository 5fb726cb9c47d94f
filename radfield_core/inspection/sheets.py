"""Draw pictures of a data set: a 3D view of its camera frustums, and a contact sheet (a table of thumbnails)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from radfield_core.cameras import corner_directions
from radfield_core.data.scene import Scene
from radfield_core.errors import DatasetError
from radfield_core.files.pictures import write_picture
from radfield_core.names import plural

FRUSTUM_SHARE = 0.1
"""Length of a drawn frustum, as a share of the median distance from the cameras to the region's center."""

MAX_POINTS_DRAWN = 4000
MAX_NAME_LENGTH = 26

_COLORS = {"train": "#2a6f97", "val": "#e09f3e", "test": "#9e2a2b"}
_OTHER_COLOR = "#555555"
_THUMB, _LABEL, _HEADING, _COLUMNS = 160, 16, 24, 6  # three sizes in pixels, and the number of images per row


def frustum_picture(scenes: Mapping[str, Scene], path: Path) -> None:
    """Draw all cameras in 3D and write the picture as PNG.

    Each split has its own color. The picture also shows the region and the known points of the first scene.

    Args:
        scenes: split -> scene.
        path: the PNG file to write.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from mpl_toolkits.mplot3d.art3d import Line3DCollection

    first = next(iter(scenes.values()))
    centers = np.concatenate([scene.cameras.c2w[:, :, 3].detach().double().numpy() for scene in scenes.values()])
    spread = float(np.median(np.linalg.norm(centers - first.box.center.double().numpy(), axis=-1)))
    length = FRUSTUM_SHARE * max(spread, first.box.radius)
    figure = Figure(figsize=(9, 9), dpi=110)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(projection="3d")
    for splits, scene in _distinct(scenes):
        lines = np.concatenate([_frustum(scene, i, length) for i in range(len(scene.cameras))])
        color = _COLORS.get(splits[0], _OTHER_COLOR)
        axes.add_collection3d(Line3DCollection(lines, colors=color, linewidths=0.7))
        axes.plot([], [], [], color=color, label=f"{' and '.join(splits)} ({len(scene.cameras)})")
    axes.add_collection3d(Line3DCollection(_region(first), colors="#777777", linewidths=0.8, linestyles="dashed"))
    if len(points := _known_points(first)):
        axes.scatter(*points.T, s=1.0, c="#444444", alpha=0.4, linewidths=0)
    _set_limits(axes, np.concatenate([centers, _region(first).reshape(-1, 3)]), margin=length)
    axes.legend(loc="upper left", frameon=False)
    figure.subplots_adjust(0, 0, 1, 1)
    figure.savefig(path)


def _known_points(scene: Scene) -> np.ndarray:
    """Return some known points [P, 3] of the surface, or some vertices of the true mesh if no points are known.

    If the scene has neither, return no points.
    """
    known = scene.points
    if known is None and scene.ground_truth is not None:
        known = scene.ground_truth.vertices
    if known is None:
        return np.zeros((0, 3))
    return known[:: max(1, len(known) // MAX_POINTS_DRAWN)].detach().double().numpy()


def _set_limits(axes: Any, points: np.ndarray, margin: float) -> None:
    """Make the plot show a cube around the points [M, 3], with the same scale along all three axes.

    The cube is larger than the points by `margin` on each side.
    """
    low, high = points.min(0), points.max(0)
    middle, half = (low + high) / 2, (high - low).max() / 2 + margin
    sides = {f"{name}lim": (x - half, x + half) for name, x in zip("xyz", middle, strict=True)}
    axes.set(**sides, xlabel="x", ylabel="y", zlabel="z")
    axes.set_box_aspect((1, 1, 1), zoom=0.92)  # this zoom leaves room for the axis labels
    axes.view_init(elev=28, azim=-55)


def _distinct(scenes: Mapping[str, Scene]) -> list[tuple[list[str], Scene]]:
    """Return the distinct scenes, each with the names of its splits.

    If the views of two splits have the same names and poses, the two splits count as one scene.
    """
    found: list[tuple[list[str], Scene]] = []
    for split, scene in scenes.items():
        names = [scene.name(i) for i in range(len(scene.cameras))]
        for splits, other in found:
            same_names = names == [other.name(i) for i in range(len(other.cameras))]
            if same_names and scene.cameras.c2w.equal(other.cameras.c2w):
                splits.append(split)
                break
        else:
            found.append(([split], scene))
    return found


def _frustum(scene: Scene, view: int, length: float) -> np.ndarray:
    """Return the 8 edges [8, 2, 3] of a pyramid from the camera center toward the four corners of the image.

    The corners of a panorama are its poles. For it, the edges go forward, to the right, backward and to the left.
    """
    c2w = scene.cameras.c2w[view].detach().double().numpy()
    center = c2w[:, 3]
    if scene.cameras.panoramic:
        corners = np.stack([-c2w[:, 2], c2w[:, 0], c2w[:, 2], -c2w[:, 0]])
    else:
        corners = corner_directions(scene.cameras.view(view)).numpy()
    tips = center + length * corners / np.linalg.norm(corners, axis=-1, keepdims=True)
    sides = np.stack([np.broadcast_to(center, tips.shape), tips], 1)
    return np.concatenate([sides, np.stack([tips, np.roll(tips, -1, 0)], 1)])


def _region(scene: Scene) -> np.ndarray:
    """Return line segments [E, 2, 3] that outline the region: the edges of a cube, or three circles on a sphere."""
    center, radius = scene.box.center.double().numpy(), scene.box.radius
    if scene.box.shape == "sphere":
        turn = np.linspace(0, 2 * np.pi, 49)
        flat = np.stack([np.cos(turn), np.sin(turn), np.zeros_like(turn)], -1)
        circles = [np.roll(flat, shift, -1) for shift in range(3)]
        lines = np.concatenate([np.stack([circle[:-1], circle[1:]], 1) for circle in circles])
    else:
        corners = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=float)
        pairs = [(a, b) for a in range(8) for b in range(a) if np.abs(corners[a] - corners[b]).sum() == 2]
        lines = np.array([(corners[a], corners[b]) for a, b in pairs])
    return center + radius * lines


def contact_sheet(scenes: Mapping[str, Scene], path: Path, per_split: int = 12) -> None:
    """Write a PNG with thumbnails of some images from each split. Each thumbnail is labeled with the view's name.

    Transparent pixels are shown on a checkerboard.

    Args:
        scenes: split -> scene.
        path: the PNG file to write.
        per_split: largest number of images shown from each split.
    """
    sections = [_section(splits, scene, per_split) for splits, scene in _distinct(scenes)]
    sheet = Image.new("RGB", (_COLUMNS * _THUMB, sum(section.height for section in sections)), "white")
    top = 0
    for section in sections:
        sheet.paste(section, (0, top))
        top += section.height
    write_picture(path, np.asarray(sheet))


def _section(splits: list[str], scene: Scene, most: int) -> Image.Image:
    """Draw the part of the contact sheet that shows one scene, which may belong to several splits.

    A heading states the splits and the number of images. Below it are up to `most` evenly spread images.
    """
    n = len(scene.images)
    chosen = sorted({round(k * (n - 1) / max(1, min(most, n) - 1)) for k in range(min(most, n))})
    rows = -(-len(chosen) // _COLUMNS)
    section = Image.new("RGB", (_COLUMNS * _THUMB, _HEADING + rows * (_THUMB + _LABEL)), "white")
    draw = ImageDraw.Draw(section)
    shown = "" if len(chosen) == n else f", {len(chosen)} shown"
    draw.rectangle((4, 5, 14, 15), fill=_COLORS.get(splits[0], _OTHER_COLOR))
    draw.text((20, 4), f"{' and '.join(splits)}: {plural(n, 'image')}{shown}", fill="#111111")
    for k, i in enumerate(chosen):
        try:
            name, pixels = scene.name(i), scene.images[i].numpy()
        except DatasetError:
            name, pixels = f"{scene.name(i)}: unreadable", np.zeros((8, 8, 3), np.uint8)
        x, y = k % _COLUMNS * _THUMB, _HEADING + k // _COLUMNS * (_THUMB + _LABEL)
        small = _thumbnail(pixels)
        section.paste(small, (x + (_THUMB - small.width) // 2, y + (_THUMB - small.height) // 2))
        draw.text((x + 4, y + _THUMB + 1), name[-MAX_NAME_LENGTH:].encode("ascii", "replace").decode(), fill="#333333")
    return section


def _thumbnail(pixels: np.ndarray) -> Image.Image:
    """Return a small RGB copy of an image [H, W, C] uint8. Transparent pixels are shown on a checkerboard."""
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    size = _THUMB - 6
    if pixels.shape[-1] == 4:
        image.thumbnail((size, size))
        squares = np.indices((image.height, image.width)) // 8
        checkers = np.where(squares.sum(0) % 2, 235, 205)
        back = Image.fromarray(checkers.astype(np.uint8)).convert("RGBA")
        return Image.alpha_composite(back, image).convert("RGB")
    image = image.convert("RGB")
    image.thumbnail((size, size))
    return image
