"""renderer:volume against nested loops over rays and samples, for density, opacity and every other output."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from radfield_core.builtin.config import VolumeConfig
from radfield_core.builtin.volume import Volume
from radfield_core.testing.toys import RaggedSampler, toy_context, toy_rays
from radfield_core.types import FieldOutputs, RaySamples, Step


def samples_and_outputs(alpha: bool) -> tuple[RaySamples, FieldOutputs]:
    """Packed samples on 4 rays, two of them without any, with every output that is composited."""
    sampler = RaggedSampler((6, 0))
    sampler.begin_step(Step(0, 1, 0))
    samples = sampler.propose(toy_rays(4, dtype=torch.float64), 0, None, None)  # type: ignore[arg-type]
    draw = torch.Generator().manual_seed(0)
    values = torch.rand(samples.n, 9, generator=draw, dtype=torch.float64)
    outputs = FieldOutputs(
        rgb=values[:, :3],
        density=None if alpha else 3 * values[:, 3],
        alpha=values[:, 3] if alpha else None,
        normals=values[:, 4:7],
        extras={"toy.two": values[:, 7:9], "toy.index": samples.ray_indices},
    )
    return samples, outputs


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("opaque_far", [False, True])
def test_pixels_equal_a_loop_over_samples(alpha: bool, opaque_far: bool) -> None:
    renderer = Volume(VolumeConfig(opaque_far=opaque_far and not alpha), toy_context())
    samples, outputs = samples_and_outputs(alpha)
    weights = renderer.weights(samples, outputs)
    rendered = renderer.composite(samples, outputs, weights)
    rgb, depth, opacity = np.zeros((4, 3)), np.zeros(4), np.zeros(4)
    normals, extra, transmittance = np.zeros((4, 3)), np.zeros((4, 2)), np.ones(4)
    rays = samples.ray_indices.tolist()
    for i, ray in enumerate(rays):
        last = rays[i + 1 : i + 2] != [ray]
        length = 1e10 if renderer.opaque_far and last else float(samples.lengths[i])
        share = float(outputs.alpha[i]) if alpha else 1 - math.exp(-float(outputs.density[i]) * length)  # type: ignore[index]
        w = transmittance[ray] * share
        transmittance[ray] *= 1 - share
        assert float(weights[i]) == pytest.approx(w, abs=1e-12)
        rgb[ray] += w * outputs.rgb[i].numpy()  # type: ignore[index]
        depth[ray] += w * float(samples.t_eval[i])
        opacity[ray] += w
        normals[ray] += w * outputs.normals[i].numpy()  # type: ignore[index]
        extra[ray] += w * outputs.extras["toy.two"][i].numpy()
    for found, expected in [
        (rendered.rgb, rgb), (rendered.depth, depth), (rendered.opacity, opacity), (rendered.normals, normals),
        (rendered.extras["toy.two"], extra),
    ]:  # fmt: skip
        np.testing.assert_allclose(found, expected, atol=1e-12)
    assert set(rendered.extras) == {"toy.two"} and opacity[1] == 0 < opacity[0]


def test_an_empty_interval_has_no_opacity_whatever_alpha_the_field_gives() -> None:
    rays = toy_rays(2)
    samples = RaySamples.from_edges(rays, torch.tensor([2.0, 3.0, 3.0, 4.0]).expand(2, 4))
    outputs = FieldOutputs(alpha=torch.full((6,), 0.5))
    weights = samples.dense(Volume(VolumeConfig(), toy_context()).weights(samples, outputs))
    assert weights.tolist() == [[0.5, 0.0, 0.25]] * 2


def test_a_field_without_color_or_normals_still_has_depth_and_opacity() -> None:
    samples, outputs = samples_and_outputs(alpha=True)
    bare = dataclasses.replace(outputs, rgb=None, normals=None, extras={})
    renderer = Volume(VolumeConfig(), toy_context())
    weights = renderer.weights(samples, bare)
    found, full = renderer.composite(samples, bare, weights), renderer.composite(samples, outputs, weights)
    assert found.rgb is None and found.normals is None and not found.extras
    torch.testing.assert_close((found.depth, found.opacity), (full.depth, full.opacity))


def test_half_precision_outputs_are_weighted_in_float32() -> None:
    samples = RaySamples.from_edges(toy_rays(2), torch.tensor([2.0, 3.0, 4.0]).expand(2, 3))
    for outputs in (FieldOutputs(density=torch.ones(4).half()), FieldOutputs(alpha=torch.ones(4).bfloat16() / 2)):
        assert Volume(VolumeConfig(), toy_context()).weights(samples, outputs).dtype == torch.float32


@pytest.mark.parametrize("kind", ["density", "alpha"])
def test_gradients_near_the_camera_shrink_with_the_squared_distance_and_values_stay(kind) -> None:
    samples = RaySamples.from_edges(
        toy_rays(2, dtype=torch.float64), torch.tensor([0.5, 1.5, 3.5]).double().expand(2, 3)
    )
    gradients, pixels = [], []
    for distance in (0.0, 2.0 / 1.5):  # toy scenes have a radius of 1.5: gradients are full from t = 2 on
        opacity = torch.full((4,), 0.3, dtype=torch.float64, requires_grad=True)
        rgb = torch.full((4, 3), 0.6, dtype=torch.float64, requires_grad=True)
        outputs = FieldOutputs(rgb=rgb, **{kind: opacity})
        renderer = Volume(VolumeConfig(near_distance=distance), toy_context())
        rendered = renderer.composite(samples, outputs, renderer.weights(samples, outputs))
        pixels.append(rendered.rgb)
        gradients.append(torch.autograd.grad(rendered.rgb.sum(), (opacity, rgb)))
    assert torch.equal(pixels[0], pixels[1])
    factor = torch.tensor([0.25, 1.0, 0.25, 1.0], dtype=torch.float64)  # the samples are at t = 1 and t = 2.5
    torch.testing.assert_close(gradients[1][0], gradients[0][0] * factor)
    torch.testing.assert_close(gradients[1][1], gradients[0][1] * factor[:, None])
