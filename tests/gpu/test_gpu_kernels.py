"""Every CUDA kernel equals the torch reference on the same device: values to 1e-5, gradients to 1e-4."""

from __future__ import annotations

import math
from importlib.util import find_spec

import pytest
import torch
from radfield_hash.encoding import OP as HASH, encode
from radfield_hash.levels import build
from radfield_occupancy.bench import shell_grid, shell_rays
from radfield_occupancy.march import MARCHING, Grid, StepLengths, march
from radfield_splat import Gaussians, rasterize
from radfield_splat.rasterizer import OP as SPLATS

from radfield_core.cameras import Camera, View
from radfield_core.ops import segments, volume
from radfield_core.ops._packed import COMPOSITING
from radfield_core.ops.backend import using
from radfield_core.ops.layout import Layout, Packing

COUNTS = ([3, 0, 140, 1, 129, 0], [0, 0], [], [700] * 40)
GRIDS = {"dense": (4, 2, 19, 4, 32), "hashed": (6, 2, 10, 8, 512), "four features": (3, 4, 10, 8, 64)}


def backends(op, device: torch.device) -> list[str]:
    """Names of the backends of an op that are installed; never none, or nothing would be compared."""
    found = [name for name in op.kernels[device.type] if find_spec(name)]
    assert found
    return found


def agree(op, run, device: torch.device, *inputs: torch.Tensor, skip: tuple[str, ...] = ()) -> None:
    """`run(*inputs)` has the same values and gradients, for their size, under every kernel as under the reference."""

    def evaluate() -> list[torch.Tensor]:
        leaves = [x.clone().requires_grad_() for x in inputs]
        out = run(*leaves)
        generator = torch.Generator().manual_seed(7)
        factors = torch.rand(out.shape, generator=generator, dtype=out.dtype).to(device)
        return [out.detach(), *torch.autograd.grad((out * factors).sum(), leaves, allow_unused=True)]

    with using("torch"):
        expected = evaluate()
    for name in backends(op, device):
        if name in skip:
            continue
        with using(name):
            found = evaluate()
        for mine, wanted, tolerance in zip(found, expected, [1e-5] + [1e-4] * len(inputs), strict=True):
            scale = float(wanted.abs().max()) if wanted is not None and wanted.numel() else 1.0
            torch.testing.assert_close(mine, wanted, rtol=tolerance, atol=tolerance * max(scale, 1.0))


@pytest.mark.parametrize("counts", COUNTS, ids=len)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_packed_scans_weights_and_pixels(counts, dtype, device):
    generator, n = torch.Generator().manual_seed(0), sum(counts)
    packing = Packing.from_counts(torch.tensor(counts, dtype=torch.int64, device=device))
    layout = Layout(len(counts), None, packing)

    def uniform(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator, dtype=dtype).to(device)

    x3, alpha = uniform(n, 3), 0.1 * uniform(n)
    alpha[::50] = 1.0
    agree(COMPOSITING, lambda x: segments.sum(x, layout), device, x3)
    agree(COMPOSITING, lambda x: segments.exclusive_cumsum(x, layout), device, x3)
    agree(COMPOSITING, lambda x: segments.per_sample(x, layout), device, uniform(len(counts), 2))
    sigma, delta = 40 * uniform(n), 0.01 * uniform(n)
    agree(COMPOSITING, lambda d, t: volume.weights_from_density(d, t, layout), device, sigma, delta)
    agree(COMPOSITING, lambda a: volume.weights_from_alpha(a, layout), device, alpha)
    agree(COMPOSITING, lambda w, x: volume.composite(w, x, layout), device, uniform(n), x3)

    def pixels(weights: torch.Tensor, rgb: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        color, depth, opacity = volume.pixels(weights, rgb, t, layout)
        return torch.cat([color, depth[:, None], opacity[:, None]], -1)

    agree(COMPOSITING, pixels, device, uniform(n), x3, alpha)


def points(n: int, device: torch.device) -> torch.Tensor:
    """Points [n, 3] inside, beside and, the last of them, on the borders of the cells of a box of unit size."""
    x = torch.rand(n, 3, generator=torch.Generator().manual_seed(1)) * 1.4 - 0.2
    x[-(n // 4) :] = (x[-(n // 4) :] * 8).round() / 8
    return x.to(device)


@pytest.mark.parametrize("sizes", GRIDS.values(), ids=GRIDS)
@pytest.mark.parametrize("n", [0, 1, 1000])
def test_hash_features_and_their_gradients(sizes, n, device):
    grid = build(*sizes)
    table = torch.rand(grid.n_entries, grid.n_features, generator=torch.Generator().manual_seed(2)).to(device)
    agree(HASH, lambda table: encode(points(n, device), table, grid), device, table)
    inside = torch.rand(n, 3, generator=torch.Generator().manual_seed(3)).to(device)
    agree(HASH, lambda x, table: encode(x, table, grid), device, inside, table, skip=("tinycudann",))


@pytest.mark.parametrize("sizes", GRIDS.values(), ids=GRIDS)
def test_second_derivatives_of_hash_features(sizes, device):
    """The gradient of a loss on the gradient by position, as a signed distance field trains."""
    grid = build(*sizes)
    table = torch.rand(grid.n_entries, grid.n_features, generator=torch.Generator().manual_seed(4)).to(device)
    x = torch.rand(500, 3, generator=torch.Generator().manual_seed(5)).to(device)

    def slopes(x: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
        return torch.autograd.grad(encode(x, table, grid).sum(), x, create_graph=True)[0]

    agree(HASH, slopes, device, x, table, skip=("tinycudann",))


@pytest.mark.parametrize(("cone", "contracted"), [(0.0, False), (0.05, False), (0.05, True)])
@pytest.mark.parametrize("n_rays", [0, 500])
def test_marching_keeps_the_very_same_steps(cone, contracted, n_rays, device):
    hull = shell_grid(32)
    grid = Grid(hull.bits.to(device), hull.bricks.to(device), 32, 1, hull.center, hull.radius, contracted)
    lattice = StepLengths.make(0.02, cone, math.inf if contracted else 8.0, 300)
    rays = [x.to(device) for x in shell_rays(n_rays, 0)]
    with using("torch"):
        expected = march(*rays, grid, lattice)
    assert n_rays == 0 or len(expected[0]) > n_rays
    for name in backends(MARCHING, device):
        with using(name):
            found = march(*rays, grid, lattice)
        for mine, wanted in zip((*found[:2], found[2].counts), (*expected[:2], expected[2].counts), strict=True):
            assert torch.equal(mine, wanted)


@pytest.mark.parametrize(("model", "lens"), [("pinhole", ()), ("opencv", (0.1, -0.05, 0.01, -0.008))])
@pytest.mark.parametrize("n", [0, 1, 3000])
def test_images_of_gaussians_and_their_gradients(model, lens, n, device):
    generator = torch.Generator().manual_seed(6)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator).to(device)

    means = 0.8 * random(n, 3) + torch.tensor([0.0, 0.0, -4.0], device=device)
    logits = (1.5 * random(n)).clamp_max(4.0)  # gsplat has another limit of alpha
    seen = View(torch.eye(4)[:3], Camera(100, 70, 90.0, 95.0, 52.0, 31.0, 0.5, model, lens))

    def image(*tensors: torch.Tensor) -> torch.Tensor:
        drawn = rasterize(Gaussians(*tensors), seen)
        return torch.cat([drawn.rgb, drawn.depth[..., None], drawn.opacity[..., None]], -1)

    agree(SPLATS, image, device, means, -3.0 + 0.6 * random(n, 3), random(n, 4), logits, 0.4 * random(n, 9, 3))
