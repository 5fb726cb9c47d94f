"""In Triton's interpreter on a CPU, the Triton kernel equals the definition bit for bit. It also compiles for CUDA."""

from __future__ import annotations

import importlib
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from radfield_occupancy.grid import pack
from radfield_occupancy.march import Grid, StepLengths, check, reference

from radfield_core import RayBundle, SceneBox

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


COMPILE = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from radfield_occupancy.gpu import _march
kinds = {
    "*fp32": "origins directions t_first far growth starts ends", "*i32": "n_even", "*u8": "bits bricks",
    "*i64": "counts offsets", "fp32": "mx my mz inverse_radius radius step cone_angle",
    "i32": "n_rays n_steps max_samples n_growth",
}
for write in (False, True):
    for contracted, levels in ((False, 1), (False, 3), (True, 1)):
        constants = {
            "RES": 64, "LEVELS": levels, "CONTRACTED": contracted, "BRICKS": not contracted, "BRICK": 8,
            "ROUNDING": 4e-7, "SIZE": 32, "WRITE": write,
        }
        signature = {name: kind for kind, names in kinds.items() for name in names.split()}
        signature |= dict.fromkeys(constants, "constexpr")
        values = {(_march.arg_names.index(name),): value for name, value in constants.items()}
        source = ASTSource(_march, signature, values)
        built = triton.compile(source, target=GPUTarget("cuda", 80, 32), options={"enable_fp_fusion": False})
        assert "fma.rn" not in built.asm["ptx"]
        assert len(built.asm["cubin"]) > 1000
print("all built")
"""


def test_the_kernel_compiles_for_cuda_without_fused_rounding(tmp_path: Path) -> None:
    environment = {**os.environ, "TRITON_CACHE_DIR": str(tmp_path)}
    environment.pop("TRITON_INTERPRET", None)
    done = subprocess.run([sys.executable, "-c", COMPILE], capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "all built"
