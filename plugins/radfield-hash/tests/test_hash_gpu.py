"""The Triton kernel equals the reference. Triton's interpreter runs it on the CPU, in separate processes."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

SCRIPT = """
import importlib.util, sys, torch
torch.set_num_threads(1)
spec = importlib.util.spec_from_file_location("hash_cpu_tests", {shared!r})
shared = importlib.util.module_from_spec(spec)
spec.loader.exec_module(shared)
from radfield_hash import gpu
from radfield_hash.levels import build
generator = torch.Generator().manual_seed(5)
{body}
print("kernels agree")
"""


COMPILE = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from radfield_hash import gpu
pointers = {
    gpu._values: "x table y", gpu._table_gradient: "x v g result", gpu._position_gradient: "x table g result",
    gpu._second: "x table g v by_g by_x",
}
for kernel, names in pointers.items():
    for directed in ((False, True) if "directed" in kernel.arg_names else (None,)):
        constants = {"n_levels": 16, "n_features": 2, "block": gpu.BLOCK}
        if directed is not None:
            constants["directed"] = directed
        signature = {name + "_ptr": "*fp32" for name in names.split()}
        signature |= {"scale_ptr": "*fp32", "level_ptr": "*i32", "n": "i32"} | dict.fromkeys(constants, "constexpr")
        places = {(kernel.arg_names.index(name),): value for name, value in constants.items()}
        source = ASTSource(kernel, signature, places)
        built = triton.compile(source, target=GPUTarget("cuda", 80, 32), options={"enable_fp_fusion": False})
        assert "fma.rn" not in built.asm["ptx"]
        assert len(built.asm["cubin"]) > 1000
print("all built")
"""


def run(body: str) -> None:
    if find_spec("triton") is None:
        pytest.fail("triton is needed by these tests: pip install --no-deps triton")
    script = SCRIPT.format(shared=str(Path(__file__).with_name("test_hash_cpu.py")), body=body)
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("kernels agree")


@pytest.mark.parametrize("n_features", [2, 4])
def test_values_and_all_derivatives_equal_the_references(n_features):
    run(f"""
grid = build(3, {n_features}, 7, 3, 24)
x = torch.rand(140, 3, generator=generator) * 1.4 - 0.2
shared.assert_agree(x, grid, gpu.encode)
""")


def test_equals_the_reference_on_borders_and_without_points():
    run("""
grid = build(2, 2, 7, 3, 11)
borders = [(torch.arange(level.resolution) - 0.5) / level.scale for level in grid.levels]
corners = torch.tensor([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.0, 1.0, 0.5], [-1e30, 1e30, 0.3]])
x = torch.cat([corners, *[torch.stack([b, b.flip(0), b.roll(1)], -1) for b in borders]])
shared.assert_agree(x, grid, gpu.encode)
shared.assert_agree(torch.empty(0, 3), grid, gpu.encode)
""")


def test_a_nan_position_gives_nan_features_and_changes_no_others():
    run("""
grid = build(3, 2, 7, 3, 24)
table, x = torch.randn(grid.n_entries, 2, generator=generator), torch.rand(4, 3, generator=generator)
clean = gpu.encode(x, table, grid)
x[2, 1] = float("nan")
y = gpu.encode(x, table, grid)
assert y[2].isnan().all()
assert torch.equal(y[[0, 1, 3]], clean[[0, 1, 3]])
""")


def test_every_kernel_compiles_for_cuda_without_fused_rounding(tmp_path):
    environment = {**os.environ, "TRITON_CACHE_DIR": str(tmp_path)}
    environment.pop("TRITON_INTERPRET", None)
    done = subprocess.run([sys.executable, "-c", COMPILE], capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "all built"
