"""Make pictures of a rendered view: its color, depth and opacity, and its normals if the field provides normals."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from radfield_core.files.pictures import write_picture
from radfield_core.render.image_metrics import SSIM_WINDOW, to_uint8
from radfield_core.types import Rendered

DEPTH_RANGE = (0.02, 0.98)  # the depths at these two quantiles get the first and the last false color
LARGEST_ERROR = 0.25  # errors of this size and above get the last false color
STRIP = ("truth", "rendered", "depth", "error")
"""The pictures of a strip, from left to right."""

STRIP_GAP = 2
"""Width of the gaps of a strip in pixels."""

OPAQUE_ABOVE = 0.5  # the quantiles are computed from pixels whose opacity is larger than this


def make_pictures(rendered: Rendered, width: int, height: int, *, transparent: bool = False) -> dict[str, np.ndarray]:
    """Make 8-bit pictures [H, W, 3] of a rendered view.

    Returns:
        Dictionary: kind -> picture. `rgb` is present if the model renders color. `depth` uses false colors from red
        (near) to blue (far), and is black where the view is empty. `opacity` is gray. `normals` is present if the
        field provides normals. Its values map −1 … 1 on each axis to 0 … 255, and are multiplied by the opacity.
    """
    shape = (height, width)
    pictures, opacity = {}, rendered.opacity.float().cpu().view(shape)
    if rendered.rgb is not None:
        rgb = rendered.rgb.float().cpu().view(*shape, 3)
        pictures["rgb"] = to_uint8(_straight_alpha(rgb, opacity) if transparent else rgb).numpy()
    pictures["depth"] = _depth_picture(rendered.depth.float().cpu().view(shape), opacity)
    pictures["opacity"] = to_uint8(opacity)[..., None].expand(*shape, 3).numpy()
    if rendered.normals is not None:
        normals = rendered.normals.float().cpu().view(*shape, 3)
        pictures["normals"] = to_uint8((0.5 + 0.5 * normals) * opacity[..., None]).numpy()
    return pictures


def comparison_pictures(rendered: Rendered, truth: Tensor) -> dict[str, np.ndarray]:
    """Make 8-bit pictures [H, W, 3] that compare a rendered view with its true image [H, W, 3] in [0, 1].

    Returns:
        Dictionary: kind -> picture. It contains `rendered`, `truth` and `error`, and the `depth`, `opacity` and
        `normals` of `make_pictures`. `error` shows the mean absolute error over the channels in false colors, from
        black (0) to yellow (`LARGEST_ERROR` or more).
    """
    from matplotlib import colormaps

    height, width = truth.shape[:2]
    pictures = make_pictures(rendered, width, height)
    shown = pictures.pop("rgb")
    wanted = to_uint8(truth.float().cpu())
    error = (torch.from_numpy(shown).float() - wanted.float()).abs().mean(-1) / 255.0 / LARGEST_ERROR
    colors = torch.from_numpy(colormaps["inferno"](error.clamp(0.0, 1.0).numpy())[..., :3]).float()
    return {"rendered": shown, "truth": wanted.numpy(), "error": to_uint8(colors).numpy(), **pictures}


def strip(pictures: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the pictures of a view side by side: those of `STRIP` that there are, with white gaps between them.

    Args:
        pictures: kind -> picture [H, W, 3] uint8, as `comparison_pictures` returns them.

    Example:
        >>> black = np.zeros((4, 6, 3), dtype=np.uint8)
        >>> strip({"error": black, "truth": black}).shape
        (4, 14, 3)
    """
    shown = [pictures[kind] for kind in STRIP if kind in pictures]
    height = shown[0].shape[0]
    gap = np.full((height, STRIP_GAP, 3), 255, dtype=np.uint8)
    parts = [part for picture in shown for part in (gap, picture)]
    return np.concatenate(parts[1:], 1)


def similarity_picture(similarity: Tensor) -> np.ndarray:
    """Make an 8-bit picture [H, W, 3] of the SSIM of each window of two images, [H − 10, W − 10].

    The false colors go from yellow (0 or less) to black (1, where the images are alike). Pixels at the border, which
    have no complete window, get the color of their nearest neighbor.
    """
    from matplotlib import colormaps

    values = np.pad(similarity.float().clamp(0.0, 1.0).numpy(), SSIM_WINDOW // 2, mode="edge")
    colors = torch.from_numpy(colormaps["inferno"](1.0 - values)[..., :3]).float()
    return to_uint8(colors).numpy()


def _straight_alpha(rgb: Tensor, opacity: Tensor) -> Tensor:
    """Convert colors on black [H, W, 3] and opacities [H, W] to colors with straight alpha [H, W, 4]."""
    alpha = opacity.clamp(0.0, 1.0)[..., None]
    return torch.cat([rgb / alpha.clamp_min(1e-6), alpha], -1)


def save_pictures(pictures: dict[str, np.ndarray], folder: Path, name: str) -> list[Path]:
    """Write each picture as `<name>_<kind>.png` and return the files.

    Raises:
        OSError: a file cannot be written. If there is an earlier file of the same name, it stays unchanged.
    """
    paths = []
    for kind, picture in pictures.items():
        path = folder / f"{name}_{kind}.png"
        write_picture(path, picture)
        paths.append(path)
    return paths


def depth_range(rendered: Rendered) -> tuple[float, float] | None:
    """Return the depths, in scene units, that get the first and the last false color in the picture of depth.

    Return None if the view is empty.
    """
    return _depth_range(rendered.depth.float().cpu(), rendered.opacity.float().cpu())


def _depth_range(depth: Tensor, opacity: Tensor) -> tuple[float, float] | None:
    opaque = opacity > OPAQUE_ABOVE
    if not bool(opaque.any()):
        return None
    mean = depth / opacity.clamp_min(1e-6)
    low, high = np.quantile(mean[opaque].numpy(), DEPTH_RANGE)
    return float(low), float(high)


def _depth_picture(depth: Tensor, opacity: Tensor) -> np.ndarray:
    """Return a picture of the mean depth of each pixel in false colors. Transparent pixels are darker."""
    from matplotlib import colormaps

    shown = _depth_range(depth, opacity)
    if shown is None:
        return np.zeros((*depth.shape, 3), dtype=np.uint8)
    low, high = shown
    mean = depth / opacity.clamp_min(1e-6)
    share = ((mean - low) / max(high - low, 1e-9)).clamp(0.0, 1.0)
    colors = torch.from_numpy(colormaps["turbo"](1.0 - share.numpy())[..., :3]).float()
    return to_uint8(colors * opacity.clamp(0.0, 1.0)[..., None]).numpy()
