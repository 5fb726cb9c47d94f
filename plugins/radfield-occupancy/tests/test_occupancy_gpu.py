"""In Triton's interpreter on a CPU, the Triton kernel equals the definition bit for bit. It also compiles for CUDA."""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest
import torch
from radfield_occupancy.grid import pack
from radfield_occupancy.march import Grid, StepLengths, check, reference

from radfield_core import RayBundle, SceneBox
from radfield_core.testing import compile_kernels

CENTER, RADIUS = (0.1, -0.2, 0.05), 1.3


@pytest.fixture(scope="module")
def gpu() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITON_INTERPRET", "1")
        patch.delitem(sys.modules, "radfield_occupancy.gpu", raising=False)
        yield importlib.import_module("radfield_occupancy.gpu")
    sys.modules.pop("radfield_occupancy.gpu", None)


def test_the_kernel_passes_the_check_on_loading(gpu: ModuleType) -> None:
    check(gpu.march, "cpu")


def test_the_kernel_keeps_no_step_of_zero_length(gpu: ModuleType) -> None:
    grid = Grid(*pack(torch.ones(1, 8, 8, 8, dtype=torch.bool)), 8, 1, CENTER, RADIUS, True)
    origins, directions = torch.zeros(2, 3), torch.eye(3)[:2].contiguous()
    steps = StepLengths.make(0.15, 0.1, math.inf, 200)
    near, far = torch.full((2,), 5.0), torch.full((2,), math.inf)
    arguments = (origins, directions, near, far, steps.n_even(near), grid, steps)
    found, expected = gpu.march(*arguments), reference(*arguments)
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
    assert (found[1] > found[0]).all()


@pytest.mark.parametrize("share", [0.0, 0.05, 1.0])
@pytest.mark.parametrize(
    ("levels", "cone", "contracted", "n_rays"),
    [(1, 0.0, False, 40), (3, 0.0, False, 40), (2, 0.05, False, 40), (1, 0.1, True, 40), (1, 0.0, False, 0)],
)
def test_the_kernel_equals_the_definition_to_the_bit(
    gpu: ModuleType, share: float, levels: int, cone: float, contracted: bool, n_rays: int
) -> None:
    generator = torch.Generator().manual_seed(levels)
    n = 16
    blocks = (torch.rand(levels, 2, 2, 2, generator=generator) < 0.6) | (share == 1)
    for axis in (1, 2, 3):
        blocks = blocks.repeat_interleave(8, axis)
    cells = (torch.rand(levels, n, n, n, generator=generator) < share) & blocks
    grid = Grid(*pack(cells), n, levels, CENTER, RADIUS, contracted)
    origins = torch.randn(n_rays, 3, generator=generator) * 1.5
    directions = torch.randn(n_rays, 3, generator=generator) - 0.5 * origins
    directions[::5, 0] = 0
    directions[::10, 1] = 0
    directions = torch.nn.functional.normalize(directions, dim=-1)
    zero = torch.zeros(n_rays)
    box = SceneBox(torch.tensor(CENTER), RADIUS * 2.0 ** (levels - 1))
    near, far = box.intersect(RayBundle(origins, directions, directions, zero, zero, zero))
    reach = math.inf if contracted else 2 * math.sqrt(3) * box.radius
    steps = StepLengths.make(0.15, cone, reach, 20)
    arguments = (origins, directions, near, far, steps.n_even(near), grid, steps)
    for found, expected in zip(gpu.march(*arguments), reference(*arguments), strict=True):
        assert torch.equal(found, expected)


def launches() -> None:
    """Launch the kernel for each kind of grid, and for numbers of rays that Triton could tell apart."""
    from radfield_occupancy import gpu

    kinds = [(1, 0.0, False, 64), (1, 0.05, True, 64), (5, 0.05, False, 64), (3, 0.0, False, 16)]
    for levels, cone, contracted, n in kinds:
        grid = Grid(*pack(torch.ones(levels, n, n, n, dtype=torch.bool)), n, levels, CENTER, RADIUS, contracted)
        steps = StepLengths.make(0.15, cone, 8.0, 20)
        for n_rays in (1, 32, 33):
            o, near, far = torch.zeros(n_rays, 3), torch.zeros(n_rays), torch.ones(n_rays)
            rays, index = (o, o, near, far, steps.n_even(near)), torch.zeros(n_rays, dtype=torch.int64)
            for write in (False, True):
                gpu.walk(rays, grid, steps, steps.growth, (index, index, near, near), write)


def test_the_kernel_compiles_once_for_each_kind_of_grid_without_spills_and_fused_rounding() -> None:
    kernels = compile_kernels(launches)
    assert [kernel.fault for kernel in kernels if kernel.fault] == []
    assert len(kernels) == 3 * 4 * 2 and not any(kernel.fused for kernel in kernels)
    assert {kernel.constants["BRICKS"] for kernel in kernels} == {True, False}
