"""A training step of Neuralangelo, written out in float64 from its sources: loss terms and gradients of one batch.

Sources: Neuralangelo (Li et al. 2023, sections 3.1 to 3.3), instant-nsr-pl's neuralangelo-dtu-wmask.yaml, NeuS
(equations 12 and 13), and tiny-cuda-nn's grid and spherical harmonics. The sizes are the published ones, except for the
number of table entries per level, 2¹⁵ instead of 2²²: a table of the published size and its gradient need 5 GB here.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from radfield_core import Batch, BuildContext, RayBundle, RaySamples, Sampler, SceneBox, Step, compose, get_registry
from radfield_core.builtin.config import VolumeConfig
from radfield_core.builtin.volume import Volume
from radfield_core.interfaces import method_of
from radfield_core.model import LevelLoop

STEP, TABLE = 6000, 15
PRIMES = (1, 2654435761, 805459861)
CORNERS = [(i, j, k) for i in (0, 1) for j in (0, 1) for k in (0, 1)]


def scale_of(level: int) -> float:
    """The scale of a level, in float32 as in tiny-cuda-nn."""
    log2_growth = np.float32(np.log2(float(np.float32(1.3195079107728942))))
    growth = np.float32(np.exp2(float(np.float32(level * log2_growth))))
    return float(growth * np.float32(32) - np.float32(1))


def grid_features(x: Tensor, table: Tensor, n_active: int) -> Tensor:
    """Features of points in [−1, 1]³; those of levels that are not in use are 0."""
    unit, offset, rows, shares = (x + 1) / 2, 0, [], []
    for level in range(16):
        resolution = int(np.ceil(scale_of(level))) + 1
        size = min((resolution**3 + 7) // 8 * 8, 2**TABLE)
        place = unit * scale_of(level) + 0.5
        cell = place.floor()
        share = place - cell
        for corner in CORNERS:
            vertex = (cell + torch.tensor(corner, dtype=x.dtype)).long()
            if resolution**3 <= 2**TABLE:
                index = (vertex[:, 0] + vertex[:, 1] * resolution + vertex[:, 2] * resolution**2) % size
            else:
                index = torch.zeros_like(vertex[:, 0])
                for axis in range(3):
                    index ^= vertex[:, axis] * PRIMES[axis] % 2**32
                index %= size
            weight = torch.full((len(x),), float(level < n_active), dtype=x.dtype)
            for axis, bit in enumerate(corner):
                weight = weight * (share[:, axis] if bit else 1 - share[:, axis])
            rows.append(offset + index)
            shares.append(weight)
        offset += size
    entries = table[torch.stack(rows)] * torch.stack(shares)[..., None]  # [16 · 8 corners, M, 8]
    return entries.view(16, 8, len(x), 8).sum(1).transpose(0, 1).reshape(len(x), 128)


def harmonics(d: Tensor) -> Tensor:
    """The 16 spherical harmonics of degree 4, as tiny-cuda-nn writes them."""
    x, y, z = d.unbind(-1)
    return torch.stack([
        torch.full_like(x, 0.28209479177387814), -0.48860251190291987 * y, 0.48860251190291987 * z,
        -0.48860251190291987 * x, 1.0925484305920792 * x * y, -1.0925484305920792 * y * z,
        0.94617469575756008 * z * z - 0.31539156525252005, -1.0925484305920792 * x * z,
        0.54627421529603959 * (x * x - y * y), 0.59004358992664352 * y * (y * y - 3 * x * x),
        2.8906114426405538 * x * y * z, 0.45704579946446572 * y * (1 - 5 * z * z),
        0.3731763325901154 * z * (5 * z * z - 3), 0.45704579946446572 * x * (1 - 5 * z * z),
        1.4453057213202769 * z * (x * x - y * y), 0.59004358992664352 * x * (3 * y * y - x * x),
    ], dim=-1)  # fmt: skip


def linear(h: Tensor, layer: torch.nn.Module) -> Tensor:
    """A layer with weight normalization, W = g v / ‖v‖ row by row."""
    g, v = (getattr(layer.parametrizations.weight, name) for name in ("original0", "original1"))
    return h @ (g * v / v.square().sum(1, keepdim=True).sqrt()).t() + layer.bias


def network(field: torch.nn.Module, x: Tensor, n_active: int) -> tuple[Tensor, Tensor]:
    """Signed distance and features."""
    first, last = field.distance.layers
    h = linear(torch.cat([x, grid_features(x, field.encoding.table, n_active)], dim=1), first)
    h = torch.where(
        h > 0, h + torch.log1p(torch.exp(-100 * h.abs())) / 100, torch.log1p(torch.exp(100 * h.clamp(max=0))) / 100
    )
    out = linear(h, last)
    return out[:, 0], out[:, 1:]


def restated(field: torch.nn.Module, samples: RaySamples, rgb: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """The loss terms of a step."""
    n_active, anneal = 4 + STEP // 1000, STEP / 20_000
    rays, t, length = samples.rays, samples.dense(samples.t_eval), samples.lengths
    d = rays.directions[:, None].expand(*t.shape, 3).reshape(-1, 3)
    x = rays.origins[:, None].expand(*t.shape, 3).reshape(-1, 3) + t.reshape(-1, 1) * d
    sdf, features = network(field, x, n_active)

    eps = 2 / (32 * 1.3195079107728942 ** (n_active - 1))  # a cell of the finest level in use
    slopes, laplacian = [], torch.zeros_like(sdf)
    for axis in range(3):
        shift = torch.zeros(3, dtype=x.dtype)
        shift[axis] = eps
        plus, minus = network(field, x + shift, n_active)[0], network(field, x - shift, n_active)[0]
        slopes.append((plus - minus) / (2 * eps))
        laplacian = laplacian + (plus + minus - 2 * sdf) / eps**2
    gradient = torch.stack(slopes, dim=-1)
    norm = gradient.square().sum(-1).sqrt()
    normal = gradient / norm[:, None]

    h = torch.cat([x, harmonics(d), normal, features], dim=1)
    layers = list(field.color.layers)
    for layer in layers[:-1]:
        h = linear(h, layer).clamp(min=0)
    color = 1 / (1 + torch.exp(-linear(h, layers[-1])))

    inv_s = torch.exp(10 * field.sharpness_log)
    cosine = (d * normal).sum(-1)
    slope = -((0.5 - 0.5 * cosine).clamp(min=0) * (1 - anneal) + (-cosine).clamp(min=0) * anneal)
    before = 1 / (1 + torch.exp(-(sdf - slope * length / 2) * inv_s))
    after = 1 / (1 + torch.exp(-(sdf + slope * length / 2) * inv_s))
    alpha = ((before - after + 1e-5) / (before + 1e-5)).clamp(0, 1).view(t.shape)
    pixels, opacities = [], []
    for ray in range(len(t)):
        free, pixel, opacity = torch.ones((), dtype=x.dtype), torch.zeros(3, dtype=x.dtype), 0.0
        for i in range(t.shape[1]):
            weight = free * alpha[ray, i]
            pixel, opacity = pixel + weight * color.view(*t.shape, 3)[ray, i], opacity + weight
            free = free * (1 - alpha[ray, i])
        pixels.append(pixel + (1 - opacity))  # on white
        opacities.append(opacity)
    hit = torch.tensor([float(opacity > 0) for opacity in opacities], dtype=x.dtype)
    differences = [(pixel - wanted).abs().sum() for pixel, wanted in zip(pixels, rgb, strict=True)]
    l1 = sum(flag * difference for flag, difference in zip(hit, differences, strict=True)) / (hit.sum() + 1e-5)
    entropy = torch.zeros((), dtype=x.dtype)
    for opacity, inside in zip(opacities, mask.tolist(), strict=True):
        o = opacity.clamp(1e-3, 1 - 1e-3)
        entropy = entropy - (o.log() if inside > 0.5 else (1 - o).log()) / len(mask)
    near = x.square().sum(-1).sqrt() < 1.2
    eikonal = ((norm - 1).square() * near).sum() / near.sum()
    return {"rgb": l1, "mask": 0.1 * entropy, "eikonal": 0.1 * eikonal, "curvature": 1e-4 * laplacian.abs().mean()}


class Even(Sampler):
    """40 intervals of equal length between the limits of each ray."""

    def propose(self, rays, level, prev, field) -> RaySamples:
        share = torch.linspace(0, 1, 41, dtype=rays.near.dtype)
        return RaySamples.from_edges(rays, rays.near[:, None] + (rays.far - rays.near)[:, None] * share)


def test_a_step_at_published_size_has_the_losses_and_gradients_of_the_sources() -> None:
    words = [f"field.encoding.log2_table_size={TABLE}"]
    run = compose(get_registry(), method="neuralangelo-dtu-wmask", overrides=words, needs_data=False).run
    ctx = BuildContext(SceneBox(torch.zeros(3), 1.0, "sphere"), run=run)
    torch.manual_seed(0)
    field = ctx.field(run.field).double()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():  # at the start, the network does not look at the grid, and normals are those of a sphere
        for parameter in field.parameters():
            parameter.add_(0.03 * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype))
        field.encoding.table.mul_(3.0)
    step = Step(STEP, 20_000, 0)
    for part in (field.encoding, field):
        part.begin_step(step)
    eye = torch.tensor([[0.0, 0.3, 2.5], [1.8, -1.6, 0.4], [-2.0, 0.9, 1.1], [2.5, 2.5, 2.5]], dtype=torch.float64)
    aim = torch.tensor([[0.1, 0.0, 0.0], [0.0, 0.2, -0.1], [0.3, 0.3, 0.1], [-0.5, 0.4, -0.1]], dtype=torch.float64)
    d = torch.nn.functional.normalize(aim - eye, dim=-1)
    middle = -(eye * d).sum(-1)
    rays = RayBundle(eye, d, d, middle - 0.55, middle + 0.55, torch.full((4,), 1e-3, dtype=torch.float64))
    rgb = torch.rand(4, 3, generator=generator, dtype=torch.float64)
    mask = torch.tensor([1.0, 1.0, 0.0, 0.0], dtype=torch.float64)
    batch = Batch(rays=rays, view=None, rgb=rgb, mask=mask, background=torch.ones(4, 3, dtype=torch.float64))
    model = LevelLoop([field], Even(), Volume(VolumeConfig(), ctx)).train()
    method = method_of(run.method)
    outputs = method.forward(model, batch)
    found = method.losses(outputs, batch, model, step) | field.losses(outputs, batch, step)
    expected = restated(field, outputs.levels[0].samples, rgb, mask)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].item() == pytest.approx(value.item(), rel=1e-6), name
        assert value.item() > 0
    parameters = dict(field.named_parameters())
    gradients = torch.autograd.grad(sum(found.values()), list(parameters.values()))
    wanted = torch.autograd.grad(sum(expected.values()), list(parameters.values()))
    for name, a, b in zip(parameters, gradients, wanted, strict=True):
        torch.testing.assert_close(
            a, b, rtol=1e-5, atol=1e-6 * float(b.abs().max()), msg=lambda text, name=name: f"{name}: {text}"
        )
        assert float(b.abs().max()) > 0, name
