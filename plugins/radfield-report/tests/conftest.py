"""A small run, whose reports the tests look at; its views and options have hostile names."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from radfield_core import compose, get_registry, train_run

sys.path.insert(0, str(Path(__file__).parent))  # the tests' own browser

SMALL = [
    "data.type=synthetic", "data.resolution=24", "data.n_train=4", "data.n_val=2", "data.n_test=3", "field.width=16",
    "field.encoding.n_frequencies=4", "sampler.n_samples=16", "trainer.max_steps=30", "trainer.n_rays=64",
    "trainer.log_every=2", "trainer.device=cpu", "trainer.eval_every=15",
]  # fmt: skip


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of 30 steps; do not change it."""
    out = tmp_path_factory.mktemp("reported") / "run"
    run = compose(get_registry(), method="tiny-nerf", overrides=SMALL).run
    assert train_run(run, out=out, quiet=True).reason == "max_steps"
    return out


@pytest.fixture
def copied(run_folder: Path, tmp_path: Path) -> Path:
    """A copy of that run."""
    return Path(shutil.copytree(run_folder, tmp_path / "run"))
