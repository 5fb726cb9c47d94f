"""metric:texture — compares photographs with pictures of a mesh that has a texture or colors."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import binary_erosion

from radfield_core import HasColor, HasDensity, HasSDF, Metric, Model, NoSurface, Progress, Scene, UsageError
from radfield_core.data import similarity_scale
from radfield_mesh.config import MeshConfig, TextureMetricConfig
from radfield_mesh.frames import to_data
from radfield_mesh.mesh import MeshExporter
from radfield_mesh.texture.photos import Photos, Views, photos_of, views_of
from radfield_mesh.texture.rendering import ColoredMesh

Array = NDArray[Any]

SHEET_ROWS, SHEET_WIDTH = 4, 1200
"""Views on the sheet, and its largest width in pixels."""


class TexturePsnr(Metric):
    """PSNR of the pictures of a mesh against photographs, inside the mesh's outline."""

    config: TextureMetricConfig

    def measure(self, model: Model, scene: Scene, reference: Path | None, folder: Path) -> dict[str, Any]:
        """Return the mean PSNR over the views, without and with one gain per view and channel.

        Pixels count inside the outline of the mesh, `config.erode` pixels from its edge, and inside the view's mask. A
        gain is the factor of the picture that fits the photograph best. `pixel_size` is the length of a pixel on the
        surface, in the unit of the data. Pictures beside their photographs are written.

        Args:
            model: trained model.
            scene: the photographs to compare with.
            reference: file of the mesh; None for the model's own surface with colors of its vertices.
            folder: folder for the pictures.

        Raises:
            UsageError: there is no file, and the model has no surface with colors.
            DatasetError: the file is no mesh with colors.
            NoSurface: no view sees the mesh.
        """
        mesh = self._own(model, scene) if reference is None else ColoredMesh.read(reference, scene)
        views = views_of(scene.cameras, mesh.vertices, mesh.faces)
        photos = photos_of(scene, views)
        folder.mkdir(parents=True, exist_ok=True)
        found = []
        with Progress("pictures", len(views)) as bar:
            for index in range(len(views)):
                result = self._compare(mesh, views, photos, index, folder)
                found += [] if result is None else [result]
                if bar.due():
                    bar.update(index + 1, f"{index + 1}/{len(views)} views")
        _sheet(folder, len(views)).save(folder / "sheet.jpg", quality=92)
        if not found:
            raise NoSurface("no view sees the mesh", hint="Pass the mesh that was exported from this data set")
        counted, length, plain, with_gain = np.mean(found, axis=0).tolist()
        length *= similarity_scale(scene.to_data.double().numpy())
        return {
            "psnr": plain, "psnr_with_gain": with_gain, "views": len(found), "share_of_pixels": counted,
            "pixel_size": length, "unit": scene.unit,
        }  # fmt: skip

    def _own(self, model: Model, scene: Scene) -> ColoredMesh:
        """Return the surface of the model's field with colors of its vertices."""
        field = model.queries()
        if not (isinstance(field, HasColor) and isinstance(field, HasSDF | HasDensity)):
            raise UsageError(
                "no mesh is given, and the model has no surface with colors of its own", path="--reference",
                hint="Export a mesh with radfield export, and pass --reference mesh.glb",
            )  # fmt: skip
        surface = MeshExporter(MeshConfig(resolution=self.config.resolution)).surface(model, scene)
        return ColoredMesh.of(to_data(surface, scene), scene)

    def _compare(
        self, mesh: ColoredMesh, views: Views, photos: Photos, index: int, folder: Path
    ) -> tuple[float, float, float, float] | None:
        """Return the share of the pixels that count, the length of a pixel on the surface in the scene, and both PSNR.

        Return None if no pixel counts.
        """
        width, height = views.sizes[index].tolist()
        part = slice(views.offsets[index], views.offsets[index + 1])
        photo = photos.rgb[part].reshape(height, width, 3)
        picture, share = mesh.picture(views.poses[index], views.intrinsics[index], width, height)
        beside = np.concatenate([photo, np.where(share[..., None] > 0, picture, 255)], 1)
        image = Image.fromarray(np.round(beside.clip(0, 255)).astype(np.uint8))
        image.save(folder / f"{index:04d}.jpg", quality=92)
        inside = share > 0.999
        if self.config.erode:
            inside = binary_erosion(inside, iterations=self.config.erode)
        inside &= photos.counted[part].reshape(height, width)
        depths = views.depths[part].reshape(height, width)
        if not (inside & np.isfinite(depths)).any():
            return None
        length = float(np.median(depths[inside & np.isfinite(depths)])) / views.intrinsics[index, 0]
        return float(inside.mean()), length, *psnr_with_gain(photo[inside], picture[inside])


def _sheet(folder: Path, n: int) -> Image.Image:
    """Return four of the n pictures, evenly spread over the views, one below the other."""
    pictures = [Image.open(folder / f"{round(i):04d}.jpg") for i in np.linspace(0, n - 1, min(SHEET_ROWS, n))]
    width = min(SHEET_WIDTH, max(picture.width for picture in pictures))
    rows = [each.resize((width, max(1, round(each.height * width / each.width)))) for each in pictures]
    sheet, top = Image.new("RGB", (width, sum(row.height for row in rows)), "white"), 0
    for row in rows:
        sheet.paste(row, (0, top))
        top += row.height
    return sheet


def psnr_with_gain(photo: Array, picture: Array) -> tuple[float, float]:
    """Return the PSNR in dB of colors [P, 3] in [0, 255], as they are, and after the best factor of each channel."""
    photo, picture = photo.astype(np.float64), picture.astype(np.float64)
    gain = (photo * picture).sum(0) / np.maximum((picture * picture).sum(0), 1e-12)
    return _psnr(photo - picture), _psnr(photo - gain * picture)


def _psnr(difference: Array) -> float:
    return 10.0 * math.log10(255.0**2 / max(float((difference**2).mean()), 1e-12))
