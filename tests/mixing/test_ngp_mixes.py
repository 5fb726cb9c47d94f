"""Instant-ngp's parts in other fields, and other parts in its field, by config alone."""

from __future__ import annotations

import json

import pytest
import torch

from radfield_core.cli.main import main
from radfield_core.config.layers import compose
from radfield_core.interfaces import BuildContext
from radfield_core.plugins.registry import get_registry
from radfield_core.testing.toys import toy_context
from radfield_core.types import Packing, RayBundle, RaySamples, SceneBox

SMALL_HASH = ["n_levels=4", "log2_table_size=12", "finest_resolution=64"]
SMALL_NERF = ["field.depth=2", "field.width=32", "field.skip_layer=none", "field.color_width=16"]
MIXES = {
    "hash through field:nerf": ["field=nerf", "field.encoding=hash", *SMALL_NERF],
    "directions by sh under field:nerf": ["field=nerf", "field.direction_encoding=sh", *SMALL_NERF],
    "occupancy under field:nerf": ["field=nerf", "sampler=occupancy", *SMALL_NERF],
    "occupancy, hash and sh under field:nerf": [
        "field=nerf",
        "sampler=occupancy",
        "field.encoding=hash",
        "field.direction_encoding=sh",
        *SMALL_NERF,
    ],
}


@pytest.mark.parametrize("mix", MIXES)
def test_each_mix_trains_by_config_alone(mix, test_data, tmp_path, monkeypatch):
    monkeypatch.setattr("radfield_core.render.quick_evaluation.evenly_spread", lambda n, count: [])
    words = list(MIXES[mix])
    if "field.encoding=hash" in words:
        words += [f"field.encoding.{option}" for option in SMALL_HASH]
    if "sampler=occupancy" in words:
        words += ["sampler.resolution=16", "sampler.num_samples=64"]
    else:
        words += ["sampler.n_samples=16", "sampler.n_importance=0"]
    data, out = str(test_data / "tiny_nerf/tiny_nerf_lego.npz"), tmp_path / "run"
    words += ["trainer.n_rays=256", "trainer.log_every=1", "trainer.max_steps=100", "method.lr=5e-3"]
    assert main(["train", "--method", "nerf-small", "--data", data, "--out", str(out), "-q", *words]) == 0
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    losses = [row["loss"] for row in rows if "loss" in row]
    assert len(losses) == 100
    assert sum(losses[-10:]) < 0.8 * sum(losses[:10])


def samples(radius: float) -> RaySamples:
    torch.manual_seed(1)
    origins = torch.nn.functional.normalize(torch.randn(3, 3), dim=-1) * 4
    directions, one = torch.nn.functional.normalize(-origins, dim=-1), torch.ones(3)
    bundle = RayBundle(origins, directions, directions, 2 * one, 6 * one, radius * one)
    starts = torch.tensor([3.0, 3.5, 3.2, 3.6, 4.0, 3.3])
    return RaySamples.packed(bundle, starts, starts + 0.1, Packing.from_counts(torch.tensor([2, 3, 1])))


@pytest.mark.parametrize(("encoding", "sees_the_footprint"), [("ipe", True), ("frequency", False)])
def test_field_ngp_gives_footprints_to_an_encoding_that_takes_them(encoding, sees_the_footprint):
    torch.manual_seed(0)
    run = compose(get_registry(), method="ngp", overrides=[f"field.encoding={encoding}"], needs_data=False).run
    field = BuildContext(bounds=SceneBox(torch.zeros(3), 1.5), run=run).make(run.field).eval()
    thin, wide = samples(0.001), samples(0.1)
    changed = (field(thin).density - field(wide).density).abs().max()
    assert bool(changed > 1e-4) is sees_the_footprint
    x = thin.positions()
    if sees_the_footprint:  # a point is a Gaussian without extent
        torch.testing.assert_close(field.density(x), field.density(x, torch.zeros_like(x)))
    assert field.point_color(x).shape == (6, 3) and bool(torch.isfinite(field.point_color(x)).all())


def test_without_a_table_every_parameter_of_ngp_is_decayed():
    run = compose(get_registry(), method="ngp", overrides=["field.encoding=frequency"], needs_data=False).run
    method = run.method.load()(run.method.config)
    model = method.build(toy_context(run))
    (group,) = method.param_groups(model)
    assert group["name"] == "networks" and len(group["params"]) == len(list(model.parameters()))
