"""Pictures of a mesh with a texture or with colors of vertices, without light.

Symbols in shapes: N vertices, F faces, H×W pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from numpy.typing import NDArray
from trimesh.visual import ColorVisuals, TextureVisuals

from radfield_core import DatasetError, Scene
from radfield_core.files import read_json
from radfield_mesh.frames import upright
from radfield_mesh.reading import read_colored_mesh
from radfield_mesh.texture import _raster
from radfield_mesh.texture.bake import to_world

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class ColoredMesh:
    """A mesh in scene coordinates with its colors.

    Attributes:
        vertices: [N, 3] float64.
        faces: [F, 3] int64.
        corners: sRGB colors in [0, 255] of the corners of each face [F, 3, 3], or their places in the image [F, 3, 2]
            in [0, 1] from the left and from the top.
        image: sRGB colors [S, S', 3] uint8, or None for colors of vertices.
    """

    vertices: Array
    faces: Array
    corners: Array
    image: NDArray[np.uint8] | None = None

    @staticmethod
    def read(path: Path, scene: Scene) -> ColoredMesh:
        """Return the mesh in a file that an exporter wrote, in scene coordinates.

        Raises:
            DatasetError: the file is no mesh, or has no colors.
        """
        mesh = read_colored_mesh(path)
        if path.suffix.lower() == ".glb" and _was_turned(path):
            mesh.vertices = mesh.vertices @ upright(scene)[:3, :3]
        return ColoredMesh.of(mesh, scene, str(path))

    @staticmethod
    def of(mesh: trimesh.Trimesh, scene: Scene, name: str = "") -> ColoredMesh:
        """Return a mesh in data coordinates with its colors.

        Raises:
            DatasetError: the mesh has no colors. `name` is its file.
        """
        faces = np.asarray(mesh.faces, np.int64)
        values, image = _colors(mesh, name)
        corners = np.ascontiguousarray(values[faces], np.float64)
        return ColoredMesh(to_world(np.asarray(mesh.vertices), scene), faces, corners, image)

    def picture(self, pose: Array, intrinsics: Array, width: int, height: int, fine: int = 2) -> tuple[Array, Array]:
        """Return the colors [H, W, 3] in [0, 255] that a pinhole camera sees, and the share of each pixel covered.

        Args:
            pose: world-to-camera matrix [3, 4], with x right, y down and z forward.
            intrinsics: focal lengths and principal point in pixels [4], where pixels have whole numbers.
            width: number of columns.
            height: number of rows.
            fine: number of samples along each side of a pixel.
        """
        finer = intrinsics * fine
        finer[2:] += (fine - 1) / 2
        shape = height * fine, width * fine
        depths, shown = np.full(shape, np.inf, np.float32), np.full(shape, -1, np.int32)
        _raster.draw(self.vertices, self.faces, pose, finer, depths, shown)
        values = np.zeros((*shape, self.corners.shape[-1]), np.float32)
        _raster.interpolate(self.vertices, self.faces, pose, finer, shown, self.corners, values)
        colors = values if self.image is None else _sampled(self.image, values)
        covered = (shown >= 0).astype(np.float32)
        share = covered.reshape(height, fine, width, fine).mean((1, 3))
        total = (colors * covered[..., None]).reshape(height, fine, width, fine, 3).mean((1, 3))
        return total / np.maximum(share, 1e-6)[..., None], share


def _was_turned(path: Path) -> bool:
    """Return False if the sidecar of a GLB says that its upward axis was not known when it was written."""
    sidecar = path.with_name(f"{path.name}.json")
    if not sidecar.is_file():
        return True
    files = read_json(sidecar).get("files", {})
    return not (isinstance(files, dict) and files.get(path.name, {"up": "y"}).get("up", "y") is None)


def _colors(mesh: trimesh.Trimesh, name: str) -> tuple[Array, NDArray[np.uint8] | None]:
    """Return the colors of the vertices, or their places in the image and the image."""
    visual = mesh.visual
    if isinstance(visual, TextureVisuals) and visual.uv is not None:
        material = visual.material
        image = getattr(material, "baseColorTexture", None) or getattr(material, "image", None)
        if image is not None:
            return np.asarray(visual.uv) * [1, -1] + [0, 1], np.asarray(image.convert("RGB"))
    if isinstance(visual, ColorVisuals) and visual.kind == "vertex":
        return np.asarray(visual.vertex_colors)[:, :3].astype(np.float64), None
    raise DatasetError(
        "the mesh has neither a texture nor colors of vertices", path=name,
        hint="radfield export RUN --out mesh.glb texture=photos",
    )  # fmt: skip


def _sampled(image: NDArray[np.uint8], places: Array) -> Array:
    """Return the image's colors [.., 3] at places [.., 2] in [0, 1], interpolated between texels."""
    size = np.array([image.shape[1], image.shape[0]])
    at = (places * size - 0.5).clip(0, size - 1.0)
    low = np.minimum(np.floor(at).astype(int), np.maximum(size - 2, 0))
    high = np.minimum(low + 1, size - 1)
    x, y = (at - low)[..., :1], (at - low)[..., 1:]
    upper = (1 - x) * image[low[..., 1], low[..., 0]] + x * image[low[..., 1], high[..., 0]]
    lower = (1 - x) * image[high[..., 1], low[..., 0]] + x * image[high[..., 1], high[..., 0]]
    mixed: Array = (1 - y) * upper + y * lower
    return mixed
