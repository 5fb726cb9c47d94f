"""Exported Gaussians give the same picture to cameras in data coordinates."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from radfield_splat.config import SplatConfig, SplatExporterConfig
from radfield_splat.exporter import SplatExporter
from radfield_splat.gaussians import Gaussians
from radfield_splat.model import SplatModel
from radfield_splat.rasterizer import rasterize
from radfield_splat.similarity import transformed
from radfield_splat.splat_files import read_splats, write_splats
from splat_scenes import scene, view

from radfield_core import BuildContext, PluginError, SceneBox
from radfield_core.cameras import View
from radfield_core.testing import toy_scene
from radfield_core.testing.toy_growing import ToyPainting


def similarity(scale: float, seed: int = 0) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    rotation = torch.linalg.qr(torch.randn(3, 3, generator=g, dtype=torch.float64)).Q
    matrix = torch.eye(4, dtype=torch.float64)
    matrix[:3, :3] = scale * rotation * rotation.det()
    matrix[:3, 3] = torch.tensor([3.0, -1.0, 0.5])
    return matrix


@pytest.mark.parametrize("degree", range(4))
@pytest.mark.parametrize("seed", range(3))
def test_a_camera_that_is_transformed_with_the_gaussians_sees_the_same_image(degree, seed):
    parameters, seen, matrix = [x.double() for x in scene(degree=degree)], view(), similarity(2.5, seed)
    gaussians = Gaussians(*parameters)
    c2w = matrix[:3, :3] @ seen.c2w.double()
    c2w[:, :3] /= 2.5
    c2w[:, 3] += matrix[:3, 3]
    before, after = rasterize(gaussians, seen), rasterize(transformed(gaussians, matrix), View(c2w, seen.camera))
    assert torch.allclose(before.rgb, after.rgb, atol=1e-6)
    assert torch.allclose(2.5 * before.depth, after.depth, atol=1e-6)


@pytest.mark.parametrize("degree", range(4))
def test_a_ply_file_that_is_read_again_has_the_same_bits(degree, tmp_path):
    gaussians = Gaussians(*scene(20, degree))
    assert write_splats(tmp_path / "a.ply", gaussians) == []
    found = read_splats(tmp_path / "a.ply")
    assert all(torch.equal(x, y) for x, y in zip(gaussians.tensors(), found.tensors(), strict=True))


@pytest.mark.parametrize(("ending", "decibels"), [("ply", 100), ("spz", 45), ("splat", 40)])
def test_an_exported_model_gives_its_picture_again_from_a_camera_in_data_coordinates(
    ending, decibels, tmp_path, caplog
):
    matrix = similarity(0.4)
    model = SplatModel(SplatConfig(start_gaussians=100, degree=2), BuildContext(SceneBox(torch.zeros(3), radius=1.0)))
    model.base_colors.data.uniform_(-1, 1)
    model.harmonics.data.normal_(0, 0.0 if ending == "splat" else 0.3)
    model.quaternions.data.normal_()
    seen = toy_scene().cameras.view(0)
    exported = replace(toy_scene(), to_data=matrix)
    (path,) = SplatExporter(SplatExporterConfig()).export(model, exported, tmp_path / f"out.{ending}")
    c2w = matrix[:3, :3] @ seen.c2w.double()
    c2w[:, :3] /= 0.4
    c2w[:, 3] += matrix[:3, 3]
    before = model.render(seen).rgb
    after = rasterize(read_splats(path), View(c2w, seen.camera)).rgb.flatten(0, 1)
    assert before.std() > 0.02 and -10 * (before - after).square().mean().log10() > decibels
    assert ("a .ply file holds everything" in caplog.text) == (ending != "ply")


def test_a_model_without_gaussians_is_refused(tmp_path):
    with pytest.raises(PluginError, match="has no Gaussians to export"):
        SplatExporter(SplatExporterConfig()).export(ToyPainting(), toy_scene(), tmp_path / "out.ply")
