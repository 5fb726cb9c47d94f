"""Every mix of installed parts trains for three steps on the synthetic scene, or is refused by name before that."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from radfield_core.config.layers import compose_part
from radfield_core.config.run import RunConfig
from radfield_core.plugins.registry import get_registry
from radfield_core.runs import checkpoint
from radfield_core.runs.folder import RunFolder
from radfield_core.testing.mixing import Mix, Refused, compose_mix, method_mixes, mixes
from radfield_core.train.log import TrainingLog
from radfield_core.train.session import make_trainer
from radfield_core.train.setup import TrainingSetup

STEPS = ("trainer.max_steps=3", "trainer.n_rays=16", "trainer.target_samples=none", "trainer.device=cpu")
SMALL = {
    "hash": ("field.encoding.n_levels=4", "field.encoding.log2_table_size=11"),
    "nerf": ("field.depth=2", "field.width=16", "field.skip_layer=none", "field.color_width=8"),
    "mipnerf": ("field.depth=2", "field.width=16", "field.skip_layer=none", "field.color_width=8"),
    "field neus": (
        "field.n_layers=2",
        "field.skip_layer=none",
        "field.color_layers=1",
        "field.width=64",
        "field.n_features=8",
    ),
    "inverted-sphere": ("field.n_layers=2", "field.width=16", "field.skip_layer=none"),
    "sampler importance": ("sampler.n_samples=8", "sampler.n_importance=8"),
    "sampler mip": ("sampler.n_samples=8",),
    "sampler neus": ("sampler.n_samples=8", "sampler.n_importance=8", "sampler.n_rounds=2"),
    "sampler occupancy": ("sampler.resolution=8", "sampler.num_samples=32"),
    "sampler proposal": ("sampler.n_proposals=[12,8]", "sampler.n_samples=8", "sampler.encoding.log2_table_size=9"),
    "sampler inverted-sphere": ("sampler.n_samples=8",),
}


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """The analytic scene, four views of 16 × 16 pixels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RADFIELD_CACHE", str(tmp_path_factory.mktemp("cache")))
        tiny = ["resolution=16", "n_train=4", "n_val=1", "n_test=1", "supersample=1"]
        choice = compose_part(get_registry(), "dataparser", "synthetic", tiny)
        found = choice.load()(choice.config).parse("train")
        found.images.prepare(16)
        return dataclasses.replace(found, ground_truth=None, depths=None, normals=None)


def small(mix: Mix) -> tuple[str, ...]:
    """Options that make the parts of a mix as small as they go."""
    keys = (mix.encoding, mix.field if mix.field != "neus" else "field neus", f"sampler {mix.sampler}")
    field = SMALL.get("field neus" if mix.field == "neus" else mix.field, ())
    found = [*field, *SMALL.get(keys[2], ())]
    if mix.encoding == "hash" or (not mix.encoding and mix.field == "ngp"):
        found += SMALL["hash"]
    return (*found, *STEPS)


def train(run: RunConfig, scene, folder) -> None:
    """Check the model and train for three steps; the check must find every fault."""
    setup, run_folder = TrainingSetup.of(run, scene, torch.device("cpu")), RunFolder(folder)
    trainer, _ = make_trainer(setup, run_folder, TrainingLog(run_folder, run.trainer, quiet=True))
    assert trainer.train() == "max_steps"
    assert trainer.counters.skipped == 0
    assert all(bool(parameter.isfinite().all()) for parameter in trainer.model.parameters())


def every(found, scene, tmp_path, monkeypatch, capsys, what: str) -> None:
    monkeypatch.setattr(checkpoint, "save", lambda *arguments: None)
    registry, trained, refused = get_registry(), 0, 0
    names = {
        part.name for kind in ("encoding", "field", "sampler", "renderer", "method") for part in registry.of_kind(kind)
    }
    for number, mix in enumerate(found):
        verdict = compose_mix(registry, mix)
        if isinstance(verdict, Refused):
            refused += 1
            assert any(f"'{name}'" in verdict.reason for name in names), (
                f"{mix} is refused without a name: {verdict.reason}"
            )
            continue
        run = compose_mix(registry, mix, small(mix))
        assert isinstance(run, RunConfig), f"{mix}: {run}"
        (tmp_path / str(number)).mkdir()
        try:
            train(run, scene, tmp_path / str(number))
        except Exception as error:
            raise AssertionError(
                f"{mix} fits by its declarations, but fails: {type(error).__name__}: {error}"
            ) from error
        trained += 1
    with capsys.disabled():
        print(f"\n{what}: {trained} trained, {refused} refused")
    assert trained and refused


def test_every_encoding_field_sampler_and_renderer_train_or_are_refused(scene, tmp_path, monkeypatch, capsys):
    every(mixes(get_registry(), "ngp"), scene, tmp_path, monkeypatch, capsys, "encoding × field × sampler × renderer")


def test_every_method_field_sampler_and_renderer_train_or_are_refused(scene, tmp_path, monkeypatch, capsys):
    every(method_mixes(get_registry()), scene, tmp_path, monkeypatch, capsys, "method × field × sampler × renderer")
