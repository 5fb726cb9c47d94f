"""A run's ray transform is trained under every kind of method, evaluated, stored, and refused for rays in NDC."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from radfield_core import (
    BuildContext,
    Method,
    Model,
    ModelOutputs,
    Rendered,
    UsageError,
    compose,
    open_run,
    train_run,
)
from radfield_core.model import build_model
from radfield_core.rays import view_rays
from radfield_core.runs.reports import camera_lines, evaluate_split
from radfield_core.testing.toys import toy_context
from radfield_core.testing.under_test import with_toys
from radfield_core.train.step import TrainStep, backward
from radfield_core.types import Batch, Step

DATA = ["data.type=toy-ball", "data.size=8"]
SMALL = ["trainer.max_steps=4", "trainer.n_rays=16", "trainer.save_every=2", "sampler.n_importance=0"]


def toy_run(*words: str):
    words = ("field=toy", "sampler.n_samples=8", *DATA, *SMALL, *words)
    return compose(with_toys(), method="tiny-nerf", overrides=words).run


@pytest.fixture
def toys(monkeypatch):
    """Let every command see the toy parts."""
    for module in ("radfield_core.train.session", "radfield_core.runs.stored_run", "radfield_core.runs.reports"):
        monkeypatch.setattr(f"{module}.get_registry", with_toys, raising=False)


def test_slot_is_empty_unless_it_is_filled() -> None:
    assert toy_run().rays is None
    assert toy_run("rays=toy").rays.name == "toy"
    assert toy_run("rays=none").rays is None


def test_corrections_are_trained_stored_and_stated_in_the_results(tmp_path: Path, toys) -> None:
    run = toy_run("rays=toy")
    train_run(run, out=tmp_path / "run", quiet=True)
    trained = open_run(tmp_path / "run")
    shifts = trained.model.ray_transform.shifts.detach()
    assert shifts.shape == (6, 3) and bool((shifts != 0).any())
    given = trained.model.training_cameras.c2w
    scene = trained.scenes.views("train")
    torch.testing.assert_close(scene.cameras.c2w[:, :, 3], given[:, :, 3] + 0.1 * shifts.double())
    results = evaluate_split(trained, "test", quiet=True)
    assert results["cameras"]["mean_shift"] > 0
    lines = list(camera_lines(results))
    assert len(lines) == 2 and "test cameras follow their common movement" in lines[1]
    assert list(camera_lines({"split": "test"})) == []


def test_evaluation_of_training_views_renders_the_corrected_cameras(tmp_path: Path, toys) -> None:
    """One camera is shifted sideways by hand: its rendered view is that of the shifted camera."""
    train_run(toy_run("rays=toy"), out=tmp_path / "run", quiet=True)
    trained = open_run(tmp_path / "run")
    with torch.no_grad():
        trained.model.ray_transform.shifts.zero_()
        trained.model.ray_transform.shifts[2] = torch.tensor([0.0, 0.0, 5.0])
    given = trained.model.training_cameras
    seen = trained.scenes.get("train").cameras.view(2)
    expected = trained.model.training_cameras.c2w[2].clone()
    expected[2, 3] += 0.5
    torch.testing.assert_close(seen.c2w, expected)
    before = trained.model.render(given.view(2)).rgb
    after = trained.model.render(seen).rgb
    rays = view_rays(trained.scenes.get("train"), replace(given.view(2), c2w=expected))
    torch.testing.assert_close(after, trained.model.render_rays(rays).rgb)
    assert not torch.equal(before, after)


def test_resumed_run_equals_an_uninterrupted_one(tmp_path: Path, toys) -> None:
    from radfield_core.runs.folder import find_run

    for name in ("whole", "halves"):
        train_run(toy_run("rays=toy"), out=tmp_path / name, quiet=True)
    folder, _ = find_run(tmp_path / "halves")
    first = tmp_path / "halves" / "checkpoints" / "step-000000002"
    train_run(toy_run("rays=toy"), resume=folder, checkpoint=first, quiet=True)
    one, other = open_run(tmp_path / "whole").model.state_dict(), open_run(tmp_path / "halves").model.state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


class Gray(Model):
    """A model of its own, whose image depends on where the camera stands."""

    def forward(self, batch: Batch) -> ModelOutputs:
        rgb = batch.view.c2w[:, 3].float().sum().expand_as(batch.rgb)
        return ModelOutputs(Rendered(rgb, rgb[..., 0], rgb[..., 0]), (), None, 0)

    def render(self, view, background=None, chunk=4096, progress=None):
        raise NotImplementedError


class Images(Method):
    batching = "images"

    def build(self, ctx: BuildContext) -> Model:
        return Gray()

    def losses(self, outputs, batch, model, step):
        return {"rgb": outputs.rendered.rgb.mean()}


def test_gradients_reach_the_corrections_of_a_model_that_takes_whole_images() -> None:
    context = replace(toy_context(toy_run("rays=toy")))
    model = build_model(Images(None), context)
    view = context.cameras.view(3, image_id=3)
    losses = backward(TrainStep(model, Images(None)), Batch(None, view, torch.zeros(16, 16, 3)), Step(0, 4, 0))
    assert set(losses.terms) == {"rgb"}
    expected = torch.zeros(6, 3)
    expected[3] = 0.1  # the toy's unit of length
    torch.testing.assert_close(model.ray_transform.shifts.grad, expected)


def test_micro_batches_give_the_gradients_of_the_whole_batch(tmp_path: Path) -> None:
    from radfield_core.testing.kit import part_under_test

    tested = replace(part_under_test("rays:toy"), folder=tmp_path)
    trainer = tested.trainer(tested.run_config(), "run")
    step = Step(0, 3, 0)
    batch, found = trainer.drawer.draw(step, 12), []
    for chunk in (None, 5):
        trainer.model.begin_step(step)
        trainer.model.eval()
        backward(trainer.train_step, batch, step, chunk)
        found.append(trainer.model.ray_transform.shifts.grad.clone())
        trainer.optimizer.zero_grad()
    assert bool(found[0].any())
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-7)


def test_rays_in_ndc_are_refused_before_training() -> None:
    context = replace(toy_context(toy_run("rays=toy")), ndc=True)
    with pytest.raises(UsageError, match="rays 'toy' corrects cameras, which is impossible for rays in NDC"):
        build_model(Images(None), context)


def test_results_file_says_how_held_out_cameras_were_moved(tmp_path: Path, toys) -> None:
    train_run(toy_run("rays=toy"), out=tmp_path / "run", quiet=True)
    content = json.loads(json.dumps(evaluate_split(open_run(tmp_path / "run"), "val", quiet=True)))
    assert content["cameras"]["held_out"].startswith("moved by the common similarity")
