"""The presets of published sizes: their numbers beside the published ones, and three steps on data that fit.

Sources: the configurations of instant-nsr-pl (configs/*.yaml), of NeuS (confs/*.conf), of mip-NeRF (configs/*.gin), the
README of nerf_pl, and the tutorial "NeRF From Nothing".
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from radfield_blender.writer import write_blender
from radfield_dtu.writer import write as write_dtu

from radfield_core import compose, get_registry
from radfield_core.config.run import RunConfig
from radfield_core.interfaces import BuildContext, method_of
from radfield_core.model import build_model, level_loop
from radfield_core.testing.training import toy_scene
from radfield_core.testing.under_test import make_trainer
from radfield_core.train.groups import Groups
from radfield_core.types import SceneBox, Step

SMALL_GRID = ("field.encoding.log2_table_size=10", "sampler.resolution=16", "sampler.num_samples=64",
              "trainer.target_samples=512", "trainer.n_rays=16")  # fmt: skip
SMALL_BACKGROUND = ("background.field.encoding.log2_table_size=10", "background.sampler.resolution=16")
SMALL_MLP = ("field.depth=2", "field.width=32", "field.skip_layer=none", "trainer.n_rays=8", "sampler.n_samples=16")
GRID = {name: SMALL_GRID for name in ("neus-blender", "neus-dtu-wmask", "neuralangelo-dtu-wmask", "nerf-colmap")}
OPEN = {
    name: (*SMALL_GRID, *SMALL_BACKGROUND)
    for name in ("neus-dtu", "neus-colmap", "neuralangelo-dtu", "neuralangelo-colmap")
}
MIP = {name: SMALL_MLP for name in ("mipnerf-blender", "mipnerf-noipe", "mipnerf-noextras", "mipnerf-noloss")}
MLP = {name: (*SMALL_MLP, "sampler.n_importance=8") for name in ("nerf-pl", "nerf-pl-llff", "nerf-tutorial")}
THIN = {
    "neus-thin-structure": (
        "field.n_layers=2", "field.skip_layer=none", "field.width=32", "field.n_features=8", "field.color_width=16",
        "trainer.n_rays=8",
    )
}  # fmt: skip
RECIPES = {**GRID, **OPEN, **MIP, **MLP, **THIN}

# preset -> steps, first rays per step, largest samples per ray, samples behind, weights of L1, MSE, eikonal, mask
SURFACES: dict[str, tuple[int, int, int, int, float, float, float, float]] = {
    "neus-blender": (20_000, 256, 1024, 0, 0, 10, 0.1, 0.1),
    "neus-dtu": (20_000, 256, 1024, 64, 1, 0, 0.1, 0),
    "neus-dtu-wmask": (20_000, 256, 1024, 0, 1, 0, 0.1, 0),
    "neus-colmap": (20_000, 256, 1024, 256, 0, 10, 0.1, 0),
    "neuralangelo-dtu-wmask": (20_000, 512, 1024, 0, 1, 0, 0.1, 0.1),
    "neuralangelo-dtu": (20_000, 512, 1024, 64, 1, 0, 0.1, 0),
    "neuralangelo-colmap": (200_000, 512, 4096, 256, 1, 1, 0.1, 0),
}
WARM = ("neus-blender", "neus-colmap", "neuralangelo-colmap")


def run_of(preset: str, *words: str) -> RunConfig:
    return compose(get_registry(), method=preset, overrides=list(words), needs_data=False).run


def rates_of(run: RunConfig, steps: tuple[int, ...]) -> dict[str, list[float]]:
    """Name of each parameter group -> its learning rates at some steps."""
    torch.manual_seed(0)
    context = BuildContext(SceneBox(torch.zeros(3), 1.0), n_images=1, run=run, make_loop=level_loop)
    groups = Groups(method_of(run.method), build_model(method_of(run.method), context))
    at = [groups.rates(Step(index, run.trainer.max_steps, 0)) for index in steps]
    return {table["name"]: list(rates) for table, rates in zip(groups.tables, zip(*at, strict=True), strict=True)}


def torch_rates(base: float, max_steps: int, warm: bool, steps: tuple[int, ...]) -> list[float]:
    """The rates that torch's schedulers give, as instant-nsr-pl joins them."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=base)
    first = 500 if warm else 5000
    start = (
        torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.01, total_iters=first)
        if warm
        else torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0, total_iters=first)
    )
    fall = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.1 ** (1 / (max_steps - first)))
    both = torch.optim.lr_scheduler.SequentialLR(optimizer, [start, fall], milestones=[first])
    found = {}
    for index in range(max(steps) + 1):
        found[index] = optimizer.param_groups[0]["lr"]
        optimizer.step()
        both.step()
    return [found[index] for index in steps]


@pytest.mark.parametrize("preset", SURFACES)
def test_surface_recipes_have_the_published_numbers(preset: str) -> None:
    steps, rays, samples, behind, l1, mse, eikonal, mask = SURFACES[preset]
    run = run_of(preset)
    field, method, trainer = run.field.config, run.method.config, run.trainer
    assert (trainer.max_steps, trainer.n_rays) == (steps, rays)
    assert trainer.target_samples == rays * (samples + behind)
    assert (run.sampler.config.resolution, run.sampler.config.num_samples) == (128, samples)
    assert run.sampler.config.threshold == 0.001
    assert (method.l1.constant, method.mse.constant, method.mask.constant) == (l1, mse, mask)
    assert field.eikonal.constant == eikonal
    assert (field.width, field.n_layers, field.n_features, field.color_layers, field.color_width) == (64, 1, 13, 2, 64)
    grid = field.encoding.config
    assert (grid.n_levels, grid.base_resolution) == (16, 32)
    growth = (grid.finest_resolution / grid.base_resolution) ** (1 / (grid.n_levels - 1))
    assert growth == pytest.approx(1.3195079107728942, rel=1e-9)
    detailed = preset.startswith("neuralangelo")
    assert (grid.n_features, grid.log2_table_size) == ((8, 22) if detailed else (2, 19))
    assert (field.normals == "finite_differences", field.fd_step == "progressive") == (detailed, detailed)
    assert (run.background is not None) == (behind > 0)
    if run.background is not None:
        assert run.background.sampler.config.resolution == 256
        # 64 or 256 steps from 0.1 to 1000, each a constant factor longer than the one before
        published = {64: 0.114, 256: 0.0274}[behind]
        assert run.background.sampler.config.cone_angle == published
    assert (method.betas, method.eps, method.weight_decay) == ((0.9, 0.99), 1e-15, 0.01)


@pytest.mark.parametrize("preset", [name for name in SURFACES if name != "neuralangelo-colmap"])
def test_rates_of_surface_recipes_are_those_of_torch_s_schedulers(preset: str) -> None:
    run = run_of(preset, *RECIPES[preset][:1], *(SMALL_BACKGROUND if preset in OPEN else ()))
    steps = (0, 1, 250, 499, 500, 4999, 5000, 12_000, 19_999)
    found = rates_of(run, steps)
    networks = torch_rates(1e-2, run.trainer.max_steps, preset in WARM, steps)
    sharpness = torch_rates(1e-3, run.trainer.max_steps, preset in WARM, steps)
    assert found.pop("sharpness") == pytest.approx(sharpness, rel=1e-4)
    for name, rates in found.items():
        assert rates == pytest.approx(networks, rel=1e-4), name


def test_the_number_of_entries_of_neuralangelo_s_grid_is_the_published_one() -> None:
    """16 levels of at most 2²² entries with 8 features, of which coarse levels have one entry per vertex."""
    from radfield_hash import levels

    grid = run_of("neuralangelo-dtu").field.config.encoding.config
    built = levels.build(
        grid.n_levels, grid.n_features, grid.log2_table_size, grid.base_resolution, grid.finest_resolution
    )
    entries = 0
    for level in range(16):
        scale = 32 * 1.3195079107728942**level - 1
        vertices = (math.ceil(scale) + 1) ** 3
        entries += min(2**22, (vertices + 7) // 8 * 8)
    assert built.n_entries == pytest.approx(entries, rel=2e-3)  # the published growth is rounded to float32
    assert built.n_features * built.n_entries == pytest.approx(340e6, rel=0.1)


def test_nerf_pl_halves_its_rate_after_the_epochs_of_its_recipe() -> None:
    run = run_of("nerf-pl")
    pixels = 100 * 400 * 400
    epoch = pixels // 1024
    assert run.trainer.max_steps == 16 * epoch == 250_000
    assert (run.sampler.config.n_samples, run.sampler.config.n_importance, run.trainer.n_rays) == (64, 64, 1024)
    steps = tuple(int(epoch * share) for share in (0, 1.9, 2.1, 3.9, 4.1, 7.9, 8.1, 15.9))
    (rates,) = rates_of(run, steps).values()
    assert rates == pytest.approx([5e-4 * 0.5**k for k in (0, 0, 1, 1, 2, 2, 3, 3)])


def test_nerf_pl_halves_its_rate_for_photographs_after_10_and_20_of_30_epochs() -> None:
    run = run_of("nerf-pl-llff")
    epoch = 20 * 504 * 378 // 1024
    assert run.trainer.max_steps == 30 * epoch
    steps = tuple(int(epoch * share) for share in (0, 9.9, 10.1, 19.9, 20.1, 29.9))
    (rates,) = rates_of(run, steps).values()
    assert rates == pytest.approx([5e-4 * 0.5**k for k in (0, 0, 1, 1, 2, 2)])
    assert run.field.config.density_noise == 1.0


def test_the_tutorial_has_two_small_networks_and_rays_of_one_image() -> None:
    run = run_of("nerf-tutorial")
    field, trainer = run.field.config, run.trainer
    assert (field.depth, field.width, field.skip_layer) == (2, 128, None)
    assert (trainer.n_rays, trainer.pixels, trainer.center_steps, trainer.max_steps) == (2**14, "one_image", 50, 10_000)
    assert (run.sampler.config.n_samples, run.sampler.config.n_importance) == (64, 64)


@pytest.mark.parametrize(
    ("preset", "changed"),
    [
        ("mipnerf-blender", {"trainer.pixels": "one_image"}),
        ("mipnerf-noipe", {"field.disable_integration": True}),
        ("mipnerf-noloss", {"method.multiscale_loss": False}),
        ("mipnerf-noextras", {"field.density_activation": "relu", "field.density_bias": 0.0, "field.rgb_padding": 0.0}),
    ],
)
def test_ablations_of_mip_nerf_differ_from_it_in_the_published_options_alone(
    preset: str, changed: dict[str, Any]
) -> None:
    words = [f"{path}={str(value).lower()}" for path, value in changed.items()]
    base, ablation = run_of("mipnerf", *words), run_of(preset)
    configs = [
        (run.field.config, run.sampler.config, run.method.config, run.renderer.config, run.trainer)
        for run in (base, ablation, run_of("mipnerf"))
    ]
    assert configs[0] == configs[1] != configs[2]


def test_nerf_colmap_has_the_published_numbers() -> None:
    run = run_of("nerf-colmap")
    grid, march = run.field.config.encoding.config, run.sampler.config
    assert (grid.n_levels, grid.n_features, grid.log2_table_size) == (16, 2, 19)
    assert (march.resolution, march.num_samples, march.cone_angle, march.threshold) == (256, 2048, 0.0045, 0.01)
    assert run.method.config.distortion.constant == 1e-3
    assert (run.trainer.n_rays, run.trainer.target_samples) == (128, 128 * 2048)
    method = method_of(run.method)
    scales = [method.lr_scale(Step(index, 20_000, 0), "networks") for index in (0, 9_999, 10_000, 15_000, 18_000)]
    assert scales == pytest.approx([1, 1, 0.33, 0.33**2, 0.33**3])


@pytest.fixture(scope="module")
def blender(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("blender")
    write_blender({"train": toy_scene(6), "test": toy_scene(2)}, folder)
    return folder


@pytest.fixture(scope="module")
def dtu(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dtu")
    write_dtu({"train": toy_scene(6), "test": toy_scene(2)}, folder)
    return folder


@pytest.mark.parametrize("preset", RECIPES)
def test_every_recipe_takes_three_steps_on_data_that_fit(preset: str, blender: Path, dtu: Path, tmp_path: Path) -> None:
    data = dtu if "dtu" in preset else blender
    words = [*RECIPES[preset], "trainer.device=cpu"]
    words += ["data.apply_mask=true"] if preset.endswith("wmask") else []
    trainer = make_trainer(compose(get_registry(), method=preset, data=data, overrides=words).run, tmp_path)
    before = {name: tensor.detach().clone() for name, tensor in trainer.model.named_parameters()}
    for index in range(3):
        trainer._take(Step(index, trainer.config.max_steps, 0))
    assert trainer.counters.skipped == 0
    moved = [name for name, tensor in trainer.model.named_parameters() if not torch.equal(tensor, before[name])]
    assert len(moved) >= len(before) // 2, "most parameters have been trained"
