"""Early stop: the same pixels from fewer samples, for densities and opacities, in every layout."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from torch import Tensor

from radfield_core.interfaces import Field
from radfield_core.model import LevelLoop
from radfield_core.model.early_stop import evaluate_visible
from radfield_core.ops.layout import Packing
from radfield_core.testing.toys import importance_sampler, toy_rays, volume_renderer
from radfield_core.types import FieldOutputs, RayBundle, RaySamples

N_RAYS, N_SAMPLES = 7, 150


class Wall(Field):
    """Opaque beyond a distance that differs from ray to ray; `answers` is "density" or "alpha"."""

    def __init__(self, answers: str, per_sample: float = 0.3):
        super().__init__()
        self.answers, self.per_sample, self.seen = answers, per_sample, 0

    def forward(self, samples: RaySamples) -> FieldOutputs:
        self.seen += samples.n
        start = samples.per_sample(samples.rays.radii)  # the radii carry the place of the wall
        alpha = torch.where(samples.t_eval >= start, self.per_sample, 0.0).to(samples.t_starts)
        x = samples.positions()
        outputs = {"rgb": torch.sigmoid(x), "normals": x, "extras": {"t": samples.t_eval, "n": torch.ones(samples.n)}}
        if self.answers == "alpha":
            return FieldOutputs(alpha=alpha, **outputs)  # type: ignore[arg-type]
        return FieldOutputs(density=-torch.log1p(-alpha) / samples.lengths.clamp_min(1e-9), **outputs)  # type: ignore[arg-type]


def rays() -> RayBundle:
    """The last ray sees no wall, and the first begins in it."""
    walls = torch.tensor([0.0, 0.05, 0.3, 0.5, 0.9, 0.97, 5.0], dtype=torch.float64)
    ids = torch.arange(N_RAYS)
    return dataclasses.replace(toy_rays(N_RAYS, dtype=torch.float64), radii=walls, image_ids=ids)


def uniform() -> RaySamples:
    edges = torch.linspace(0, 1, N_SAMPLES + 1, dtype=torch.float64).expand(N_RAYS, -1)
    return RaySamples.from_edges(rays(), edges)


def packed() -> RaySamples:
    dense, counts = uniform(), torch.tensor([N_SAMPLES, 0, 3, N_SAMPLES, 8, 9, 60])
    kept = torch.cat([torch.arange(int(n)) + i * N_SAMPLES for i, n in enumerate(counts)])
    return RaySamples.packed(dense.rays, dense.t_starts[kept], dense.t_ends[kept], Packing.from_counts(counts))


def light_before(samples: RaySamples, field: Wall) -> Tensor:
    """The transmittance in front of each sample, by a loop."""
    walls, light = samples.rays.radii.tolist(), []
    ray_of = samples.ray_indices.tolist()
    left = 1.0
    for i, ray in enumerate(ray_of):
        left = 1.0 if i == 0 or ray != ray_of[i - 1] else left
        light.append(left)
        left *= 1 - (field.per_sample if float(samples.t_eval[i]) >= walls[ray] else 0.0)
    return torch.tensor(light, dtype=torch.float64)


@pytest.mark.parametrize("answers", ["density", "alpha"])
@pytest.mark.parametrize("make", [uniform, packed])
@pytest.mark.parametrize("eps", [1e-1, 1e-4])
def test_only_samples_that_almost_no_light_reaches_are_left_out(make, answers: str, eps: float) -> None:
    samples, field = make(), Wall(answers)
    full = field(samples)
    field.seen = 0
    found = evaluate_visible(field, samples, eps)
    assert 0 < field.seen < 0.8 * samples.n
    evaluated = found.extras["n"] == 1
    assert int(evaluated.sum()) == field.seen
    light = light_before(samples, field)
    assert (light[~evaluated] < eps).all() and bool(evaluated[light >= eps].all())
    for name in ("rgb", "density", "alpha", "normals"):
        mine, whole = getattr(found, name), getattr(full, name)
        assert (mine is None) == (whole is None)
        if mine is not None:
            torch.testing.assert_close(mine[evaluated], whole[evaluated], atol=1e-12, rtol=0)
            assert not mine[~evaluated].any()
    assert torch.equal(found.extras["t"], torch.where(evaluated, samples.t_eval, 0.0))
    renderer = volume_renderer()
    pixels = [renderer.composite(samples, each, renderer.weights(samples, each)) for each in (found, full)]
    for name in ("rgb", "opacity", "depth"):
        torch.testing.assert_close(getattr(pixels[0], name), getattr(pixels[1], name), atol=eps, rtol=0)


def test_a_ray_of_nan_is_evaluated_to_its_end() -> None:
    samples, field = uniform(), Wall("alpha", math.nan)
    found = evaluate_visible(field, samples, 1e-4)
    assert found.alpha is not None and bool(found.alpha[:N_SAMPLES].isnan().all()) and field.seen == samples.n


def test_no_samples_and_no_rays_give_outputs_of_no_samples() -> None:
    dense = uniform()
    nothing = RaySamples.packed(
        dense.rays, dense.t_starts[:0], dense.t_ends[:0], Packing.from_counts(torch.zeros(7).long())
    )
    no_rays = RaySamples.from_edges(dense.rays[:0], torch.zeros(0, 5))
    for samples in (nothing, no_rays):
        outputs = evaluate_visible(Wall("alpha"), samples, 1e-4)
        assert outputs.alpha is not None and outputs.alpha.shape == (0,) and outputs.rgb is not None


def test_chosen_rays_keep_all_their_values() -> None:
    some = rays()[torch.tensor([5, 0])]
    assert some.image_ids is not None and some.image_ids.tolist() == [5, 0] and some.radii.tolist() == [0.97, 0.0]
    assert torch.equal(some.origins, rays().origins[[5, 0]])


@pytest.mark.parametrize("answers", ["density", "alpha"])
def test_rendering_stops_early_as_the_sampler_says_and_tracing_does_not(answers: str) -> None:
    field, sampler = Wall(answers), importance_sampler(64).eval()
    model, bundle = LevelLoop([field], sampler, volume_renderer()).eval(), rays()
    bundle = dataclasses.replace(bundle, near=torch.zeros_like(bundle.near), far=torch.ones_like(bundle.far))
    whole = model.render_rays(bundle)
    assert field.seen == 64 * N_RAYS
    sampler.early_stop_eps, field.seen = 1e-3, 0
    less = model.render_rays(bundle)
    assert field.seen < 0.9 * 64 * N_RAYS
    torch.testing.assert_close(less.opacity, whole.opacity, atol=1e-3, rtol=0)
    field.seen = 0
    model.trace(bundle)
    assert field.seen == 64 * N_RAYS


def test_rendering_evaluates_the_background_only_behind_rays_that_light_passes() -> None:
    behind = Wall("density", 0.9)
    far = LevelLoop([behind], importance_sampler(8).eval(), volume_renderer())
    sampler = importance_sampler(64).eval()
    model = LevelLoop([Wall("alpha")], sampler, volume_renderer(), far).eval()
    bundle = dataclasses.replace(rays(), near=torch.zeros(7).double(), far=torch.ones(7).double())
    white = torch.ones(3, dtype=torch.float64)
    traced = model.trace(bundle, white.expand(7, 3))
    assert behind.seen == 8 * N_RAYS and traced.background is not None
    sampler.early_stop_eps, behind.seen = 1e-3, 0
    rendered = model.render_rays(bundle, white)
    opaque = int((traced.rendered.opacity > 1 - 1e-3).sum())
    assert 3 <= opaque < N_RAYS and behind.seen == 8 * (N_RAYS - opaque)
    torch.testing.assert_close(rendered.rgb, traced.rendered.rgb, atol=2e-3, rtol=0)
