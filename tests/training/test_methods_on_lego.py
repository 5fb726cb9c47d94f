"""Methods trained for a few steps on lego: they learn, and a resumed run equals an uninterrupted one bit for bit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from radfield_core.cli.main import main
from radfield_core.runs import checkpoint

# No test evaluates its run: a view of lego takes minutes, and after so few steps shows nothing.
SMALL = [
    "trainer.max_steps=200",
    "trainer.save_every=100",
    "trainer.log_every=1",
    "trainer.n_rays=64",
    "field.width=16",
    "field.depth=2",
    "sampler.n_samples=8",
    "method.lr=5e-3",
]


def losses(folder: Path) -> list[float]:
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [row["loss"] for row in rows if "loss" in row]


def test_20_steps_of_nerf_at_the_papers_settings_lower_the_loss_on_lego(test_data, tmp_path, monkeypatch):
    monkeypatch.setattr("radfield_core.render.quick_evaluation.evenly_spread", lambda n, count: [])
    words = ["trainer.max_steps=20", "trainer.log_every=1", "trainer.n_rays=32"]
    data, out = str(test_data / "blender/lego"), tmp_path / "run"
    assert main(["train", "--method", "nerf", "--data", data, "--out", str(out), "-q", *words]) == 0
    found = losses(out)
    assert len(found) == 20
    assert sum(found[-5:]) < 0.85 * sum(found[:5])


@pytest.mark.parametrize(
    ("method", "scene", "words"),
    [
        ("tiny-nerf", "tiny_nerf/tiny_nerf_lego.npz", []),
        (
            "nerf",
            "tiny_nerf/tiny_nerf_lego.npz",
            ["field.density_noise=1.0", "sampler.n_importance=8", "method.background=black"],
        ),
        ("mipnerf-small", "blender_multiscale/lego", ["field.density_noise=1.0"]),
    ],
)
def test_200_steps_equal_100_then_resumed_for_100_more_bit_for_bit(
    test_data, tmp_path, monkeypatch, method, scene, words
):
    monkeypatch.setattr("radfield_core.render.quick_evaluation.evenly_spread", lambda n, count: [])
    data, whole, halved = str(test_data / scene), tmp_path / "whole", tmp_path / "halved"
    words = [*SMALL, *words]
    assert main(["train", "--method", method, "--data", data, "--out", str(whole), "-q", *words]) == 0
    shutil.copytree(whole, halved, symlinks=True)
    assert main(["train", "--resume", str(halved / "checkpoints/step-000000100"), "-q"]) == 0
    first, second = (checkpoint.load(run / "checkpoints/step-000000200") for run in (whole, halved))
    assert first.model.keys() == second.model.keys() and first.model
    for name, tensor in first.model.items():
        assert torch.equal(tensor, second.model[name]), name
    assert len(losses(whole)) == 200 and losses(whole) == losses(halved)
    assert sum(losses(whole)[-20:]) < 0.9 * sum(losses(whole)[:20])
