"""The Triton kernel for marching against the definition, to the bit, run by Triton's interpreter on a CPU."""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest
import torch
from radfield_occupancy.grid import pack
from radfield_occupancy.march import Grid, Lattice, check, reference

from radfield_core import RayBundle, SceneBox

CENTER, RADIUS = (0.1, -0.2, 0.05), 1.3


@pytest.fixture(scope="module")
def kernels() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITON_INTERPRET", "1")
        patch.delitem(sys.modules, "radfield_occupancy.gpu", raising=False)
        yield importlib.import_module("radfield_occupancy.gpu")
    sys.modules.pop("radfield_occupancy.gpu", None)


def test_the_kernel_can_be_tried_beforehand(kernels: ModuleType) -> None:
    check(kernels.march, "cpu")


def test_the_kernel_keeps_no_step_without_length(kernels: ModuleType) -> None:
    grid = Grid(*pack(torch.ones(1, 8, 8, 8, dtype=torch.bool)), 8, 1, CENTER, RADIUS, True)
    origins, directions = torch.zeros(2, 3), torch.eye(3)[:2].contiguous()
    lattice = Lattice.make(0.15, 0.1, math.inf, 200)
    near, far = torch.full((2,), 5.0), torch.full((2,), math.inf)
    arguments = (origins, directions, near, far, lattice.even_steps(near), grid, lattice)
    found, expected = kernels.march(*arguments), reference(*arguments)
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
    assert (found[1] > found[0]).all()


@pytest.mark.parametrize("share", [0.0, 0.05, 1.0])
@pytest.mark.parametrize(
    ("levels", "cone", "contracted", "n_rays"),
    [(1, 0.0, False, 40), (3, 0.0, False, 40), (2, 0.05, False, 40), (1, 0.1, True, 40), (1, 0.0, False, 0)],
)
def test_the_kernel_equals_the_definition_to_the_bit(
    kernels: ModuleType, share: float, levels: int, cone: float, contracted: bool, n_rays: int
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
    lattice = Lattice.make(0.15, cone, reach, 20)
    arguments = (origins, directions, near, far, lattice.even_steps(near), grid, lattice)
    for found, expected in zip(kernels.march(*arguments), reference(*arguments), strict=True):
        assert torch.equal(found, expected)
