"""The toy scene shows a ball, and the toy trainer has the state that checkpoints must hold."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from radfield_core.rays import RaySpace, view_rays
from radfield_core.testing.inputs import dense_samples
from radfield_core.testing.toys import toy_rays
from radfield_core.testing.training import CountingAdam, ToyField, ToyMethod, toy_scene, toy_trainer
from radfield_core.testing.valid_scene import assert_valid_scene
from radfield_core.types import Step


def test_the_toy_scene_is_valid_and_has_the_views_that_are_asked_for() -> None:
    scene = toy_scene(4, 8)
    assert_valid_scene(replace(scene, names=["a", "b", "c", "d"]))
    assert len(scene.cameras) == 4 and tuple(scene.images[3].shape) == (8, 8, 4)


def test_each_pixel_shows_the_normal_of_the_ball_where_its_ray_meets_it() -> None:
    """A ball of radius 1, found by stepping along each ray instead of by the formula."""
    scene = toy_scene(3, 12)
    rays = view_rays(RaySpace.of(scene), scene.cameras.view(1), dtype=torch.float64)
    image = scene.images[1].reshape(-1, 4)
    t = torch.linspace(2.0, 6.0, 8001, dtype=torch.float64)
    points = rays.origins[:, None] + rays.directions[:, None] * t[None, :, None]
    inside = points.norm(dim=-1) < 1.0
    hit = inside.any(1)
    assert torch.equal(image[:, 3] == 255, hit) and 0 < int(hit.sum()) < len(hit)
    first = points[torch.arange(len(points)), inside.int().argmax(1)][hit]
    expected = 255 * (0.5 + 0.5 * torch.nn.functional.normalize(first, dim=-1))
    assert float((image[hit, :3] - expected).abs().max()) < 2.0


def test_noise_comes_in_training_only() -> None:
    field, samples = ToyField(), dense_samples(toy_rays(3))
    torch.testing.assert_close(field.eval()(samples).density, field(samples).density)
    before = float(field.calls)
    one, other = field.train()(samples).density, field(samples).density
    assert not torch.equal(one, other) and float(field.calls) == before + 2


def test_the_optimizer_counts_its_steps_in_its_groups() -> None:
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = CountingAdam([{"params": [weight], "lr": 0.1}])
    for _ in range(2):
        weight.grad = torch.ones(1)
        optimizer.step()
    assert optimizer.param_groups[0]["count"] == 2
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1 / 1.001 / 1.002)


def test_a_spoiled_step_has_a_loss_that_is_not_a_number() -> None:
    method = ToyMethod(spoil=lambda step: step.index == 3)
    assert method.spoil(Step(3, 10, 0)) and not method.spoil(Step(4, 10, 0))


def test_a_toy_trainer_lowers_the_loss(tmp_path: Path) -> None:
    trainer = toy_trainer(tmp_path, ToyMethod(noise=False), max_steps=300, log_every=10)
    assert trainer.train() == "max_steps"
    losses = [json.loads(line)["loss"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert sum(losses[-5:]) < 0.95 * sum(losses[:5])
