"""A trained run that the tests of this folder open."""

from __future__ import annotations

from pathlib import Path

import pytest

from radfield_core.config.layers import compose
from radfield_core.plugins.registry import get_registry
from radfield_core.runs.trained import Trained, open_run
from radfield_core.train.session import train_run

SMALL = [
    "data.type=synthetic", "data.resolution=12", "data.n_train=3", "data.n_val=2", "data.n_test=3",
    "trainer.max_steps=2", "trainer.save_every=1", "trainer.n_rays=8", "trainer.device=cpu", "field.width=16",
    "sampler.n_samples=8",
]  # fmt: skip


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of two steps with a checkpoint after each; do not change it."""
    out = tmp_path_factory.mktemp("runs") / "run"
    run = compose(get_registry(), method="tiny-nerf", overrides=SMALL).run
    assert train_run(run, out=out, quiet=True).reason == "max_steps"
    return out


@pytest.fixture(scope="session")
def trained(stored: Path) -> Trained:
    """The same run, opened."""
    return open_run(stored)
