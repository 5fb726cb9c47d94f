"""Training: it learns, its number of Gaussians grows, and a resumed run equals an uninterrupted one bit for bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from radfield_splat.config import SplatConfig
from radfield_splat.method import Splat
from radfield_splat.model import SplatModel, pixel_size
from radfield_splat.relocation import mean_pulls, noted
from radfield_splat.start import start_points, start_scales

from radfield_core import BuildContext, SceneBox, Step, TrainedParameters, compose, get_registry
from radfield_core.cameras import Cameras
from radfield_core.data.estimated_points import EstimatedPoints
from radfield_core.runs import checkpoint
from radfield_core.runs.folder import RunFolder
from radfield_core.testing import toy_scene
from radfield_core.train.log import TrainingLog
from radfield_core.train.session import make_trainer
from radfield_core.train.setup import TrainingSetup
from radfield_core.train.trainer import Trainer

STEPS, HALF = 60, 30
OPTIONS = [
    "method.start_gaussians=150", "method.max_gaussians=300", "method.grow_until=0.6", "method.relocate_every=10",
    "method.degree=1", "method.copies=gradient", "method.lr_means_by_distance=true",
    "method.unseen_steps=8", "method.reductions=[2.0]", f"trainer.max_steps={STEPS}",
    f"trainer.save_every={HALF}", "trainer.keep_checkpoints=3", "trainer.device=cpu",
]  # fmt: skip
BOX = SceneBox(torch.zeros(3), radius=1.5)


def trainer_in(folder: Path) -> Trainer:
    run = compose(get_registry(), method="splat", overrides=OPTIONS, needs_data=False).run
    folder = RunFolder(folder)
    folder.check_writable()
    setup = TrainingSetup.of(run, toy_scene(), torch.device("cpu"))
    return Trainer(setup, folder, TrainingLog(folder, run.trainer, quiet=True))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    """An uninterrupted run."""
    trainer = trainer_in(tmp_path_factory.mktemp("whole"))
    trainer.train()
    return trainer


def test_the_number_of_gaussians_grows_to_its_maximum(whole):
    assert len(whole.model.means) == 300
    assert {len(getattr(whole.model, name)) for name in SplatModel.growing} == {300}


def test_a_resumed_run_equals_an_uninterrupted_one_over_relocations(whole, tmp_path):
    resumed = trainer_in(tmp_path)
    torch.rand(11)  # a new process has drawn other random numbers before
    state = checkpoint.load(whole.folder.checkpoints / f"step-{HALF:09d}")
    assert len(state.model["means"]) < 300
    resumed.restore(state)
    resumed.train()
    one, other = whole.state(), resumed.state()
    assert all(torch.equal(one.model[name], other.model[name]) for name in one.model)
    moments, others = one.optimizer["state"], other.optimizer["state"]
    assert len(moments) == 6
    for index, entries in moments.items():
        assert all(torch.equal(value, others[index][key]) for key, value in entries.items())


def model_of(**options) -> SplatModel:
    torch.manual_seed(0)
    return SplatModel(SplatConfig(start_gaussians=50, max_gaussians=50, relocate_every=1, **options), BuildContext(BOX))


def adapted(model: SplatModel, step: Step) -> None:
    with torch.no_grad():
        model.adapt(step, TrainedParameters(model))


def test_transparent_and_unseen_gaussians_move_to_opaque_ones():
    model = model_of(unseen_steps=3)
    model.opacity_logits.data[:10] = -9.0
    model.unseen[10:20] = 5
    model.opacity_logits.grad = torch.ones(50)  # of the mean opacity, which is part of the loss
    model.means.grad = torch.cat([torch.ones(10), torch.zeros(10), torch.ones(30)])[:, None].repeat(1, 3)
    before = model.means.detach().clone()
    adapted(model, Step(0, 100, 0))
    moved = (model.means != before).any(-1)
    assert moved.tolist() == [True] * 20 + [False] * 30
    nearest = torch.cdist(model.means[:20], before[20:]).min(-1).values
    assert (nearest < 4 * 0.5 * model.log_scales.exp().max()).all()
    assert (model.opacity_logits.sigmoid() > 0.005).all() and not model.unseen.any()


def test_copies_by_gradient_are_of_gaussians_whose_places_in_the_images_have_large_gradients():
    torch.manual_seed(0)
    model = SplatModel(
        SplatConfig(start_gaussians=50, max_gaussians=80, copies="gradient", relocate_every=1, grow_until=0.1),
        BuildContext(BOX),
    )
    before = model.means.detach().clone()
    model.log_scales.data.fill_(-9.0)  # so that copies lie close to what they are copies of
    model.pulls[:] = torch.tensor([0.0, 20.0])
    model.pulls[3], model.pulls[7] = torch.tensor([1.0, 20.0]), torch.tensor([9.0, 20.0])
    adapted(model, Step(50, 100, 0))
    copied = torch.cdist(model.means[50:], before).argmin(1).tolist()
    assert len(copied) == 30 and set(copied) == {3, 7} and copied.count(7) > 20
    assert not model.pulls.any()


def test_gradients_in_the_image_do_not_depend_on_the_distance():
    camera = torch.tensor([1.0, 2.0, 3.0])
    axis = torch.tensor([0.0, 0.6, 0.8])
    means = (camera + torch.tensor([[1.0], [5.0], [40.0]]) * axis).double().requires_grad_()
    across, up, focal = torch.tensor([1.0, 0, 0]), torch.tensor([0.0, 0.8, -0.6]), 70.0
    offsets = means - camera
    places = (
        focal * torch.stack([offsets @ across.double(), offsets @ up.double()], -1) / (offsets @ axis.double())[:, None]
    )
    (gradient,) = torch.autograd.grad((places * torch.tensor([3.0, 4.0])).sum(), means)
    pulls = noted(torch.ones(3, 2).double(), gradient, means.detach(), camera)
    torch.testing.assert_close(pulls, torch.tensor([[1 + 5 * focal, 2.0]] * 3).double(), rtol=1e-6, atol=0)
    torch.testing.assert_close(mean_pulls(torch.tensor([[60.0, 20.0], [60.0, 2.0]])), torch.tensor([3.0, 12.0]))


def test_far_means_move_by_the_size_of_a_pixel_at_their_distance():
    c2w = torch.eye(4)[:3].repeat(3, 1, 1)
    c2w[:, 2, 3] = torch.tensor([1.0, 2.0, 9.0])
    box = SceneBox(torch.tensor([0.0, 0, 1]), radius=1.5)
    points = torch.tensor([[0.0, 0, 1], [1, 0, 1], [4, 0, 1], [0, -0.5, 1]], dtype=torch.float64)
    context = BuildContext(box, points=points, cameras=Cameras.pinhole(c2w, focal=100.0, width=8, height=8))
    for by_distance, expected in ((True, [1.0, 1.0, 4.0, 1.0]), (False, [1.0] * 4)):
        model = SplatModel(SplatConfig(start_gaussians=4, lr_means_by_distance=by_distance), context)
        model.begin_step(Step(0, 1000, 0))
        model.means.data += 0.25  # what an optimizer does
        adapted(model, Step(0, 1000, 0))
        moved = (model.means.detach() - points).float()
        torch.testing.assert_close(moved, 0.25 * torch.tensor(expected)[:, None].expand(4, 3))


def test_nothing_moves_after_the_share_of_the_run_that_the_option_states():
    model = model_of(relocate_until=0.5)
    model.opacity_logits.data[:10] = -9.0
    before = model.means.detach().clone()
    adapted(model, Step(50, 100, 0))
    assert torch.equal(model.means, before)
    adapted(model, Step(49, 100, 0))
    assert not torch.equal(model.means, before)


def test_images_are_reduced_one_factor_after_the_other():
    method = Splat(SplatConfig(reductions=(4.0, 2.0), reduce_until=0.5, lr_means_final=1.0))
    factors = [method.reduction(Step(index, 100, 0)) for index in range(100)]
    assert factors == [4.0] * 25 + [2.0] * 25 + [1.0] * 50
    assert method.lr_scale(Step(0, 100, 0), "means") == 4.0 and method.lr_scale(Step(0, 100, 0), "log_scales") == 1.0


def test_the_size_of_a_pixel_is_that_at_the_middle_of_the_scene():
    c2w = torch.eye(4)[:3].repeat(3, 1, 1)
    c2w[:, 2, 3] = torch.tensor([2.0, 4.0, 9.0])
    cameras = Cameras.pinhole(c2w, focal=100.0, width=8, height=8)
    assert pixel_size(BuildContext(BOX, cameras=cameras)) == pytest.approx(0.04)


def test_gaussians_start_at_the_points_of_the_scene_and_as_large_as_their_gaps():
    points = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3], [9, 9, 9]], dtype=torch.float64)
    means, colors, _ = start_points(10, BuildContext(BOX, points=points))
    assert torch.equal(means, points.float()) and colors.unique().tolist() == [0.5]
    assert float(start_scales(means)[0]) == pytest.approx(((1 + 4 + 9) / 3) ** 0.5, rel=1e-4)
    assert len(start_points(3, BuildContext(BOX, points=points))[0]) == 3
    inside, _, _ = start_points(500, BuildContext(BOX))
    assert len(inside) == 500 and inside.abs().max() <= 1.5 and inside.std() > 0.8


def test_gaussians_start_with_the_colors_of_the_points():
    points = torch.linspace(-1, 1, 60).view(20, 3)
    rgb = torch.arange(60, dtype=torch.uint8).view(20, 3) * 4
    model = SplatModel(SplatConfig(start_gaussians=7), BuildContext(BOX, points=points, point_colors=rgb))
    rows = torch.cdist(model.means, points).argmin(1)
    assert len(rows.unique()) == 7
    shown = 0.5 + model.base_colors[:, 0] * 0.28209479177387814  # the harmonic of degree 0
    torch.testing.assert_close(shown, rgb[rows] / 255.0)


@pytest.mark.parametrize(("how", "level"), [("on the visual hull of 3 silhouettes", "INFO"), ("where", "WARNING")])
def test_gaussians_start_at_estimated_points_if_the_data_has_none(caplog, how, level):
    points, rgb = torch.rand(9, 3), torch.arange(27, dtype=torch.uint8).view(9, 3)
    ctx = BuildContext(BOX, estimate_points=lambda n, seed: EstimatedPoints(points[:n], rgb[:n], how))
    model = SplatModel(SplatConfig(start_gaussians=5), ctx)
    assert torch.equal(model.means, points[:5])
    torch.testing.assert_close(0.5 + model.base_colors[:, 0] * 0.28209479177387814, rgb[:5] / 255.0)
    with caplog.at_level("INFO"):
        model.log_start()
    (record,) = caplog.records
    assert record.levelname == level and f"so 5 Gaussians start {how}" in record.getMessage()
    assert ("radfield data points DATA" in record.getMessage()) == (level == "WARNING")


def test_a_start_at_random_places_is_said_once_and_not_again_when_resumed(caplog, tmp_path):
    scene = replace(toy_scene(), points=None)
    for step in (1, 2):
        words = ["method.start_gaussians=150", "method.degree=1", "trainer.eval_views=0", f"trainer.max_steps={step}"]
        run = compose(get_registry(), method="splat", overrides=words, needs_data=False).run
        folder, setup = RunFolder(tmp_path / "run"), TrainingSetup.of(run, scene, torch.device("cpu"))
        setup = replace(setup, context=replace(setup.context, estimate_points=None))
        folder.check_writable()
        trainer, _ = make_trainer(setup, folder, TrainingLog(folder, run.trainer, quiet=True))  # with a dry run
        if step == 2:
            trainer.restore(checkpoint.load(folder.checkpoints / "step-000000001"))
        assert trainer.train() == "max_steps"
        assert caplog.text.count("150 Gaussians start at random places") == 1
