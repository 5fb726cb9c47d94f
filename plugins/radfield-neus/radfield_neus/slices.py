"""`exporter:sdf-slices`: the signed distance on planes through the middle of the scene, as a picture."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from radfield_core.files import write_atomic
from radfield_core.interfaces import Exporter, HasSDF
from radfield_core.model import Model
from radfield_core.scene import Scene
from radfield_neus.config import SlicesConfig

POINTS_AT_ONCE = 1 << 16
PLANES = ((0, 1), (0, 2), (1, 2))
"""Axes to the right and up of each picture: xy, xz and yz of the scene's coordinates."""


class SdfSlices(Exporter):
    """Inside is blue, outside red, paler towards the surface, which is black; thin lines every tenth of the radius."""

    config: SlicesConfig

    def export(self, model: Model, scene: Scene, path: Path) -> list[Path]:
        """Write `path` as PNG: the xy, xz and yz planes beside each other."""
        path = path.with_suffix(".png")
        field, radius = cast(HasSDF, model.main_field), float(scene.box.radius)
        pictures = [shade(slice_of(field, scene, plane, self.config.resolution) / radius) for plane in PLANES]
        png = BytesIO()
        Image.fromarray(np.concatenate(pictures, axis=1)).save(png, format="png")
        write_atomic(path, png.getvalue())
        return [path]


def slice_of(field: HasSDF, scene: Scene, plane: tuple[int, int], resolution: int) -> NDArray[np.float32]:
    """Signed distance [resolution, resolution], scene units, on a plane through the box's middle; the top row is up."""
    center = scene.box.center.to(torch.float32)
    along = torch.linspace(-1.0, 1.0, resolution) * scene.box.radius
    up, right = torch.meshgrid(along.flip(0), along, indexing="ij")
    x = center.repeat(resolution**2, 1)
    x[:, plane[0]] += right.reshape(-1)
    x[:, plane[1]] += up.reshape(-1)
    device = next(cast(torch.nn.Module, field).parameters()).device
    with torch.no_grad():
        values = torch.cat([field.sdf(part.to(device)).float().cpu() for part in x.split(POINTS_AT_ONCE)])
    return values.view(resolution, resolution).numpy()


def shade(distance: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Colours [H, W, 3] of distances in units of the scene's radius."""
    from matplotlib import colormaps

    colors = colormaps["RdBu_r"](0.5 + 0.5 * np.tanh(2.0 * distance))[..., :3]
    pixel = 2.0 / len(distance)
    to_line = np.abs(distance - np.round(distance * 10.0) / 10.0)
    colors = np.where((to_line < 0.5 * pixel)[..., None], 0.8 * colors, colors)
    colors = np.where((np.abs(distance) < pixel)[..., None], 0.0, colors)
    return np.round(colors * 255).astype(np.uint8)
