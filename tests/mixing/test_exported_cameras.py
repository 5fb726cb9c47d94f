"""exporter:cameras: what it writes for a run is read back by the project's own dataparsers, with the same poses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from radfield_core import Scene, compose, compose_part, export, get_registry, open_run, train_run
from radfield_core.config.layers import compose_data
from radfield_core.data import transform_cameras
from radfield_core.files.pictures import write_picture
from radfield_core.plugin import load
from radfield_core.testing import toy_scene

WORDS = ["field.width=8", "field.depth=2", "field.skip_layer=none", "trainer.max_steps=2", "trainer.n_rays=8"]


def poses_in_data(scene: Scene) -> np.ndarray:
    return transform_cameras(scene.to_data.double().numpy(), scene.cameras.c2w.double().numpy())


def read(format: str, folder: Path) -> Scene:
    choice, _ = compose_data(get_registry(), str(folder), [f"data.type={format}", "data.holdout=0"])
    return choice.load()(choice.config).parse("train")


@pytest.mark.parametrize("rays", ["rays=none", "rays=poses"])
def test_exported_cameras_are_read_back(tmp_path: Path, rays: str) -> None:
    data = tmp_path / "data"
    data.mkdir()
    load(get_registry().find("dataparser", "transforms").writer)({"train": toy_scene()}, data)
    words = [*WORDS, f"data.root={data}", "data.type=transforms", "data.holdout=0", rays]
    run = compose(get_registry(), method="tiny-nerf", overrides=words).run
    trained = open_run(train_run(run, out=tmp_path / "run", quiet=True).folder)
    given = poses_in_data(trained.scenes.views("train"))
    if trained.model.ray_transform is not None:
        with torch.no_grad():
            trained.model.ray_transform.twists.add_(
                0.05 * torch.randn(6, 6, generator=torch.Generator().manual_seed(0))
            )
    expected = poses_in_data(trained.scenes.views("train"))
    assert (np.abs(expected - given).max() > 0.01) == (rays == "rays=poses")
    out = tmp_path / "cameras"
    export(trained, compose_part(get_registry(), "exporter", "cameras"), out)
    for name in trained.scenes.views("train").names:
        for folder in (out, out / "images"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            write_picture(folder / name, np.zeros((16, 16, 3), np.uint8))
    for format in ("transforms", "colmap"):
        found = read(format, out)
        assert found.cameras.sizes.tolist() == [[16, 16]] * 6
        np.testing.assert_allclose(poses_in_data(found), expected, atol=1e-6)
        np.testing.assert_allclose(found.cameras.intrinsics[:, :2], 22.4)
