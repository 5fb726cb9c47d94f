"""NeuS is compared with its formulas in float64, with finite differences and with closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from radfield_neus.alpha import annealed_cosine, interval_alpha
from radfield_neus.config import InvertedSphereSamplerConfig, NeuSConfig, NeuSSamplerConfig
from radfield_neus.method import NeuS
from radfield_neus.outside import InvertedSphereSampler
from radfield_neus.sampler import NeuSSampler, upsampling_weights

from radfield_core import (
    Batch,
    BuildContext,
    Field,
    FieldOutputs,
    ModelOutputs,
    RayBundle,
    RaySamples,
    Rendered,
    SceneBox,
    Schedule,
    Step,
)
from radfield_core.builtin.config import VolumeConfig
from radfield_core.builtin.volume import Volume
from radfield_core.model import LevelLoop
from radfield_core.ops import segments, volume


def logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0


def rays_of(origins: list, directions: list, dtype=torch.float64) -> RayBundle:
    o = torch.tensor(origins, dtype=dtype)
    d = torch.nn.functional.normalize(torch.tensor(directions, dtype=dtype), dim=-1)
    ones = torch.ones(len(o), dtype=dtype)
    return RayBundle(o, d, d, 0.1 * ones, 10 * ones, 1e-3 * ones)


class Plane(Field):
    """The half space below z = height."""

    def __init__(self, height: float = 0.0) -> None:
        super().__init__()
        self.height = height

    def sdf(self, x):
        return x[..., 2] - self.height

    def gradient(self, x):
        return torch.tensor([0.0, 0, 1], dtype=x.dtype).expand_as(x)

    def forward(self, samples):
        return FieldOutputs(density=torch.zeros(samples.n))


@settings(max_examples=200, deadline=None)
@given(
    sdf=st.floats(-2, 2),
    cosine=st.floats(-1, 1),
    ratio=st.floats(0, 1),
    length=st.floats(0, 0.5),
    sharpness=st.floats(1, 2000),
)
def test_alpha_and_annealing_are_the_published_formulas(sdf, cosine, ratio, length, sharpness) -> None:
    slope = -(max(0.0, -cosine * 0.5 + 0.5) * (1 - ratio) + max(0.0, -cosine) * ratio)
    before, after = logistic((sdf - slope * length / 2) * sharpness), logistic((sdf + slope * length / 2) * sharpness)
    expected = min(1.0, max(0.0, (before - after + 1e-5) / (before + 1e-5)))
    tensor = lambda value: torch.tensor([value], dtype=torch.float64)  # noqa: E731
    found = annealed_cosine(tensor(cosine), ratio)
    assert found.item() == pytest.approx(slope, abs=1e-12)
    assert interval_alpha(tensor(sdf), found, tensor(length), sharpness).item() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("phase", [0.0, 0.3, 0.71])
def test_a_plane_seen_head_on_has_its_largest_weight_on_the_plane(phase: float) -> None:
    n, length = 128, 2 / 128
    edges = 1.0 + length * (torch.arange(n + 1, dtype=torch.float64) + phase)[None]
    rays = rays_of([[0, 0, 2.0]], [[0, 0, -1.0]])
    samples = RaySamples.from_edges(rays, edges)
    sdf = Plane().sdf(samples.positions())
    alpha = interval_alpha(sdf, torch.full_like(sdf, -1.0), samples.lengths, 400.0)
    weights = volume.weights_from_alpha(alpha, samples.layout)
    middle = samples.t_eval[weights.argmax()]
    assert abs(middle - 2.0) <= length / 2 + 1e-12
    assert segments.sum(weights, samples.layout).item() == pytest.approx(1.0, abs=2e-2)


def test_upsampling_weights_are_those_of_a_nested_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    rays = rays_of([[0, 0, 2.0], [0.3, -0.2, 1.7]], [[0, 0.1, -1.0], [0.2, 0.1, -1]])
    t = (0.9 + 2.2 * torch.rand(2, 12, generator=generator, dtype=torch.float64)).sort(dim=1).values
    sdf = torch.randn(2, 12, generator=generator, dtype=torch.float64) * 0.3
    center, radius, sharpness = torch.tensor([0.05, 0.0, 0.0], dtype=torch.float64), 0.9, 64.0
    found = upsampling_weights(rays, t, sdf, center, radius, sharpness)
    for ray in range(2):
        previous, free = 0.0, 1.0
        points = [rays.origins[ray] + t[ray, i] * rays.directions[ray] - center for i in range(12)]
        for i in range(11):
            length = (t[ray, i + 1] - t[ray, i]).item()
            raw = (sdf[ray, i + 1] - sdf[ray, i]).item() / (length + 1e-5)
            slope = max(-1e3, min(0.0, min(raw, previous)))
            previous = raw
            if not (points[i].norm() < radius or points[i + 1].norm() < radius):
                slope = 0.0
            middle = 0.5 * (sdf[ray, i] + sdf[ray, i + 1]).item()
            a, b = (logistic((middle - sign * slope * length / 2) * sharpness) for sign in (1, -1))
            alpha = (a - b + 1e-5) / (a + 1e-5)
            assert found[ray, i].item() == pytest.approx(alpha * free, abs=1e-9)
            free *= 1 - alpha + 1e-7


def sampler_of(**options) -> NeuSSampler:
    return NeuSSampler(NeuSSamplerConfig(**options), BuildContext(bounds=SceneBox(torch.zeros(3), 1.0, "sphere")))


def test_added_samples_gather_where_the_surface_is() -> None:
    sampler = sampler_of(perturb=False).eval()
    samples = sampler.propose(rays_of([[0.1, 0.2, 3.0]] * 3, [[0, 0, -1.0]] * 3, torch.float32), 0, None, Plane(0.25))
    assert samples.samples_per_ray == 128 and (samples.lengths >= 0).all()
    t = samples.dense(samples.t_starts)[0]
    assert ((t - 2.75).abs() < 0.05).sum() >= 48 and t.min() >= 2.0 - 0.25 and samples.edges().max() <= 4.1


def test_samples_shift_by_up_to_half_a_step_in_training_only() -> None:
    rays = rays_of([[0, 0, 3.0]] * 50, [[0, 0, -1.0]] * 50, torch.float32)
    sampler = sampler_of(n_importance=0, n_samples=10)
    sampler.begin_step(Step(3, 10, 0))
    moved = sampler.train().propose(rays, 0, None, Plane()).dense(sampler.propose(rays, 0, None, Plane()).t_starts)
    fixed = sampler.eval().propose(rays, 0, None, Plane())
    shift = moved - fixed.dense(fixed.t_starts)
    assert (shift.abs() <= 0.5 * 2.0 / 10 + 1e-6).all() and shift.std() > 0.02
    assert torch.allclose(shift, shift[:, :1].expand_as(shift), atol=1e-6)


def outer_sampler(**options) -> InvertedSphereSampler:
    context = BuildContext(bounds=SceneBox(torch.zeros(3), 1.5, "sphere"))
    return InvertedSphereSampler(InvertedSphereSamplerConfig(**options), context)


def test_edges_outside_the_sphere_are_even_in_inverse_distance_and_reach_infinity() -> None:
    rays = rays_of([[0, 0, 3.0], [0.1, 0, 3.0]], [[0, 0, -1.0]] * 2)
    far = 10_000 * 1.5
    inverse = [1 - k / 5 * (1 - 1.5 / (far + 1.5)) for k in range(6)]  # of the distance from 1.5 before near, in radii
    expected = [0.1 - 1.5 + 1.5 / u for u in inverse]
    for sampler in (outer_sampler(n_samples=5).eval(), outer_sampler(n_samples=5, perturb=False).train()):
        edges = sampler.propose(rays, 0, None, Plane()).edges()
        np.testing.assert_allclose(edges, [expected] * 2, rtol=1e-9)
        near, end = sampler.extent(rays)
        assert near.tolist() == [0.1, 0.1] and end.tolist() == pytest.approx([0.1 + far] * 2)
    assert edges[0, -1] > 3432, "farther than the paper's code, whose last sample is at 1000 times the far limit"


def test_what_is_hundreds_of_radii_away_is_seen() -> None:
    class Sky(Field):
        """A red background that is opaque at distances of 300 radii or more."""

        def forward(self, samples):
            far = samples.positions().norm(dim=-1) > 300 * 1.5
            return FieldOutputs(rgb=torch.tensor([[1.0, 0, 0]]).expand(samples.n, 3), density=far.double())

    rays, context = rays_of([[0, 0, 3.0]], [[0, 0, -1.0]]), BuildContext(bounds=SceneBox(torch.zeros(3), 1.5, "sphere"))
    model = LevelLoop([Sky()], outer_sampler().eval(), Volume(VolumeConfig(), context))
    np.testing.assert_allclose(model.trace(rays).rendered.rgb, [[1, 0, 0]], atol=1e-6)


def test_edges_outside_the_sphere_move_by_up_to_half_a_stratum_in_training() -> None:
    rays, sampler = rays_of([[0, 0, 3.0]] * 200, [[0, 0, -1.0]] * 200), outer_sampler(n_samples=5)
    sampler.begin_step(Step(3, 10, 0))
    edges = sampler.train().propose(rays, 0, None, Plane()).edges()
    parts = 5 * (1 - 1 / ((edges - 0.1) / 1.5 + 1)) / (1 - 1 / 10_001)  # 0, 1, … 5 where nothing moves
    moved = parts - torch.arange(6)
    np.testing.assert_allclose(moved[:, [0, -1]], 0, atol=1e-9)
    inner = moved[:, 1:-1]
    assert (inner.abs() <= 0.5 + 1e-9).all() and (inner.amin(0) < -0.45).all() and (inner.amax(0) > 0.45).all()
    assert abs(inner.mean()) < 0.04, "to either side alike"


def test_random_numbers_outside_the_sphere_are_drawn_on_the_rays_device() -> None:
    class Recording(Step):
        def generator(self, salt, device="cpu"):
            devices.append(device)

    devices: list = []
    sampler = outer_sampler()
    sampler.begin_step(Recording(3, 10, 0))
    sampler.train().propose(rays_of([[0, 0, 3.0]], [[0, 0, -1.0]]).to("meta"), 0, None, Plane())
    assert devices == [torch.device("meta")]


def test_random_sampling_before_any_step_is_an_error() -> None:
    for sampler in (sampler_of(), outer_sampler()):
        with pytest.raises(RuntimeError, match="begin_step"):
            sampler.propose(rays_of([[0, 0, 3.0]], [[0, 0, -1.0]]), 0, None, Plane())


def test_no_rays_give_no_samples() -> None:
    rays = rays_of([[0, 0, 3.0]], [[0, 0, -1.0]], torch.float32)[:0]
    assert sampler_of().eval().propose(rays, 0, None, Plane()).n == 0


@pytest.mark.parametrize("step", [0, 100, 4999, 5000, 77_000, 300_000])
def test_the_learning_rate_warms_up_linearly_and_falls_by_a_cosine(step: int) -> None:
    method = NeuS(NeuSConfig())
    if step < 5000:
        expected = (step + 1) / 5000
    else:
        p = (step - 5000) / 295_000
        expected = (np.cos(np.pi * p) + 1) / 2 * 0.95 + 0.05
    assert method.lr_scale(Step(step, 300_000, 0), "networks") == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("start", [0.0, 0.01, 1.0])
def test_the_first_learning_rate_is_an_option(start: float) -> None:
    """The code of NeuS starts at 0 (i / 5000), and instant-nsr-pl at 1 % (torch's LinearLR with start_factor 0.01)."""
    method = NeuS(NeuSConfig(warmup_start=start))
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    if start > 0:
        oracle = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=start, total_iters=5000)
    else:
        oracle = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda i: i / 5000)
    for step in range(5001):
        if step in (0, 1, 700, 4999, 5000):
            expected = oracle.get_last_lr()[0]
            assert method.lr_scale(Step(step, 300_000, 0), "networks") == pytest.approx(expected, rel=1e-6)
        optimizer.step()
        oracle.step()


def test_rays_that_hit_nothing_can_be_left_out_of_the_photometric_loss() -> None:
    opacity = torch.tensor([0.0, 0.2, 1.0, 0.0])
    rgb, wanted = torch.rand(4, 3), torch.rand(4, 3)
    outputs = ModelOutputs(Rendered(rgb=rgb, depth=opacity, opacity=opacity), (), None, 0)
    weights = torch.tensor([0.5, 0.5, 1.5, 1.5])
    batch = Batch(rays=None, view=None, rgb=wanted, loss_weights=weights)
    step = Step(0, 10, 0)
    found = NeuS(NeuSConfig(hit_rays_only=True)).losses(outputs, batch, None, step)["rgb"]
    errors = [sum(abs(float(rgb[i, c] - wanted[i, c])) for c in range(3)) for i in range(4)]
    assert found.item() == pytest.approx((0.5 * errors[1] + 1.5 * errors[2]) / 2.0, rel=1e-4)
    everywhere = NeuS(NeuSConfig()).losses(outputs, batch, None, step)["rgb"]
    total = sum(error * weight for error, weight in zip(errors, weights.tolist(), strict=True))
    assert everywhere.item() == pytest.approx(total / 4, rel=1e-4)


@pytest.mark.parametrize("step", [0, 5, 9])
def test_absolute_and_squared_color_errors_add_up_with_scheduled_weights(step: int) -> None:
    rgb, wanted = torch.rand(4, 3, dtype=torch.float64), torch.rand(4, 3, dtype=torch.float64)
    outputs = ModelOutputs(Rendered(rgb=rgb, depth=rgb[:, 0], opacity=rgb[:, 0]), (), None, 0)
    batch = Batch(rays=None, view=None, rgb=wanted)
    config = NeuSConfig(l1=Schedule.of([1.0, 0.0, 10]), mse=Schedule.of(10.0))
    expected = 0.0
    for i in range(4):
        for c in range(3):
            difference = float(rgb[i, c] - wanted[i, c])
            expected += ((1 - step / 10) * abs(difference) + 10.0 * difference**2 / 3) / 4
    found = NeuS(config).losses(outputs, batch, None, Step(step, 10, 0))["rgb"]
    assert found.item() == pytest.approx(expected, rel=1e-4)


def test_a_random_background_changes_every_step_and_is_white_in_evaluation() -> None:
    found = {name: NeuS(NeuSConfig(background=name)) for name in ("none", "black", "white", "random")}
    step = Step(3, 10, 0)
    first, again, later = (found["random"].background(when, 500, "cpu") for when in (step, step, Step(4, 10, 0)))
    assert torch.equal(first, again) and not torch.equal(first, later)
    assert first.min() < 0.05 and first.max() > 0.95 and (first[0] != first[1]).all()
    for when in (None, step):
        assert found["none"].background(when, 2, "cpu") is None
        assert torch.equal(found["black"].background(when, 2, "cpu"), torch.zeros(2, 3))
        assert torch.equal(found["white"].background(when, 2, "cpu"), torch.ones(2, 3))
    assert torch.equal(found["random"].background(None, 2, "cpu"), torch.ones(2, 3))
