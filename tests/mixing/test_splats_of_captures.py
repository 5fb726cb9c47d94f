"""method:splat with parts for captures: poses, exposures and depths are found, and what cannot work is refused."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from radfield_splat import Gaussians, rasterize
from scipy.spatial.transform import Rotation

from radfield_core import SceneBox, UsageError, View, compose, get_registry
from radfield_core.config import fit
from radfield_core.data.images import MemoryImages
from radfield_core.data.scene import Scene
from radfield_core.data.similarity import similarity_between, transform_cameras
from radfield_core.model import Corrections
from radfield_core.runs import checkpoint
from radfield_core.runs.folder import RunFolder
from radfield_core.testing import toy_cameras, toy_scene
from radfield_core.testing.training import with_surface
from radfield_core.train.dry_run import dry_run
from radfield_core.train.log import TrainingLog
from radfield_core.train.setup import TrainingSetup
from radfield_core.train.trainer import Trainer

SIZE, N = 32, 120
OPTIONS = [
    f"method.start_gaussians={N}", f"method.max_gaussians={N}", "method.degree=0", "method.background=black",
    "method.relocate_until=0", "method.opacity_weight=0", "method.scale_weight=0", "trainer.device=cpu",
]  # fmt: skip
FROZEN = [f"method.lr_{name}=1e-9" for name in ("means", "scales", "quaternions", "opacities", "colors")]


@pytest.fixture(scope="module")
def truth() -> Gaussians:
    """Opaque Gaussians of random colors on an ellipsoid."""
    g = torch.Generator().manual_seed(0)
    means = torch.nn.functional.normalize(torch.randn(N, 3, generator=g), dim=-1) * torch.tensor([1.0, 0.8, 0.6])
    colors = (0.6 * torch.rand(N, 1, 3, generator=g) - 0.5) / 0.28209479
    return Gaussians(means, torch.full((N, 3), -2.0), torch.randn(N, 4, generator=g), torch.full((N,), 3.0), colors)


def photographed(truth: Gaussians, gains: torch.Tensor, n_views: int = 8) -> Scene:
    """A scene with the images of the Gaussians, multiplied by gains [V, 3], and with their depths and means."""
    cameras, images, depths = toy_cameras(n_views, SIZE), [], []
    for index, gain in enumerate(gains):
        image = rasterize(truth, View(cameras.c2w[index].float(), cameras.view(index).camera))
        images.append((image.rgb * gain).clamp(0, 1).mul(255).round().to(torch.uint8))
        depths.append(torch.where(image.opacity > 0.5, image.depth / image.opacity, torch.nan))
    box = SceneBox(torch.zeros(3), 1.5)
    return Scene(cameras, MemoryImages(torch.stack(images)), 2.0, 6.0, box, points=truth.means, depths=depths)


def trainer_in(folder: Path, scene: Scene, words: Sequence[str]) -> Trainer:
    options = {word.partition("=")[0]: word for word in [*OPTIONS, *words]}  # the last one counts
    run = compose(get_registry(), method="splat", overrides=list(options.values()), needs_data=False).run
    run_folder = RunFolder(folder)
    run_folder.check_writable()
    setup = TrainingSetup.of(run, scene, torch.device("cpu"))
    return Trainer(setup, run_folder, TrainingLog(run_folder, run.trainer, quiet=True))


def pose_errors(true: torch.Tensor, found: torch.Tensor) -> tuple[float, float]:
    """The mean rotation in degrees and the mean shift between poses [V, 3, 4], after the best similarity."""
    aligned = transform_cameras(similarity_between(found.double().numpy(), true.numpy()), found.double().numpy())
    turns = Rotation.from_matrix(aligned[:, :, :3].transpose(0, 2, 1) @ true[:, :, :3].numpy())
    shifts = np.linalg.norm(aligned[:, :, 3] - true[:, :, 3].numpy(), axis=1)
    return float(np.degrees(turns.magnitude()).mean()), float(shifts.mean())


def test_poses_are_found_if_the_gaussians_are_known(truth, tmp_path):
    scene = photographed(truth, torch.ones(8, 3))
    true, g = scene.cameras.c2w, torch.Generator().manual_seed(1)
    turns = Rotation.from_rotvec(0.01 * torch.randn(8, 3, generator=g).numpy()).as_matrix()
    given = true.clone()
    given[:, :, :3] = torch.from_numpy(turns) @ true[:, :, :3]
    given[:, :, 3] += 0.02 * torch.randn(8, 3, generator=g)
    words = [*FROZEN, "rays=poses", "rays.fix_common=false", "rays.lr=[[3e-3,1e-5,1.0]]", "trainer.max_steps=250"]
    trainer = trainer_in(tmp_path, replace(scene, cameras=replace(scene.cameras, c2w=given)), words)
    with torch.no_grad():
        for name in ("means", "log_scales", "quaternions", "opacity_logits"):
            getattr(trainer.model, name).copy_(getattr(truth, name))
        trainer.model.base_colors.copy_(truth.harmonics)
    trainer.train()
    before, after = pose_errors(true, given), pose_errors(true, Corrections.of(trainer.model).corrected.c2w)
    assert after[0] < before[0] / 6 and after[1] < before[1] / 3


def test_exposures_are_found_while_the_gaussians_are_learned(truth, tmp_path):
    log_gains = 0.2 * torch.randn(8, 3, generator=torch.Generator().manual_seed(2))
    log_gains -= log_gains.mean(0)
    words = ["color=exposure", "color.lr=3e-2", "method.lr_colors=0.02", "method.reductions=[2.0]"]
    trainer = trainer_in(tmp_path, photographed(truth, log_gains.exp()), [*words, "trainer.max_steps=300"])
    trainer.train()
    found = trainer.model.color_map.maps.gains().detach().log()
    assert (found - log_gains).norm() < log_gains.norm() / 3


def test_depths_move_gaussians_that_start_at_random_to_the_surface(truth, tmp_path):
    scene = replace(photographed(truth, torch.ones(8, 3)), points=None)

    def error(name: str, *words: str) -> float:
        (tmp_path / name).mkdir()
        words = ("method.reductions=[2.0]", "method.lr_means=0.3", "trainer.max_steps=200", *words)
        trainer = trainer_in(tmp_path / name, scene, words)
        trainer.train()
        found = []
        for index, depth in enumerate(scene.depths):
            rendered, known = trainer.model.render(scene.cameras.view(index)), depth.flatten().isfinite()
            found.append((rendered.depth / rendered.opacity.clamp_min(0.01))[known] / depth.flatten()[known] - 1)
        return float(torch.cat(found).abs().mean())

    assert error("with", "losses.depth=depth", "losses.depth.weight=1") < 0.4 * error("without")


EVERYTHING = [
    "rays=poses",
    "color=exposure",
    "losses.depth=depth",
    "losses.points=depth",
    "losses.points.source=points",
]


def test_a_run_with_everything_resumes_bit_for_bit_on_reduced_images(tmp_path):
    words = [*EVERYTHING, "method.relocate_until=0.9", "method.relocate_every=4", f"method.max_gaussians={N + 30}",
             "method.reductions=[2.0]", "rays.lr=1e-3", "trainer.max_steps=16", "trainer.save_every=8",
             "trainer.keep_checkpoints=3"]  # fmt: skip
    scene = with_surface(toy_scene(), n_points=N)
    whole, resumed = (trainer_in(folder, scene, words) for folder in (tmp_path / "whole", tmp_path / "resumed"))
    whole.train()
    torch.rand(11)  # a new process has drawn other random numbers before
    resumed.restore(checkpoint.load(whole.folder.checkpoints / "step-000000008"))
    resumed.train()
    one, other = whole.state(), resumed.state()
    assert len(one.model["means"]) == N + 30
    assert all(torch.equal(one.model[name], other.model[name]) for name in one.model)
    for name in ("ray_transform.twists", "color_map.maps.log_gains"):
        assert (one.model[name] != 0).any(), f"{name} was not trained"


@pytest.mark.parametrize("kind", ["gain", "affine", "bilateral"])
@pytest.mark.parametrize("losses", [(), ("losses.depth=depth", "losses.depth.form=scale_shift")])
@pytest.mark.parametrize("motion", ["so3xr3", "se3"])
def test_all_kinds_of_maps_motions_and_depths_train(kind, losses, motion, tmp_path):
    words = ["rays=poses", f"rays.motion={motion}", "rays.pull=0.1", "rays.lr=1e-3", "color=exposure",
             f"color.map={kind}", *losses, "trainer.max_steps=2"]  # fmt: skip
    trainer = trainer_in(tmp_path, with_surface(toy_scene()), words)
    assert trainer.train() == "max_steps" and trainer.counters.skipped == 0


REFUSED = {
    "encoding:appearance": (["field.appearance_encoding=appearance"], "method 'splat' has no slot 'field'"),
    "sampler": (["sampler=proposal"], "method 'splat' has no slot 'sampler'"),
    "background": (["background.field=ngp"], "method 'splat' has no slot 'background'"),
    "distortion": (["losses.distortion=distortion"], "does not provide density or alpha"),
    "kl": (["losses.depth=depth", "losses.depth.form=kl"], "form='kl' needs samples on rays"),
    "focal": (["rays=poses", "rays.focal=true"], "trains on whole images, which give no gradient to focal lengths"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_work_is_refused_in_words_before_training(name, tmp_path):
    words, message = REFUSED[name]
    with pytest.raises(UsageError, match=re.escape(message)):
        run = compose(get_registry(), method="splat", overrides=[*OPTIONS, *words], needs_data=False).run
        fit.check(run, get_registry())
        dry_run(TrainingSetup.of(run, with_surface(toy_scene()), torch.device("cpu")))


def test_rays_in_ndc_are_refused_before_training():
    run = compose(get_registry(), method="splat", overrides=OPTIONS, needs_data=False).run
    with pytest.raises(UsageError, match=r"rays of these data are in NDC"):
        dry_run(TrainingSetup.of(run, replace(toy_scene(), ndc=True, near=0.0, far=1.0), torch.device("cpu")))


def test_pixels_that_a_mask_excludes_and_images_of_weight_zero_train_nothing(tmp_path):
    """The excluded pixels have other colors in the second scene, and the training is the same bit for bit."""
    scene = toy_scene()
    kept = torch.zeros(6, 16, 16, 1, dtype=torch.uint8)
    kept[:, 4:] = 255
    weights = torch.tensor([1.0, 0.0, 1.0, 0.5, 1.0, 1.0], dtype=torch.float64)
    pixels = torch.stack([scene.images[index] for index in range(6)])[..., :3]
    changed = torch.where((kept > 0) & (weights.view(6, 1, 1, 1) > 0), pixels, 255 - pixels)
    found = []
    for name, images in (("given", pixels), ("changed", changed)):
        (tmp_path / name).mkdir()
        masked = replace(scene, images=MemoryImages(images), masks=MemoryImages(kept), masks_mean="counted",
                         loss_weights=weights)  # fmt: skip
        trainer = trainer_in(tmp_path / name, masked, ["trainer.max_steps=12"])
        trainer.train()
        found.append(trainer.model.base_colors.detach())
    assert torch.equal(*found) and found[0].any()
