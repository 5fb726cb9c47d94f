"""The Triton kernel equals the reference. Triton's interpreter runs it on the CPU, in separate processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pytest

from radfield_core.testing import compile_kernels

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


def launches() -> None:
    """Launch every kernel for each number of features, and for numbers of points that Triton could tell apart."""
    import torch
    from radfield_hash import gpu
    from radfield_hash.levels import build

    for n_features in (2, 4, 8):
        grid = build(16, n_features, 7, 3, 24)
        for n in (1, 128, 129):
            x = torch.rand(n + 1, 3)[1:].requires_grad_()  # its address is divisible by 4 only
            table = torch.rand(grid.n_entries, n_features, requires_grad=True)
            y = gpu.encode(x, table, grid)
            (p,) = torch.autograd.grad(y.sum(), x, create_graph=True)
            torch.autograd.backward(y.sum() + p.square().sum())


def run(body: str) -> None:
    if find_spec("triton") is None:
        pytest.fail("triton is needed by these tests: pip install --no-deps triton")
    script = SCRIPT.format(shared=str(Path(__file__).with_name("test_hash_cpu.py")), body=body)
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("kernels agree")


@pytest.mark.parametrize(("n_features", "adds_vectors"), [(2, True), (2, False), (8, True)])
def test_values_and_all_derivatives_equal_the_references(n_features, adds_vectors):
    run(f"""
gpu.adds_vectors = lambda x: {adds_vectors}
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


@pytest.fixture(scope="module")
def kernels():
    return compile_kernels(launches)


def test_every_kernel_compiles_without_fences_spills_and_fused_rounding(kernels):
    assert [kernel.fault for kernel in kernels if kernel.fault] == []
    assert not any(kernel.fused for kernel in kernels)


def test_one_variant_serves_any_number_of_points(kernels):
    """Triton would compile a further variant in the middle of training."""
    pairs = [kernel for kernel in kernels if kernel.constants["n_features"] == 2 and kernel.capability == 90]
    assert Counter(kernel.name for kernel in pairs) == {
        "_values": 1, "_position_gradient": 1, "_second": 1, "_table_gradient": 2,
    }  # fmt: skip
    assert {kernel.constants["directed"] for kernel in pairs if kernel.name == "_table_gradient"} == {True, False}


def test_a_table_gradient_adds_vectors_where_the_gpu_can(kernels):
    gradients = [kernel for kernel in kernels if kernel.name == "_table_gradient"]
    widths = {(kernel.capability, kernel.constants["n_features"], kernel.constants["width"]) for kernel in gradients}
    assert widths == {(80, f, 1) for f in (2, 4, 8)} | {(c, f, min(f, 4)) for c in (90, 100) for f in (2, 4, 8)}
