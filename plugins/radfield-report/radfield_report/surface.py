"""The surface of a run: a small mesh for the page, its distances to the true surface, and slices of the SDF."""

from __future__ import annotations

import base64
import tempfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
import trimesh
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from radfield_core import RadfieldError, Trained, compose_part, export, get_registry
from radfield_report.cameras import BACK, Stage, projected
from radfield_report.embed import webp

MAX_FACES = 40_000
SAMPLES = 40_000
"""Number of points on the true surface to which distances are measured."""

RADIUS = 0.95
"""Distance from the middle of the picture within which the mesh lies."""

SLICE_RESOLUTION = 220
AT_ONCE = 4096


class Surface:
    """A mesh for the page.

    Attributes:
        vertices: positions [V, 3] float64, in the coordinates of the page.
        faces: [F, 3], at most `MAX_FACES`.
        colors: [V, 3] uint8.
        distances: [V] float64, distance of each vertex to the true surface, in the unit of the data; None if the true
            surface is not known.
    """

    def __init__(self, vertices: Any, faces: Any, colors: Any, distances: Any = None):
        self.vertices: NDArray[np.float64] = vertices
        self.faces: NDArray[np.int64] = faces
        self.colors: NDArray[np.uint8] = colors
        self.distances: NDArray[np.float64] | None = distances

    @property
    def span(self) -> float:
        """The distance that gets the last color: that which 95 % of the vertices do not exceed."""
        return 0.0 if self.distances is None else max(float(np.quantile(self.distances, 0.95)), 1e-12)

    def data(self) -> dict[str, Any]:
        """Return what the script of the page needs: positions and colors as bytes in base64."""
        low, high = self.vertices.min(0), self.vertices.max(0)
        span = np.maximum(high - low, 1e-12)
        packed = np.round((self.vertices - low) / span * 65535).astype("<u2")
        found = {
            "low": low.round(6).tolist(),
            "span": span.round(6).tolist(),
            "vertices": _base64(packed),
            "faces": _base64(self.faces.astype("<u4")),
            "colors": _base64(self.colors),
        }
        if self.distances is not None:
            found["distances"] = _base64(_shades(self.distances / self.span))
        return found

    def still(self, width: int = 720, height: int = 480) -> bytes:
        """Return a picture of the mesh, seen as the page shows it first."""
        corners = self.vertices[self.faces]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        light = np.abs(normals @ BACK) / np.maximum(np.linalg.norm(normals, axis=-1), 1e-12)
        colors = (self.colors[self.faces].mean(1) * (0.35 + 0.65 * light[:, None])).astype(int)
        points = [projected(vertex, 2 * width, 2 * height) for vertex in self.vertices]
        image = Image.new("RGB", (2 * width, 2 * height), "#f4f4f2")
        pen = ImageDraw.Draw(image)
        for face in np.argsort(corners.mean(1) @ BACK):
            pen.polygon([points[i] for i in self.faces[face]], fill=tuple(colors[face].tolist()))
        return webp(np.asarray(image), 0.5)


def surface_of(trained: Trained, stage: Stage, resolution: int) -> Surface | None:
    """Return the surface of a run, or None if no installed exporter can extract it.

    Raises:
        NoSurface: there is no surface.
    """
    words = [f"resolution={resolution}", f"max_faces={MAX_FACES}", "format=ply"]
    try:
        choice = compose_part(get_registry(), "exporter", "mesh", words)
    except RadfieldError:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = export(trained, choice, Path(folder) / "mesh.ply")[0]
        mesh: Any = trimesh.load(BytesIO(path.read_bytes()), file_type="ply", process=False, force="mesh")
    vertices = np.asarray(mesh.vertices, np.float64)  # in data coordinates
    colors = np.asarray(mesh.visual.vertex_colors)[:, :3].astype(np.uint8)
    to_data = trained.scenes.views("train").to_data.double().numpy()
    back = np.linalg.inv(to_data)
    placed = _in_view(stage.place(vertices @ back[:3, :3].T + back[:3, 3]))
    distances = _distances(vertices, _true_points(trained))
    return Surface(placed, np.asarray(mesh.faces, np.int64), colors, distances)


def _in_view(vertices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Move and scale points [V, 3] so that nearly all of them lie within `RADIUS` of the origin."""
    low, high = np.quantile(vertices, 0.005, axis=0), np.quantile(vertices, 0.995, axis=0)
    centered = vertices - (low + high) / 2
    reach = float(np.quantile(np.linalg.norm(centered, axis=-1), 0.99))
    return centered * (RADIUS / max(reach, 1e-12))


def _true_points(trained: Trained) -> NDArray[np.float64] | None:
    """Return points of the true surface [n, 3] in data coordinates, evenly spread, or None if it is not known."""
    try:
        scene = trained.scenes.get("train")
    except RadfieldError:
        return None  # the data were moved
    if scene.ground_truth is None:
        return None
    vertices = scene.data_points(scene.ground_truth.vertices.double()).numpy()
    truth = trimesh.Trimesh(vertices, scene.ground_truth.faces.numpy(), process=False)
    return np.asarray(trimesh.sample.sample_surface(truth, SAMPLES, seed=0)[0], np.float64)


def _distances(vertices: NDArray[np.float64], truth: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
    """Return the distance [V] of each vertex to the nearest of the points of the true surface."""
    if truth is None or not len(vertices):
        return None
    points = torch.from_numpy(truth - truth.mean(0)).float()
    moved = torch.from_numpy(vertices - truth.mean(0)).float()
    nearest = [torch.cdist(part, points).amin(1) for part in torch.split(moved, AT_ONCE)]
    return torch.cat(nearest).double().numpy()


def slices(trained: Trained) -> bytes | None:
    """Return a picture of the signed distance on three planes, or None for fields without one."""
    words = [f"resolution={SLICE_RESOLUTION}"]
    try:
        choice = compose_part(get_registry(), "exporter", "sdf-slices", words)
        with tempfile.TemporaryDirectory() as folder:
            path = export(trained, choice, Path(folder) / "slices.png")[0]
            return webp(np.asarray(Image.open(path).convert("RGB")), quality=90)
    except RadfieldError:
        return None


def _shades(share: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return colors [n, 3] for shares of the largest distance: white for 0, over yellow, to dark red for 1."""
    stops = np.array([[255, 255, 255], [255, 224, 130], [239, 108, 0], [127, 0, 0]], float)
    at = np.clip(share, 0.0, 1.0) * (len(stops) - 1)
    return np.stack([np.interp(at, np.arange(len(stops)), stops[:, c]) for c in range(3)], -1).round().astype(np.uint8)


def _base64(values: NDArray[Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()
