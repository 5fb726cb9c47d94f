"""Dataparsers and converters with one fault each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from radfield_blender.convert_multiscale import MultiscaleConverter
from radfield_blender.tiny_nerf import TinyNerfParser
from radfield_blender.writer import write_blender

from mutants.caught import caught_by
from radfield_core.data.images import MemoryImages


@caught_by("example_pixel_has_its_color", "dataparser:tiny-nerf")
class FlipsImages(TinyNerfParser):
    def parse(self, split):
        scene = super().parse(split)
        return replace(
            scene, images=MemoryImages(torch.stack([scene.images[i].flip(0) for i in range(len(scene.images))]))
        )


@caught_by("example_pixel_has_its_ray", "dataparser:tiny-nerf")
class TakesOpenCvForOpenGl(TinyNerfParser):
    def parse(self, split):
        scene = super().parse(split)
        turned = scene.cameras.c2w * torch.tensor([1.0, -1.0, -1.0, 1.0], dtype=torch.float64)
        return replace(scene, cameras=replace(scene.cameras, c2w=turned))


@caught_by("scenes_are_valid", "dataparser:tiny-nerf")
class PutsNearBehindFar(TinyNerfParser):
    def parse(self, split):
        scene = super().parse(split)
        return replace(scene, near=scene.far, far=scene.near)


@caught_by("scene_contents_are_declared", "dataparser:tiny-nerf")
class HidesItsPoints(TinyNerfParser):
    def parse(self, split):
        return replace(super().parse(split), points=torch.zeros(4, 3))


@caught_by("broken_data_raises_dataset_error", "dataparser:tiny-nerf")
class RaisesWhateverNumpyRaises(TinyNerfParser):
    def parse(self, split):
        if split in self.splits:
            np.load(self.config.root, allow_pickle=False)["images"]
        return super().parse(split)


@caught_by("sniff_recognizes_only_its_own_data", "dataparser:tiny-nerf", sniff="mutants.data:takes_everything")
class TakesEverything(TinyNerfParser):
    pass


def takes_everything(path: Any) -> str:
    return "why not"


@caught_by("writer_and_parser_agree", "dataparser:blender", writer="mutants.data:half_a_pixel_off")
class WritesHalfAPixelOff:
    pass


def half_a_pixel_off(scenes: Any, folder: Any) -> Any:
    """A focal length that is half a pixel too long."""
    longer = {}
    for split, scene in scenes.items():
        intrinsics = scene.cameras.intrinsics + torch.tensor([0.5, 0.5, 0.0, 0.0], dtype=torch.float64)
        longer[split] = replace(scene, cameras=replace(scene.cameras, intrinsics=intrinsics))
    return write_blender(longer, folder)


@caught_by("conversion_is_complete_or_absent", "converter:multiscale")
class WritesOverWhatIsThere(MultiscaleConverter):
    def convert(self, source, target, progress=None):
        if target.exists():
            return [path for path in target.rglob("*") if path.is_file()]
        return super().convert(source, target, progress)
