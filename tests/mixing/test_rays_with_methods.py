"""rays:poses trains under methods of every kind of sampler and field, with and without a learned background."""

from __future__ import annotations

from pathlib import Path

import pytest

from radfield_core import UsageError, compose, get_registry, open_run, train_run
from radfield_core.plugin import load
from radfield_core.testing import toy_capture

SMALL = ["trainer.max_steps=2", "trainer.n_rays=16", "trainer.target_samples=none", "trainer.eval_views=0"]
SCENE = ["data.resolution=8", "data.n_train=4", "data.n_val=1", "data.n_test=1"]
MIXES = {
    "nerf-small": ["sampler.n_samples=8", "sampler.n_importance=8"],
    "mipnerf-small": ["sampler.n_samples=8"],
    "ngp-small": ["field.encoding.log2_table_size=10", "sampler.resolution=16", "sampler.num_samples=64"],
    "ngp-capture": ["field.encoding.log2_table_size=10", "sampler.resolution=16", "sampler.num_samples=64"],
    "neus-fast": ["field.encoding.log2_table_size=10", "sampler.resolution=16", "trainer.samples_per_chunk=64"],
}


@pytest.mark.parametrize("method", MIXES)
def test_poses_are_learned_under_every_method(tmp_path: Path, method: str) -> None:
    words = ["data.type=synthetic", "rays=poses", *SCENE, *SMALL, *MIXES[method]]
    run = compose(get_registry(), method=method, overrides=words).run
    trained = open_run(train_run(run, out=tmp_path / "run", quiet=True).folder)
    twists = trained.model.ray_transform.twists
    assert twists.shape == (4, 6) and bool(twists.isfinite().all()) and bool((twists != 0).any(dim=1).all())


def test_poses_of_rays_in_ndc_are_refused_before_training(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    load(get_registry().find("dataparser", "llff").writer)({"train": toy_capture(forward=True)}, tmp_path / "data")
    words = [
        "data.type=llff",
        f"data.root={tmp_path / 'data'}",
        "data.holdout=0",
        "data.ndc=true",
        "rays=poses",
        *SMALL,
    ]
    run = compose(get_registry(), method="tiny-nerf", overrides=words).run
    with pytest.raises(UsageError, match="rays 'poses' corrects cameras, which is impossible for rays in NDC"):
        train_run(run, out=tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()
