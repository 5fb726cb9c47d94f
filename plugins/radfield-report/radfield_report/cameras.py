"""The cameras of a run in 3-D: what the script of the page draws, and a still picture for pages without scripts."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from radfield_core import Camera, RadfieldError, Scene, Trained, View, corner_directions, upward_axis
from radfield_report.embed import webp
from radfield_report.markup import Html, tag

MAX_CAMERAS = 600
"""At most this many cameras of a split are drawn, evenly spread."""

MAX_THUMBNAILS = 160
THUMBNAIL = 64
"""Pixels along the longer side of a thumbnail."""

SECONDS = 5.0
"""Images are decoded for thumbnails for at most this long."""

MAX_POINTS = 3000
LENGTH_SHARE = 0.12
"""Length of a drawn camera, as a share of the median distance of cameras from the middle of the scene."""

COLUMNS = 16
Array = NDArray[np.float64]


@dataclass
class Stage:
    """A scene as the page draws it, with z upward, the middle at the origin, and a size of about 1.

    Attributes:
        cameras: a table for each camera: its name, its split, its center, the corners of its image, and the number of
            its thumbnail, or -1.
        counts: split -> number of its cameras.
        turn: [3, 4], the transform from scene coordinates to those of the page.
        box: the corners [8, 3] of the region to reconstruct.
        points: some known points of the surface [P, 3].
        thumbnails: the pictures [H, W, 3] of the cameras, in their order.
        atlas: all thumbnails in one WebP picture, or b"".
    """

    cameras: list[dict[str, Any]]
    counts: dict[str, int]
    turn: Array
    box: Array
    points: Array
    thumbnails: list[NDArray[np.uint8]] = field(default_factory=list)
    atlas: bytes = b""

    def data(self) -> dict[str, Any]:
        """Return what the script of the page needs."""
        tiles, (width, height) = _tiles(self.thumbnails)
        return {
            "cameras": self.cameras,
            "splits": list(self.counts),
            "tiles": tiles,
            "atlas": [width, height],
            "box": _rounded(self.box),
            "points": _rounded(self.points),
        }

    def place(self, points: Array) -> Array:
        """Transform points [n, 3] from scene coordinates to those of the page."""
        return points @ self.turn[:, :3].T + self.turn[:, 3]


def stage_of(trained: Trained, limit: float) -> Stage | None:
    """Return the cameras of all splits of a run, or None if it has none.

    Args:
        trained: the run.
        limit: largest size of all thumbnails together, in bytes.
    """
    scenes = splits_of(trained)
    if not scenes:
        return None
    first = scenes.get("train", next(iter(scenes.values())))
    stage = _empty_stage(first, scenes)
    reach = [np.linalg.norm(stage.place(_centers(scene)), axis=-1) for scene in scenes.values()]
    length = LENGTH_SHARE * float(np.median(np.concatenate(reach)))
    for split, scene in scenes.items():
        n = len(scene.cameras)
        for index in _spread(n, MAX_CAMERAS):
            view = scene.cameras.view(index)
            center = stage.place(view.c2w[:, 3].detach().double().numpy()[None])[0]
            corners = center + length * _corners(view) @ stage.turn[:, :3].T / np.linalg.norm(stage.turn[:, 0])
            name = scene.names[index] if scene.names else f"{split} {index}"
            stage.cameras.append(
                {"name": name[:300], "split": split, "at": _rounded(center), "to": _rounded(corners), "tile": -1}
            )
            stage.cameras[-1]["index"] = index
    _add_thumbnails(stage, scenes, limit)
    for camera in stage.cameras:
        del camera["index"]
    return stage


def splits_of(trained: Trained) -> dict[str, Scene]:
    """Return the splits of a run that have views. A split that cannot be read is left out."""
    found = {}
    for split in trained.scenes.splits:
        try:
            scene = trained.scenes.views(split)
        except RadfieldError:
            continue
        if len(scene.cameras):
            found[split] = scene
    return found


def _empty_stage(scene: Scene, scenes: Mapping[str, Scene]) -> Stage:
    """Return a stage without cameras, whose z axis is the upward axis of the scene."""
    up = upward_axis(scene).double().numpy()
    side = np.eye(3)[int(np.abs(up).argmin())]
    x = np.cross(side, up)
    x /= np.linalg.norm(x)
    rotation = np.stack([x, np.cross(up, x), up])
    if scene.up == "z" and np.allclose(up, [0, 0, 1]):
        rotation = np.eye(3)
    center, radius = scene.box.center.double().numpy(), float(scene.box.radius)
    all_centers = np.concatenate([_centers(each) for each in scenes.values()])
    reach = float(np.quantile(np.linalg.norm(all_centers - center, axis=-1), 0.9))
    scale = 1.0 / max(reach, 0.0 if scene.ndc else radius, 1e-9)
    turn = np.concatenate([scale * rotation, -(scale * rotation @ center)[:, None]], 1)
    signs = np.array([[i & 1, i >> 1 & 1, i >> 2 & 1] for i in range(8)]) * 2.0 - 1.0
    counts = {split: len(each.cameras) for split, each in scenes.items()}
    stage = Stage([], counts, turn, np.zeros((0, 3)), np.zeros((0, 3)))
    if not scene.ndc:
        stage.box = stage.place(center + radius * signs)
    if scene.points is not None and len(scene.points):
        known = scene.points.detach().double().numpy()
        known = stage.place(known[:: max(1, len(known) // MAX_POINTS)])
        stage.points = known[np.linalg.norm(known, axis=-1) < 4.0]
    return stage


def _centers(scene: Scene) -> Array:
    """Return the centers of the cameras of a scene [V, 3], in scene coordinates."""
    found: Array = scene.cameras.c2w[:, :, 3].detach().double().numpy()
    return found


def _corners(view: View) -> Array:
    """Return the directions [4, 3] of the corners of a view's image, of length 1, in scene coordinates.

    A panorama has no corners: it is drawn like a camera that looks ahead.
    """
    if view.camera.panoramic:
        view = View(view.c2w, Camera(64, 48, 48.0, 48.0, 32.0, 24.0))
    corners = corner_directions(view).double().numpy()
    lengths = np.linalg.norm(corners, axis=-1, keepdims=True)
    found: Array = np.nan_to_num(corners / np.maximum(lengths, 1e-12))
    return found


def _spread(n: int, most: int) -> list[int]:
    """Return at most `most` evenly spread numbers below n."""
    count = min(n, most)
    return [(2 * i + 1) * n // (2 * count) for i in range(count)]


def _add_thumbnails(stage: Stage, scenes: Mapping[str, Scene], limit: float) -> None:
    """Decode images of the cameras, evenly spread, until there are enough or the time is over."""
    until = time.perf_counter() + SECONDS
    chosen = _spread(len(stage.cameras), MAX_THUMBNAILS)
    order = sorted(range(len(chosen)), key=lambda i: int(f"{i:012b}"[::-1], 2))  # evenly spread, wherever it ends
    found: dict[int, NDArray[np.uint8]] = {}
    for i in order:
        if time.perf_counter() > until:
            break
        camera = stage.cameras[chosen[i]]
        try:
            pixels = scenes[camera["split"]].images[camera["index"]].numpy()
        except (RadfieldError, OSError):
            if not found:
                return  # the data are not there
            continue
        found[chosen[i]] = _thumbnail(pixels)
    for tile, number in enumerate(sorted(found)):
        stage.cameras[number]["tile"] = tile
        stage.thumbnails.append(found[number])
    if not stage.thumbnails:
        return
    tiles, (width, height) = _tiles(stage.thumbnails)
    sheet = np.zeros((height, width, 3), np.uint8)
    for (left, top, w, h), picture in zip(tiles, stage.thumbnails, strict=True):
        sheet[top : top + h, left : left + w] = picture
    for quality in (80, 60, 40, 20):
        stage.atlas = webp(sheet, quality=quality)
        if len(stage.atlas) <= limit:
            return


def _thumbnail(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a small picture [h, w, 3] of an image [H, W, C]. Transparent pixels are white."""
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    image.thumbnail((THUMBNAIL, THUMBNAIL), reducing_gap=2.0)
    if image.mode == "RGBA":
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return np.asarray(image.convert("RGB"))


def _tiles(pictures: list[NDArray[np.uint8]]) -> tuple[list[list[int]], tuple[int, int]]:
    """Return left, top, width and height of each picture in a sheet of rows, and the size of the sheet."""
    tiles = [
        [i % COLUMNS * THUMBNAIL, i // COLUMNS * THUMBNAIL, picture.shape[1], picture.shape[0]]
        for i, picture in enumerate(pictures)
    ]
    rows = -(-len(pictures) // COLUMNS)
    return tiles, (min(len(pictures), COLUMNS) * THUMBNAIL, rows * THUMBNAIL)


def still(stage: Stage, width: int = 720, height: int = 480) -> Html:
    """Return an SVG picture of the cameras, seen as the page shows them first."""
    splits = list(stage.counts)
    lines = []
    for a, b in _EDGES if len(stage.box) else ():
        lines.append(_line(stage.box[a], stage.box[b], "box", width, height))
    for camera in stage.cameras:
        color, corners = f"s{splits.index(camera['split']) % 4}", camera["to"]
        shape = [camera["at"], *corners]
        pairs = [(0, 1), (0, 2), (0, 3), (0, 4), (1, 2), (2, 3), (3, 4), (4, 1)]
        drawn = (_line(shape[a], shape[b], color, width, height) for a, b in pairs)
        lines.append(tag("g", tag("title", f"{camera['name']} ({camera['split']})"), *drawn))
    return tag("svg", *lines, viewBox=f"0 0 {width} {height}", role="img", aria_label="the cameras", class_="still")


_EDGES = [(a, b) for a in range(8) for b in range(a + 1, 8) if bin(a ^ b).count("1") == 1]
AZIMUTH, ELEVATION, DISTANCE = 0.7, 0.45, 4.2
"""The first look of the page: two angles in radians, and the distance from the middle. The script has the same."""

BACK: Array = np.array([np.cos(AZIMUTH) * np.cos(ELEVATION), np.sin(AZIMUTH) * np.cos(ELEVATION), np.sin(ELEVATION)])
"""The direction from the middle to where the page looks from first."""

RIGHT: Array = np.array([-np.sin(AZIMUTH), np.cos(AZIMUTH), 0.0])
UP: Array = np.cross(BACK, RIGHT)


def _line(a: Any, b: Any, kind: str, width: int, height: int) -> Html:
    (x1, y1), (x2, y2) = (projected(np.asarray(p, float), width, height) for p in (a, b))
    return tag("line", x1=f"{x1:.1f}", y1=f"{y1:.1f}", x2=f"{x2:.1f}", y2=f"{y2:.1f}", class_=kind)


def projected(point: Array, width: int, height: int) -> tuple[float, float]:
    """Project a point of the stage into the first look of the page."""
    scale = 1.8 * min(width, height) / max(DISTANCE - float(point @ BACK), 0.05)
    return width / 2 + scale * float(point @ RIGHT), height / 2 - scale * float(point @ UP)


def _rounded(values: Array) -> Any:
    """Return numbers with four digits after the point, as lists for JSON."""
    return np.round(np.nan_to_num(np.asarray(values, float), posinf=0.0, neginf=0.0), 4).tolist()
