"""Every method learns a scene equally well at every scale: the same folder, with all lengths multiplied by a factor.

Two factors are powers of ten and one is not. The tests change the files alone, as the unit of a capture would.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from radfield_blender.writer import write_blender
from radfield_colmap.writer import write as write_colmap
from radfield_dtu.writer import write as write_dtu
from radfield_llff.writer import write as write_llff
from radfield_transforms.writer import write as write_transforms

from radfield_core.config.layers import compose
from radfield_core.data.scene import Scene
from radfield_core.plugins.registry import get_registry
from radfield_core.render.evaluation import evaluate_all
from radfield_core.runs.scenes import Scenes
from radfield_core.testing.captures import toy_capture
from radfield_core.testing.training import toy_scene
from radfield_core.testing.under_test import make_trainer

FACTORS = (1.0, 0.01, 37.0)
STEPS = ("trainer.max_steps=30", "trainer.n_rays=64", "trainer.target_samples=none", "trainer.device=cpu")
MLP = ("field.depth=2", "field.width=24", "field.skip_layer=none", "method.lr=1e-2")
HASH = ("field.encoding.n_levels=4", "field.encoding.log2_table_size=11", "field.encoding.finest_resolution=32")
GRID = ("sampler.resolution=16", "sampler.num_samples=48")
SURFACE = ("field.width=48", "field.n_layers=2", "field.skip_layer=none", "field.n_features=8", "field.color_width=16",
           "field.color_layers=1", "method.warmup_steps=5", "method.lr=1e-2")  # fmt: skip
ROUNDS = ("sampler.n_samples=12", "sampler.n_importance=8", "sampler.n_rounds=2")
OUTSIDE = ("background.field.width=16", "background.field.n_layers=2", "background.field.skip_layer=none",
           "background.sampler.n_samples=6")  # fmt: skip
METHODS = {
    "nerf": (*MLP, "sampler.n_samples=12", "sampler.n_importance=8"),
    "tiny-nerf": (*MLP, "sampler.n_samples=16"),
    "mipnerf": (*MLP, "method.lr_delay_steps=0", "sampler.n_samples=12"),
    "ngp": (*HASH, *GRID, "method.lr_milestones=[]"),
    "ngp-capture": (*HASH, *GRID, "method.lr_milestones=[]", "sampler.cone_angle=0.03"),
    "capture": (*HASH, "sampler.n_proposals=[16,12]", "sampler.n_samples=8", "sampler.encoding.log2_table_size=9"),
    "neus": (*SURFACE, *ROUNDS, *OUTSIDE),
    "neus-masks": (*SURFACE, *ROUNDS, "method.background=white"),
    "neus-fast": (*HASH, *GRID, "field.width=24", "method.warmup_steps=5"),
    "neus-fast-open": (*HASH, *GRID, "field.width=24", "method.warmup_steps=5", "background.field.encoding.n_levels=2",
                       "background.field.encoding.log2_table_size=10", "background.sampler.n_samples=6"),
}  # fmt: skip


def scaled(scene: Scene, factor: float) -> Scene:
    """The same scene, whose data are in units in which all lengths are `factor` times as large."""
    to_data = scene.to_data.clone()
    to_data[:3] *= factor
    return dataclasses.replace(scene, to_data=to_data)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Mapping[float, Path]:
    """A Blender folder of the toy scene at each scale. The cameras are as far away as those of NeRF's scenes."""
    made = {factor: tmp_path_factory.mktemp("blender") for factor in FACTORS}
    size = (16.25 / (16 + 1.6**2)) ** 0.5
    for factor, folder in made.items():
        write_blender(
            {"train": scaled(toy_scene(8), factor * size), "test": scaled(toy_scene(3), factor * size)}, folder
        )
    return made


def psnr_after_training(method: str, folder: Path, out: Path, *words: str) -> float:
    run = compose(get_registry(), method=method, data=folder, overrides=[*METHODS[method], *STEPS, *words]).run
    trainer = make_trainer(run, out)
    before = evaluated(trainer, run)
    assert trainer.train() == "max_steps"
    after = evaluated(trainer, run)
    assert after > before + 1, "the scene is learned, or equal results would show nothing"
    return after


def evaluated(trainer: Any, run: Any) -> float:
    """Mean PSNR of the test views."""
    found = evaluate_all(trainer.model, trainer.method, Scenes(run).get("test"), 4096, "", quiet=True)
    return sum(result.metrics["psnr"] for result in found) / len(found)


@pytest.mark.parametrize("method", METHODS)
def test_a_method_reaches_the_same_quality_at_three_scales(method: str, folders, tmp_path: Path) -> None:
    found = {factor: psnr_after_training(method, folders[factor], tmp_path / f"{factor}") for factor in FACTORS}
    assert max(found.values()) - min(found.values()) < 0.2, found


UNSCALED = ("data.auto_scale=false",)  # the size of these captures is kept where a power of ten makes it a usual one
FORMATS = {
    "transforms": (write_transforms, False, ()),
    "transforms, not scaled": (write_transforms, False, UNSCALED),
    "colmap": (write_colmap, False, ()),
    "colmap, not scaled": (write_colmap, False, UNSCALED),
    "llff in NDC": (write_llff, True, ()),
    "llff": (write_llff, True, ("data.ndc=false",)),
    "llff, spherical": (write_llff, False, ("data.spherify=true",)),
    "dtu": (write_dtu, False, ()),
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_capture_of_every_format_is_the_same_scene_at_three_scales(name: str, tmp_path: Path) -> None:
    write, forward, words = FORMATS[name]
    found = []
    for factor in (1.0, 0.01, 100.0 if words == UNSCALED else 37.0):
        folder = tmp_path / f"{factor}"
        write({"train": scaled(toy_capture(9, size=(8, 6), forward=forward), factor)}, folder)
        found.append(Scenes(compose(get_registry(), method="tiny-nerf", data=folder, overrides=words).run).get("train"))
    for scene in found[1:]:
        for of in (
            lambda s: s.cameras.c2w,
            lambda s: torch.tensor([s.near, s.far, s.box.radius]),
            lambda s: s.box.center,
        ):
            torch.testing.assert_close(of(scene).double(), of(found[0]).double(), rtol=1e-4, atol=1e-4)
