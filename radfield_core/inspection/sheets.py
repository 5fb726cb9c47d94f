"""Pictures of a data set: the cameras' frustums in space, and small copies of some of its images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from radfield_core.cameras import corner_directions
from radfield_core.data.scene import Scene
from radfield_core.errors import DatasetError
from radfield_core.files.pictures import write_picture

_COLORS = {"train": "#2a6f97", "val": "#e09f3e", "test": "#9e2a2b"}
_THUMB, _LABEL, _HEADING, _COLUMNS = 160, 16, 24, 6


def frustum_picture(scenes: Mapping[str, Scene], path: Path) -> None:
    """A PNG of all cameras in scene coordinates, colored by split, with the region and known points."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from mpl_toolkits.mplot3d.art3d import Line3DCollection

    first = next(iter(scenes.values()))
    center = first.box.center.double().numpy()
    places = np.concatenate([scene.cameras.c2w[:, :, 3].detach().double().numpy() for scene in scenes.values()])
    spread = float(np.median(np.linalg.norm(places - center, axis=-1)))
    length = 0.1 * max(spread, first.box.radius)
    figure = Figure(figsize=(9, 9), dpi=110)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(projection="3d")
    for splits, scene in _distinct(scenes):
        lines = np.concatenate([_frustum(scene, i, length) for i in range(len(scene.cameras))])
        color = _COLORS.get(splits[0], "#555555")
        axes.add_collection3d(Line3DCollection(lines, colors=color, linewidths=0.7))
        axes.plot([], [], [], color=color, label=f"{' and '.join(splits)} ({len(scene.cameras)})")
    axes.add_collection3d(Line3DCollection(_region(first), colors="#777777", linewidths=0.8, linestyles="dashed"))
    known = first.points if first.points is not None else first.ground_truth.vertices if first.ground_truth else None
    if known is not None and len(known):
        some = known[:: max(1, len(known) // 4000)].detach().double().numpy()
        axes.scatter(*some.T, s=1.0, c="#444444", alpha=0.4, linewidths=0)
    everything = np.concatenate([places, _region(first).reshape(-1, 3)])
    middle, half = (everything.max(0) + everything.min(0)) / 2, np.ptp(everything, axis=0).max() / 2 + length
    axes.set(xlim=(middle[0] - half, middle[0] + half), ylim=(middle[1] - half, middle[1] + half))
    axes.set(zlim=(middle[2] - half, middle[2] + half), xlabel="x", ylabel="y", zlabel="z")
    axes.set_box_aspect((1, 1, 1), zoom=0.92)  # the whole box of the axes, with its labels
    axes.view_init(elev=28, azim=-55)
    axes.legend(loc="upper left", frameon=False)
    figure.subplots_adjust(0, 0, 1, 1)
    figure.savefig(path)


def _distinct(scenes: Mapping[str, Scene]) -> list[tuple[list[str], Scene]]:
    """The scenes with the splits that each stands for: those of the same views, by name and camera, are one."""
    found: list[tuple[list[str], Scene]] = []
    for split, scene in scenes.items():
        names = [scene.name(i) for i in range(len(scene.cameras))]
        for splits, other in found:
            if names == [other.name(i) for i in range(len(other.cameras))] and scene.cameras.c2w.equal(
                other.cameras.c2w
            ):
                splits.append(split)
                break
        else:
            found.append(([split], scene))
    return found


def _frustum(scene: Scene, view: int, length: float) -> np.ndarray:
    """The 8 edges [8, 2, 3] of a pyramid from the camera's place to its image's corners."""
    place = scene.cameras.c2w[view, :, 3].detach().double().numpy()
    corners = corner_directions(scene.cameras.view(view)).numpy()
    tips = place + length * corners / np.linalg.norm(corners, axis=-1, keepdims=True)
    sides = np.stack([np.broadcast_to(place, tips.shape), tips], 1)
    return np.concatenate([sides, np.stack([tips, np.roll(tips, -1, 0)], 1)])


def _region(scene: Scene) -> np.ndarray:
    """Lines [E, 2, 3] that outline the region: the edges of the box, or three circles on the sphere."""
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
    """A PNG of small copies of some images of each split with their names; what is transparent shows a chequer."""
    sections = [_section(splits, scene, per_split) for splits, scene in _distinct(scenes)]
    sheet = Image.new("RGB", (_COLUMNS * _THUMB, sum(section.height for section in sections)), "white")
    top = 0
    for section in sections:
        sheet.paste(section, (0, top))
        top += section.height
    write_picture(path, np.asarray(sheet))


def _section(splits: list[str], scene: Scene, most: int) -> Image.Image:
    """Up to `most` images of a split, evenly spread, below a line that says which split and how many it has."""
    n = len(scene.images)
    chosen = sorted({round(k * (n - 1) / max(1, min(most, n) - 1)) for k in range(min(most, n))})
    rows = -(-len(chosen) // _COLUMNS)
    section = Image.new("RGB", (_COLUMNS * _THUMB, _HEADING + rows * (_THUMB + _LABEL)), "white")
    draw = ImageDraw.Draw(section)
    shown = "" if len(chosen) == n else f", {len(chosen)} shown"
    draw.rectangle((4, 5, 14, 15), fill=_COLORS.get(splits[0], "#555555"))
    draw.text((20, 4), f"{' and '.join(splits)}: {n} images{shown}", fill="#111111")
    for k, i in enumerate(chosen):
        try:
            name, pixels = scene.name(i), scene.images[i].numpy()
        except DatasetError:
            name, pixels = f"{scene.name(i)}: unreadable", np.zeros((8, 8, 3), np.uint8)
        x, y = k % _COLUMNS * _THUMB, _HEADING + k // _COLUMNS * (_THUMB + _LABEL)
        small = _thumbnail(pixels)
        section.paste(small, (x + (_THUMB - small.width) // 2, y + (_THUMB - small.height) // 2))
        draw.text((x + 4, y + _THUMB + 1), name[-26:].encode("ascii", "replace").decode(), fill="#333333")
    return section


def _thumbnail(pixels: np.ndarray) -> Image.Image:
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    size = _THUMB - 6
    if pixels.shape[-1] == 4:
        image.thumbnail((size, size))
        squares = np.indices((image.height, image.width)) // 8
        chequer = np.where(squares.sum(0) % 2, 235, 205)
        back = Image.fromarray(chequer.astype(np.uint8)).convert("RGBA")
        return Image.alpha_composite(back, image).convert("RGB")
    image = image.convert("RGB")
    image.thumbnail((size, size))
    return image
