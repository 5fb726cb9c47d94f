"""Options that keep first-party parts small, the data sets that dataparsers are shown, and every waiver."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from radfield_core.plugin import load
from radfield_core.registry import get_registry
from radfield_core.rays import view_rays
from radfield_core.testing import Example
from radfield_core.testing.captures import data_rays, toy_capture
from radfield_core.testing.training import toy_scene
from radfield_core.scene import Scene
from radfield_core.rays import RaySpace

OPTIONS = {
    "encoding:hash": {"n_levels": 4, "log2_table_size": 12, "finest_resolution": 64},
    "field:nerf": {"depth": 3, "width": 32, "skip_layer": 2, "color_width": 16},
    "field:mipnerf": {"depth": 3, "width": 32, "skip_layer": 2, "color_width": 16},
    "field:neus": {"width": 32, "n_layers": 3, "skip_layer": 2, "n_features": 16, "color_width": 32, "color_layers": 2},
    "field:ngp": {"width": 16, "color_width": 16},
    "field:inverted-sphere": {"width": 32, "n_layers": 3, "skip_layer": 2},
    "sampler:occupancy": {"resolution": 16, "num_samples": 64},
    "sampler:mip": {"n_samples": 16},
    "sampler:neus": {"n_samples": 16, "n_importance": 16},
    "sampler:importance": {"n_samples": 16, "n_importance": 16},
    "exporter:mesh": {"resolution": 48},
    "exporter:pointcloud": {"n_points": 2000},
    "metric:chamfer": {"resolution": 48, "n_samples": 4000},
    "metric:point-to-mesh": {"resolution": 48},
}
SMALL_FIELD = {"depth": 3, "width": 32, "skip_layer": 2, "color_width": 16}
HASH = {"type": "hash", "n_levels": 4, "log2_table_size": 12}
RUN = {
    "method:nerf": {"field": SMALL_FIELD, "sampler": {"n_samples": 16, "n_importance": 16}},
    "method:tiny-nerf": {"field": {"width": 32}},
    "method:mipnerf": {"field": SMALL_FIELD, "sampler": {"n_samples": 16}},
    "method:ngp": {"field": {"encoding": HASH}, "sampler": {"resolution": 16, "num_samples": 64}},
    "method:neus": {
        "field": OPTIONS["field:neus"], "sampler": OPTIONS["sampler:neus"],
        "background": {"field": OPTIONS["field:inverted-sphere"]},
    },
}  # fmt: skip


WAIVED: dict[str, dict[str, str]] = {}


def written(name: str, scene: Scene, into: str = "capture"):
    """An example that the format's own writer makes of a scene."""

    def make(folder: Path) -> Example:
        writer = get_registry().find("dataparser", name).writer
        root = folder / into
        root.mkdir()
        load(writer)({"train": scene, "val": scene, "test": scene}, root)
        return Example(root)

    return make


EXAMPLES = {}
