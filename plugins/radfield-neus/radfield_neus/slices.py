"""exporter:sdf-slices, which draws the signed distance on three planes through the center of the scene."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from radfield_core import Exporter, HasSDF, Model, Scene
from radfield_core.ops import device_of
from radfield_neus.config import SlicesConfig

POINTS_PER_BATCH = 1 << 16
"""Number of points that the field evaluates in one call."""

PLANES = ((0, 1), (0, 2), (1, 2))
"""Horizontal and vertical axis of each plane. The planes are xy, xz and yz in scene coordinates."""

LEFT, RIGHT, TOP, BOTTOM = 60, 12, 26, 64
"""Margins around each plane, in pixels. They leave space for the title, the axes and the legend."""

LINE_SPACING = 0.1
"""Difference of signed distance between two contour lines, in scene radii."""

_DPI = 100


class SdfSlices(Exporter):
    """PNG image of the xy, xz and yz planes side by side, with axes in scene coordinates.

    The inside is blue, and the outside is red. Both colors grow paler toward the surface, which is black. Thin contour
    lines are drawn at each tenth of the scene's radius.
    """

    config: SlicesConfig

    def export(self, model: Model, scene: Scene, path: Path) -> list[Path]:
        """Write the image.

        Args:
            model: model whose field has a signed distance.
            scene: scene; the planes go through the center of its box.
            path: PNG file to write.

        Returns:
            The file that was written.
        """
        field, radius = cast(HasSDF, model.queries()), float(scene.box.radius)
        pictures = [shade(slice_of(field, scene, plane, self.config.resolution) / radius) for plane in PLANES]
        path.write_bytes(labeled(pictures, scene))
        return [path]


def labeled(pictures: Sequence[NDArray[np.uint8]], scene: Scene) -> bytes:
    """Return a PNG file with titles, axes and a legend around the images [n, n, 3] of the three `PLANES`.

    The images are not resampled: each of their pixels is one pixel of the file.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    n, center, radius = len(pictures[0]), scene.box.center.tolist(), float(scene.box.radius)
    width, height = 3 * (LEFT + n + RIGHT), TOP + n + BOTTOM
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)
    FigureCanvasAgg(figure)
    reach = radius * n / max(1, n - 1)  # distance from the center to the outer edge of the image
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
    legend = (
        f"black: surface · blue: inside · red: outside · a line every {LINE_SPACING * radius:.3g} · scene coordinates"
    )
    figure.text(0.5, 8 / height, legend, ha="center", va="bottom", fontsize=9)
    png = BytesIO()
    figure.savefig(png, format="png")
    return png.getvalue()


def slice_of(field: HasSDF, scene: Scene, plane: tuple[int, int], resolution: int) -> NDArray[np.float32]:
    """Signed distances [resolution, resolution] on a plane through the center of the scene's box, in scene units.

    The first row is the top row of the image.
    """
    center = scene.box.center.to(torch.float32)
    along = torch.linspace(-1.0, 1.0, resolution) * scene.box.radius
    up, right = torch.meshgrid(along.flip(0), along, indexing="ij")
    x = center.repeat(resolution**2, 1)
    x[:, plane[0]] += right.reshape(-1)
    x[:, plane[1]] += up.reshape(-1)
    device = device_of(field)
    with torch.no_grad():
        values = torch.cat([field.sdf(part.to(device)).float().cpu() for part in torch.split(x, POINTS_PER_BATCH)])
    return values.view(resolution, resolution).numpy()


def shade(distance: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Turn signed distances [H, W], in scene radii, into colors [H, W, 3]."""
    from matplotlib import colormaps

    colors = colormaps["RdBu_r"](0.5 + 0.5 * np.tanh(2.0 * distance))[..., :3]
    pixel = 2.0 / len(distance)
    to_line = np.abs(distance - np.round(distance / LINE_SPACING) * LINE_SPACING)
    colors = np.where((to_line < 0.5 * pixel)[..., None], 0.8 * colors, colors)
    colors = np.where((np.abs(distance) < pixel)[..., None], 0.0, colors)
    return np.round(colors * 255).astype(np.uint8)
