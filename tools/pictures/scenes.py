"""The sheet of the exact scenes: an image of each, with its normals, albedo and depth."""

from __future__ import annotations

from typing import Any, cast

import torch
from PIL import Image
from torch import Tensor

from pictures import sheets
from pictures.studio import Studio

SIZE = 112


def _picture(pixels: Tensor) -> Image.Image:
    return Image.fromarray((pixels.clamp(0, 1) * 255).round().to(torch.uint8).numpy())


def _row(name: str, view: int) -> Image.Image:
    """An image of a scene, and its ground truth."""
    from radfield_synthetic import views
    from radfield_synthetic.config import SyntheticConfig
    from radfield_synthetic.dataset import SyntheticParser
    from radfield_synthetic.suite import world_of

    config = SyntheticConfig(scene=cast(Any, name), resolution=SIZE, n_train=8, n_val=1, n_test=1, supersample=4)
    cameras, world = SyntheticParser(config).parse("train").cameras, world_of(name)
    pixels = views.render(cameras, range(view, view + 1), config.supersample, world)[0].float() / 255
    depth = views.depth(cameras, view, world)
    hit = depth.isfinite()
    near, far = depth[hit].amin(), depth[hit].amax()
    gray = torch.where(hit, 0.15 + 0.7 * (depth - near) / (far - near), 1.0)[..., None].expand(-1, -1, 3)
    normals = torch.where(hit[..., None], 0.5 + 0.5 * views.normals(cameras, view, world), 1.0)
    albedo = torch.where(hit[..., None], views.albedo(cameras, view, world).clamp_min(0) ** (1 / 2.2), 1.0)
    color = pixels[..., :3] * pixels[..., 3:] + (1 - pixels[..., 3:])
    parts = ((name, color), ("normals", normals), ("albedo", albedo), ("depth", gray))
    return sheets.row([(label, _picture(each)) for label, each in parts])


def scenes(studio: Studio) -> None:
    """All scenes, two in a row."""
    from radfield_synthetic.suite import NAMES

    rows = [_row(name, 2) for name in NAMES if name != "still-life"]
    left, right = sheets.column(rows[::2]), sheets.column(rows[1::2])
    studio.keep("scenes", sheets.row([("", left), ("", right)]))


RECIPES = {"scenes": scenes}
