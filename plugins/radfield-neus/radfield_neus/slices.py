"""`exporter:sdf-slices`: the signed distance on planes through the middle of the scene, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from radfield_core import Exporter, HasSDF, Model, Scene
from radfield_core.files import file_and_format, write_atomic
from radfield_core.ops import device_of
from radfield_neus.config import SlicesConfig

POINTS_AT_ONCE = 1 << 16
PLANES = ((0, 1), (0, 2), (1, 2))
"""Axes to the right and up of each picture: xy, xz and yz of the scene's coordinates."""

LEFT, RIGHT, TOP, BOTTOM = 60, 12, 26, 64
"""Pixels about each picture, for its title, its axes and what is said of all."""

LINES = 0.1
"""Distance between two lines, in units of the scene's radius."""

_DPI = 100


class SdfSlices(Exporter):
    """Inside is blue, outside red, paler toward the surface, which is black; thin lines every tenth of the radius.
    Each plane is named, and its axes are in scene coordinates."""

    config: SlicesConfig

    def export(self, model: Model, scene: Scene, path: Path) -> list[Path]:
        """Write `path` as PNG: the xy, xz and yz planes beside each other. Raises UsageError for another ending."""
        path, _ = file_and_format(path, ("png",))
        field, radius = cast(HasSDF, model.queries()), float(scene.box.radius)
        pictures = [shade(slice_of(field, scene, plane, self.config.resolution) / radius) for plane in PLANES]
        write_atomic(path, labeled(pictures, scene))
        return [path]


def labeled(pictures: Sequence[NDArray[np.uint8]], scene: Scene) -> bytes:
    """A PNG of the pictures [n, n, 3] of `PLANES`, pixel for pixel, with their axes, their places and a legend."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    n, center, radius = len(pictures[0]), scene.box.center.tolist(), float(scene.box.radius)
    width, height = 3 * (LEFT + n + RIGHT), TOP + n + BOTTOM
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)
    FigureCanvasAgg(figure)
    reach = radius * n / max(1, n - 1)  # from the middle to the outer edge of the outermost pixels
    for index, (picture, (right, up)) in enumerate(zip(pictures, PLANES, strict=True)):
        left = index * (LEFT + n + RIGHT) + LEFT
        axes = figure.add_axes((left / width, BOTTOM / height, n / width, n / height))
        sides = (center[right] - reach, center[right] + reach, center[up] - reach, center[up] + reach)
        axes.imshow(picture, extent=sides, interpolation="nearest")
        across = 3 - right - up
        axes.set_title(f"{'xyz'[right]}{'xyz'[up]} plane, {'xyz'[across]} = {center[across]:.3g}", fontsize=10)
        axes.set_xlabel("xyz"[right], labelpad=1)
        axes.set_ylabel("xyz"[up], labelpad=1)
        axes.tick_params(labelsize=8)
    said = f"black: surface · blue: inside · red: outside · a line every {LINES * radius:.3g} · scene coordinates"
    figure.text(0.5, 8 / height, said, ha="center", va="bottom", fontsize=9)
    png = BytesIO()
    figure.savefig(png, format="png")
    return png.getvalue()


def slice_of(field: HasSDF, scene: Scene, plane: tuple[int, int], resolution: int) -> NDArray[np.float32]:
    """Signed distance [resolution, resolution], scene units, on a plane through the box's middle; the top row is up."""
    center = scene.box.center.to(torch.float32)
    along = torch.linspace(-1.0, 1.0, resolution) * scene.box.radius
    up, right = torch.meshgrid(along.flip(0), along, indexing="ij")
    x = center.repeat(resolution**2, 1)
    x[:, plane[0]] += right.reshape(-1)
    x[:, plane[1]] += up.reshape(-1)
    device = device_of(field)
    with torch.no_grad():
        values = torch.cat([field.sdf(part.to(device)).float().cpu() for part in x.split(POINTS_AT_ONCE)])
    return values.view(resolution, resolution).numpy()


def shade(distance: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Colors [H, W, 3] of distances in units of the scene's radius."""
    from matplotlib import colormaps

    colors = colormaps["RdBu_r"](0.5 + 0.5 * np.tanh(2.0 * distance))[..., :3]
    pixel = 2.0 / len(distance)
    to_line = np.abs(distance - np.round(distance / LINES) * LINES)
    colors = np.where((to_line < 0.5 * pixel)[..., None], 0.8 * colors, colors)
    colors = np.where((np.abs(distance) < pixel)[..., None], 0.0, colors)
    return np.round(colors * 255).astype(np.uint8)
