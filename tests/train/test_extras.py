"""Extras of batches: depths, normals and points of the pixels that are drawn."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import attrs
import pytest
import torch

from radfield_core.data.scene import Scene
from radfield_core.errors import UsageError
from radfield_core.interfaces import Loss
from radfield_core.plugin import component
from radfield_core.plugins.discovery import Plugin
from radfield_core.plugins.registry import Registry
from radfield_core.runs.scenes import Scenes
from radfield_core.testing.training import ToyMethod, toy_scene, with_surface
from radfield_core.testing.under_test import PartUnderTest, with_toys
from radfield_core.train.batches import PixelDrawer
from radfield_core.train.extras import Extras
from radfield_core.train.setup import TrainingSetup
from radfield_core.types import Batch, RayBundle, Step

STEP = Step(4, 10, 0)


def drawn(scene: Scene, shares: dict[str, float], n: int = 200, method: Any = None) -> Batch:
    return PixelDrawer(scene, method or ToyMethod(), torch.device("cpu"), Extras(scene, shares)).draw(STEP, n)


def test_depths_and_normals_belong_to_the_rays_of_the_batch() -> None:
    batch = drawn(with_surface(toy_scene()), {"depths": 0.0, "normals": 0.0})
    rays, depth = batch.rays, batch.extras["depth"]
    hit = depth.isfinite()
    assert 0.1 < float(hit.float().mean()) < 0.9
    closest = rays.origins - (rays.origins * rays.directions).sum(-1, keepdim=True) * rays.directions
    assert torch.equal(hit, closest.norm(dim=-1) < 1.0), "rays that miss the ball have an infinite depth"
    surface = rays.origins + depth[:, None] * rays.directions
    torch.testing.assert_close(surface[hit].norm(dim=-1), torch.ones(int(hit.sum())), rtol=0, atol=1e-5)
    torch.testing.assert_close(batch.extras["normals"][hit], surface[hit], rtol=0, atol=1e-5)
    assert batch.extras["normals"][~hit].isnan().all()
    for name in ("depth_weights", "normals_weights"):
        torch.testing.assert_close(batch.extras[name], hit / hit.float().mean())


def test_a_share_of_the_rays_goes_through_observed_points() -> None:
    scene = with_surface(toy_scene())
    batch = drawn(scene, {"observations": 0.25})
    depth, sigma = batch.extras["point_depth"], batch.extras["point_sigma"]
    assert depth[:150].isnan().all() and depth[150:].isfinite().all() and len(batch.rays) == 200
    torch.testing.assert_close(sigma[150:], torch.full((50,), 0.02), rtol=1e-3, atol=0)
    assert batch.extras["point_weights"].tolist() == [0.0] * 150 + [4.0] * 50
    ends = batch.rays.origins[150:] + depth[150:, None] * batch.rays.directions[150:]
    nearest = torch.cdist(ends, scene.points).amin(1)
    assert float(nearest.max()) < 4.0 * 0.75 / 22.4, "half a pixel's diagonal away from a point"
    without = PixelDrawer(scene, ToyMethod(), torch.device("cpu")).draw(STEP, 150)
    assert torch.equal(batch.rays.directions[:150], without.rays.directions), "the others are drawn as before"


def test_extras_depend_only_on_the_step_and_are_sliced_with_the_rays() -> None:
    scene = with_surface(toy_scene())
    shares = {"depths": 0.0, "observations": 0.3}
    one, again = drawn(scene, shares), drawn(scene, shares)
    assert set(one.extras) == {"depth", "depth_weights", "depth_cosines", "point_depth", "point_sigma", "point_weights"}
    for name, values in one.extras.items():
        torch.testing.assert_close(values, again.extras[name], rtol=0, atol=0, equal_nan=True)
        parts = [one[start : start + 64].extras[name] for start in range(0, 200, 64)]
        torch.testing.assert_close(torch.cat(parts), values, rtol=0, atol=0, equal_nan=True)


def test_a_whole_view_has_the_extras_of_all_its_pixels() -> None:
    class Images(ToyMethod):
        batching = "images"

    scene = with_surface(toy_scene())
    batch = drawn(scene, {"depths": 0.0, "normals": 0.0, "observations": 0.25}, method=Images())
    index = batch.view.image_id
    assert torch.equal(batch.extras["depth"], scene.depths[index].float().flatten())
    normals = scene.normals[index].flatten(0, 1)
    known = normals.norm(dim=-1) > 0
    assert torch.equal(batch.extras["normals"][known], normals[known].float())
    seen = scene.observations.only([index])
    places = {(row, column) for column, row in seen.pixels.round().long().tolist()}
    found = {divmod(pixel, 16) for (pixel,) in batch.extras["point_depth"].isfinite().nonzero().tolist()}
    assert found == places


def test_positions_and_normals_of_a_view_do_not_wait_for_its_rays() -> None:
    def rays() -> RayBundle:
        raise AssertionError("with a distorted lens, the rays of a view take longer than a step")

    scene = with_surface(toy_scene())
    extras = Extras(scene, {"positions": 0.0, "normals": 0.0}).of_view(0, rays, torch.device("cpu"))
    assert set(extras) == {"pixels", "normals", "normals_weights"}
    assert extras["pixels"][17].tolist() == [1.5 / 16, 1.5 / 16]


def test_a_reduced_view_has_the_averages_of_its_maps_and_the_observations_at_their_new_pixels() -> None:
    class Halves(ToyMethod):
        batching = "images"

        def reduction(self, step: Step) -> float:
            return 2.0

    scene = with_surface(toy_scene())
    batch = drawn(scene, {"depths": 0.0, "normals": 0.0, "observations": 0.25}, method=Halves())
    index, extras = batch.view.image_id, batch.extras
    assert batch.rgb.shape == (64, 3) and batch.view.camera.fx == scene.cameras.view(index).camera.fx / 2
    blocks = scene.depths[index].view(8, 2, 8, 2).transpose(1, 2).reshape(64, 4)
    whole = blocks.isfinite().all(1)
    assert int(whole.sum()) > 5
    torch.testing.assert_close(extras["depth"][whole], blocks[whole].mean(1))
    assert extras["depth"][blocks.isinf().all(1)].isinf().all()
    normals = scene.normals[index].view(8, 2, 8, 2, 3).transpose(1, 2).reshape(64, 4, 3).sum(1)
    expected = torch.nn.functional.normalize(normals, dim=-1)
    torch.testing.assert_close(extras["normals"][whole], expected[whole], rtol=0, atol=1e-5)
    pixels = (scene.observations.only([index]).pixels + 0.5) / 2 - 0.5
    places = {(row, column) for column, row in pixels.round().long().tolist()}
    assert {divmod(pixel, 8) for (pixel,) in extras["point_depth"].isfinite().nonzero().tolist()} == places


def test_in_ndc_a_depth_is_the_t_of_the_warped_ray() -> None:
    scene = toy_scene(2)
    c2w = torch.eye(4, dtype=torch.float64)[None, :3].repeat(2, 1, 1)
    c2w[1, 0, 3] = 0.2
    distances = [torch.full((16, 16), 5.0), torch.full((16, 16), torch.inf)]
    scene = replace(scene, cameras=replace(scene.cameras, c2w=c2w), ndc=True, near=0.0, far=1.0, depths=distances)
    batch = drawn(scene, {"depths": 0.0}, 400)
    rays, depth = batch.rays, batch.extras["depth"]
    first = rays.image_ids == 0
    ends = scene.to_world(rays.origins + depth[:, None] * rays.directions)[first]
    torch.testing.assert_close(ends.norm(dim=-1), torch.full((int(first.sum()),), 5.0), rtol=1e-4, atol=0)
    assert torch.equal(depth[~first], rays.far[~first]), "an infinite depth is at the far end"


class PointLoss(Loss):
    """A loss that asks for half of the rays."""

    def __init__(self, config: Any, ctx: Any):
        super().__init__()

    @staticmethod
    def ray_shares(config: Any) -> dict[str, float]:
        return {"observations": 0.5}

    def forward(self, outputs, batch, model, step):
        known = batch.extras["point_depth"].nan_to_num()
        return batch.extras["point_weights"] * (outputs.rendered.depth - known).abs()


def loss_of(*words: str) -> PartUnderTest:
    part = component("loss", "points", impl=f"{__name__}:PointLoss", config="radfield_core.config.losses:LossConfig",
                     summary="", requires={"data": words})  # fmt: skip
    plugin = Plugin("x", "acme", "0", __name__, "ok", components=(part._replace(distribution="acme", plugin="x"),))
    registry = Registry([*with_toys().plugins, plugin], {})
    return PartUnderTest(plugin.components[0], registry)


def test_a_run_makes_the_extras_that_its_losses_require_and_no_others() -> None:
    run = loss_of("observations").run_config()
    scene = Scenes(run).get("train")
    setup = TrainingSetup.of(run, scene, torch.device("cpu"))
    assert setup.drawer.extras.shares == {"observations": 0.5}
    assert Extras.of(attrs.evolve(run, losses={}), scene) is None
    with pytest.raises(UsageError, match=r"needs depth images, but this data set has none"):
        Extras.of(loss_of("depths", "observations").run_config(), replace(scene, depths=None))
    either = loss_of("depths|images").run_config()
    assert Extras.of(either, replace(scene, depths=None)) is None
    assert Extras.of(either, scene).shares == {"depths": 0.0}


def test_losses_cannot_take_all_rays(monkeypatch) -> None:
    run = loss_of("observations").run_config()
    scene = Scenes(run).get("train")
    monkeypatch.setattr(PointLoss, "ray_shares", lambda config: {"observations": 1.0})
    with pytest.raises(UsageError, match="100% of the rays"):
        Extras.of(run, scene)


def test_normals_are_refused_in_ndc() -> None:
    scene = replace(with_surface(toy_scene()), ndc=True)
    with pytest.raises(UsageError, match="NDC"):
        Extras.of(loss_of("normals", "observations").run_config(), scene)


def test_micro_batches_give_the_gradients_of_the_whole_batch(tmp_path) -> None:
    grads = []
    for chunk in ("none", 100):
        tested = replace(loss_of("observations"), folder=tmp_path / str(chunk))
        trainer = tested.trainer(tested.run_config(trainer={"samples_per_chunk": chunk}), "run")
        step = Step(0, 3, 0)
        trainer.model.begin_step(step)
        trainer._backward(trainer.drawer.draw(step, 32), step)
        grads.append([p.grad.clone() for p in trainer.model.parameters() if p.grad is not None])
    for a, b in zip(*grads, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-7)


def replace_folder(tested: PartUnderTest, folder: Any) -> PartUnderTest:
    return replace(tested, folder=folder)


def test_points_without_observations_are_used_with_a_warning(caplog) -> None:
    scene = replace(with_surface(toy_scene(), n_points=500), observations=None)
    extras = Extras.of(loss_of("depths|observations|sparse_points").run_config(), replace(scene, depths=None))
    assert list(extras.sources) == ["sparse_points"] and "which views see which of the 500 sparse" in caplog.text
    batch = drawn(scene, {"sparse_points": 0.5})
    t = batch.extras["point_depth"][100:]
    ends = batch.rays.origins[100:] + t[:, None] * batch.rays.directions[100:]
    assert float(torch.cdist(ends, scene.points).amin(1).max()) < 0.2
