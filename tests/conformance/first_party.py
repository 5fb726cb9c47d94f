"""Options that keep first-party parts small, the data sets that dataparsers are shown, and every waiver."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import trimesh
from PIL import Image
from scipy.spatial.transform import Rotation

from radfield_core.config.layers import compose_data, compose_part
from radfield_core.plugin import load
from radfield_core.plugins.registry import get_registry
from radfield_core.render.backgrounds import on_background
from radfield_core.testing import Example, Exported
from radfield_core.testing.captures import toy_capture

SMALL_HASH = {"n_levels": 2, "log2_table_size": 9}
OPTIONS = {
    "encoding:hash": {"n_levels": 4, "log2_table_size": 12, "finest_resolution": 64},
    "field:nerf": {"depth": 3, "width": 32, "skip_layer": 2, "color_width": 16},
    "field:mipnerf": {"depth": 3, "width": 32, "skip_layer": 2, "color_width": 16},
    "field:neus": {"width": 64, "n_layers": 3, "skip_layer": 2, "n_features": 16, "color_width": 32, "color_layers": 2},
    "field:ngp": {"width": 16, "color_width": 16},
    "field:inverted-sphere": {"width": 32, "n_layers": 3, "skip_layer": 2},
    "method:splat": {
        "start_gaussians": 200,
        "max_gaussians": 300,
        "degree": 1,
        "degree_interval": 0,
        "relocate_every": 2,
    },
    "sampler:occupancy": {"resolution": 16, "num_samples": 64},
    "sampler:mip": {"n_samples": 16},
    "sampler:neus": {"n_samples": 16, "n_importance": 16},
    "sampler:proposal": {"n_proposals": [16, 12], "n_samples": 8, "encoding": SMALL_HASH},
    "sampler:importance": {"n_samples": 16, "n_importance": 16},
    "dataparser:llff": {"holdout": 0},
    "dataparser:colmap": {"holdout": 0},
    "dataparser:transforms": {"holdout": 0},
    "dataparser:tiny-nerf": {"n_train": 2},
    "dataparser:synthetic": {"resolution": 16, "n_train": 3, "n_val": 2, "n_test": 2, "supersample": 1},
    "converter:multiscale": {"n_down": 2},
    "observer:viewer": {"port": 0},
    "exporter:mesh": {"resolution": 48},
    "exporter:tsdf": {"resolution": 8, "truncation": 3.0, "min_views": 1, "close_holes": 200},
    "exporter:pointcloud": {"n_points": 2000},
    "metric:chamfer": {"resolution": 48, "n_samples": 4000},
    "metric:point-to-mesh": {"resolution": 48},
    "metric:texture": {"resolution": 24},
}
SMALL_FIELD = {"depth": 3, "width": 32, "skip_layer": 2, "color_width": 16}
HASH = {"type": "hash", "n_levels": 4, "log2_table_size": 12}
RUN = {
    "method:nerf": {"field": SMALL_FIELD, "sampler": {"n_samples": 16, "n_importance": 16}},
    "method:tiny-nerf": {"field": {"width": 32}},
    "method:mipnerf": {"field": SMALL_FIELD, "sampler": {"n_samples": 16}},
    "method:ngp": {"field": {"encoding": HASH}, "sampler": {"resolution": 16, "num_samples": 64}},
    "method:capture": {
        "field": {"encoding": HASH}, "sampler": {"n_proposals": [16, 12], "n_samples": 8, "encoding": SMALL_HASH},
    },
    "method:neus": {
        "field": OPTIONS["field:neus"], "sampler": OPTIONS["sampler:neus"],
        "background": {"field": OPTIONS["field:inverted-sphere"]},
    },
}  # fmt: skip


WAIVED: dict[str, dict[str, str]] = {
    "sampler:neus": {
        "samples_are_inside_the_extent": "as published: the last interval is one step long beyond far, and in training "
        "a ray's samples are shifted together by up to half a step",
    },
    "exporter:tsdf": {
        "surfaces_are_watertight": "parts of the sphere that no view sees stay open",
    },
    "exporter:sdf-slices": {
        "no_surface_raises_an_error": "a signed distance without a zero is worth a picture too",
    },
}

VIEW, ROW, COLUMN = 0, 5, 9


def written(name: str, masks: bool = False):
    """An example that the format's own writer makes of nine views, with a ray worked out by hand."""

    def make(folder: Path) -> Example:
        scene = toy_capture(masks=masks, forward=name == "llff")
        root = folder / "capture"
        root.mkdir()
        load(get_registry().find("dataparser", name).writer)({"train": scene}, root)
        c2w, focal = scene.cameras.c2w[VIEW].numpy(), 32.0
        local = np.array([(COLUMN + 0.5 - 16) / focal, -(ROW + 0.5 - 12) / focal, -1.0])
        direction = c2w[:, :3] @ (local / np.linalg.norm(local))
        color = tuple(scene.images[VIEW][ROW, COLUMN].tolist())
        return Example(root, (VIEW, ROW, COLUMN), color, tuple(c2w[:, 3]), tuple(direction))

    return make


def multiscale(folder: Path) -> Example:
    """The Blender example at several scales; its first view is the first one at full size."""
    first = written("blender")(folder)
    choice = compose_part(get_registry(), "converter", "multiscale")
    for split in ("val", "test"):
        shutil.copy(first.root / "transforms_train.json", first.root / f"transforms_{split}.json")
    choice.load()(choice.config).convert(first.root, folder / "multiscale")
    return replace(first, root=folder / "multiscale")


def all_splits(folder: Path) -> Example:
    """The Blender example with the training views in every split, as its converter wants them."""
    example = written("blender")(folder)
    for split in ("val", "test"):
        shutil.copy(example.root / "transforms_train.json", example.root / f"transforms_{split}.json")
    return example


def tiny_nerf(folder: Path) -> Example:
    """Arrays written by hand: three views from (0, 0, 4) downwards, one pixel red."""
    images = np.zeros((3, 8, 12, 3), np.float32)
    images[VIEW, ROW, COLUMN] = (1.0, 0.0, 0.0)
    poses = np.tile(np.eye(4, dtype=np.float32), (3, 1, 1))
    poses[:, 2, 3] = 4.0
    np.savez(folder / "tiny.npz", images=images, poses=poses, focal=np.float32(20.0))
    local = np.array([(COLUMN + 0.5 - 6) / 20, -(ROW + 0.5 - 4) / 20, -1.0])
    direction = tuple(local / np.linalg.norm(local))
    return Example(folder / "tiny.npz", (VIEW, ROW, COLUMN), (255, 0, 0), (0.0, 0.0, 4.0), direction)


def photographs(folder: Path) -> Example:
    """Eight pictures of a wall with much detail, taken side by side: cameras are found each time."""
    overrides = ["data.scene=facade", "data.resolution=320", "data.n_train=8", "data.supersample=1"]
    choice, _ = compose_data(get_registry(), "synthetic", overrides)
    images = choice.load()(choice.config).parse("train").images
    for i in range(len(images)):
        rgb = on_background(images[i], None)
        Image.fromarray((255 * rgb).byte().numpy()).save(folder / f"{i}.png")
    return Example(folder)


def reconstruction(folder: Path) -> Example:
    """Eight pictures of the synthetic scene with their cameras, as a reconstruction without points."""
    overrides = ["data.resolution=160", "data.n_train=8", "data.layout=forward", "data.supersample=1"]
    choice, _ = compose_data(get_registry(), "synthetic", overrides)
    scene = choice.load()(choice.config).parse("train")
    write = load(get_registry().find("dataparser", "colmap").writer or "")
    write({"train": replace(scene, ground_truth=None, depths=None)}, folder)
    return Example(folder)


EXAMPLES = {
    "dataparser:blender": written("blender"),
    "dataparser:blender-multiscale": multiscale,
    "dataparser:tiny-nerf": tiny_nerf,
    "dataparser:transforms": written("transforms"),
    "dataparser:colmap": written("colmap"),
    "dataparser:llff": written("llff"),
    "dataparser:dtu": written("dtu"),
    "converter:multiscale": all_splits,
    "converter:photographs": photographs,
    "converter:triangulated": reconstruction,
}


def exported_cameras(path: Path) -> Exported:
    """Cameras or points of a file of exporter:cameras."""
    if path.name == "transforms.json":
        return Exported(cameras=[frame["transform_matrix"] for frame in json.loads(path.read_text())["frames"]])
    if path.suffix == ".ply":
        return Exported(vertices=trimesh.load(path).vertices)
    rows = [line.split() for line in path.read_text().split("\n")[1:-1]]
    if path.name == "points3D.txt":
        return Exported(vertices=[list(map(float, row[1:4])) for row in rows])
    poses = [list(map(float, row[1:8])) for row in rows[::2]]
    turns = [Rotation.from_quat([*pose[1:4], pose[0]]).as_matrix().T for pose in poses]
    cameras = [np.column_stack([turn * [1, -1, -1], -turn @ pose[4:]]) for turn, pose in zip(turns, poses, strict=True)]
    return Exported(cameras=cameras)


READ = {"exporter:cameras": exported_cameras}
