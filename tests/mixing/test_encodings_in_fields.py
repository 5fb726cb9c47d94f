"""Encodings in the fields of other plugins, by config alone: those that fit train, the others are refused before."""

from __future__ import annotations

import json

import pytest
import torch

from radfield_core.cli.main import main
from radfield_core.config.fit import check
from radfield_core.config.layers import compose
from radfield_core.errors import UsageError
from radfield_core.interfaces import BuildContext
from radfield_core.plugins.registry import get_registry
from radfield_core.types import RayBundle, RaySamples, SceneBox

TRAINING = ["trainer.n_rays=256", "trainer.log_every=1", "trainer.max_steps=100"]
TINY = [*TRAINING, "sampler.n_samples=16", "field.width=32", "method.lr=5e-3", "method.background=black"]


def test_mipnerf_with_an_encoding_of_points_is_refused_by_name():
    run = compose(get_registry(), method="mipnerf", overrides=["field.encoding=frequency"], needs_data=False).run
    with pytest.raises(UsageError) as caught:
        check(run, get_registry())
    error = str(caught.value)
    assert "frequency" in error and "gaussians" in error and "mipnerf" in error and "field.encoding=ipe" in error


def test_the_refusal_comes_before_the_data_is_read(tmp_path, capsys):
    (tmp_path / "transforms_train.json").write_text('{"camera_angle_x": 0.7, "frames": []}')
    words = ["field.encoding=frequency", "--out", str(tmp_path / "run")]
    assert main(["train", "--method", "mipnerf", "--data", str(tmp_path), *words]) == 2
    error = capsys.readouterr().err
    assert "gaussians" in error and "Traceback" not in error and not (tmp_path / "run").exists()


@pytest.mark.parametrize(("encoding", "sees_the_footprint"), [("ipe", True), ("frequency", False)])
def test_a_field_gives_gaussians_only_to_an_encoding_that_takes_them(encoding, sees_the_footprint):
    torch.manual_seed(0)
    words = [f"field.encoding={encoding}"]
    run = compose(get_registry(), method="nerf-small", overrides=words, needs_data=False).run
    field = BuildContext(bounds=SceneBox(torch.zeros(3), 1.5), run=run).make(run.field).eval()
    origins, directions = torch.tensor([[0.0, 0.0, 4.0]]), torch.tensor([[0.0, 0.0, -1.0]])
    near, far, edges = torch.tensor([2.0]), torch.tensor([6.0]), torch.linspace(2, 6, 5)[None]
    thin, wide = (
        field(RaySamples.from_edges(RayBundle(origins, directions, directions, near, far, radius), edges)).rgb
        for radius in (torch.tensor([0.01]), torch.tensor([0.2]))
    )
    assert bool((thin - wide).abs().max() > 1e-5) is sees_the_footprint


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("nerf-small", ["field.encoding=ipe", "sampler.n_importance=16"]),
        ("nerf-small", ["field.encoding=ipe", "sampler=mip", "renderer.opaque_far=false"]),
        ("mipnerf-small", ["field=nerf", "field.encoding=frequency", "method.lr_delay_steps=0"]),
        ("tiny-nerf", ["field=mipnerf"]),
    ],
)
def test_what_fits_trains_and_its_loss_falls(method, words, test_data, tmp_path, monkeypatch):
    monkeypatch.setattr("radfield_core.render.quick_evaluation.evenly_spread", lambda n, count: [])
    data, out = str(test_data / "tiny_nerf/tiny_nerf_lego.npz"), tmp_path / "run"
    assert main(["train", "--method", method, "--data", data, "--out", str(out), "-q", *TINY, *words]) == 0
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    losses = [row["loss"] for row in rows if "loss" in row]
    assert len(losses) == 100
    assert sum(losses[-10:]) < 0.7 * sum(losses[:10])
