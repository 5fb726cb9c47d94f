"""Kernels are compiled for GPUs without one: what fails to compile, spills, waits or is forgotten has a fault."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from radfield_core.testing import CompiledKernel, compile_kernels

pytestmark = pytest.mark.skipif(find_spec("triton") is None, reason="Triton has no builds for this system")


def launches() -> None:
    sys.path.insert(0, str(Path(__file__).parent))
    import faulty_kernels as kernels

    x, y = torch.rand(8192), torch.rand(8192)
    for n in (1, 15, 16):
        kernels.good[1,](x, y, n, 32)
        kernels.specialized[1,](x, y, n, 32)
    kernels.does_not_compile[1,](x, y, 5, 32)
    kernels.waits_for_memory[1,](x, y, 5, 32)
    kernels.spills[1,](x, y, 5, 8192, num_warps=1)


def failing() -> None:
    raise OSError("no such table")


@pytest.fixture(scope="module")
def compiled() -> dict[str, list[CompiledKernel]]:
    found: dict[str, list[CompiledKernel]] = {}
    for kernel in compile_kernels(launches, (80, 90)):
        found.setdefault(kernel.name, []).append(kernel)
    return found


def test_a_good_kernel_is_compiled_once_for_each_type_of_gpu(compiled: dict[str, list[CompiledKernel]]) -> None:
    good = compiled["good"]
    assert [kernel.capability for kernel in good] == [80, 90]
    assert all(kernel.fault == "" and 4 <= kernel.registers <= 32 for kernel in good)
    assert all(kernel.constants == {"SIZE": 32} and kernel.types == ("*fp32", "*fp32", "i32") for kernel in good)
    assert not any(kernel.fused for kernel in good)
    assert "doubled" not in compiled


def test_every_variant_of_a_kernel_is_reported(compiled: dict[str, list[CompiledKernel]]) -> None:
    """Triton makes variants of its own for the numbers 1 and 16; a launch in training could need them all."""
    variants = compiled["specialized"]
    assert [kernel.constants.get("n") for kernel in variants if kernel.capability == 80] == [1, None, None]
    assert len(variants) == 6 and all(kernel.fused for kernel in variants)


def test_a_kernel_that_does_not_compile_has_the_whole_reason(compiled: dict[str, list[CompiledKernel]]) -> None:
    first, second = compiled["does_not_compile"]
    assert (first.capability, second.capability) == (80, 90)
    assert "does_not_compile {'SIZE': 32} for sm_80: CompilationError" in first.fault or "abs" in first.fault
    assert "abs is not defined" in first.error and "\n" in first.error


def test_fences_and_spilled_registers_are_faults(compiled: dict[str, list[CompiledKernel]]) -> None:
    for kernel in compiled["waits_for_memory"]:
        assert kernel.fences > 0 and f"{kernel.fences} fence" in kernel.fault and kernel.local_bytes == 0
    for kernel in compiled["spills"]:
        assert kernel.local_bytes > 0 and f"{kernel.local_bytes} bytes of registers are spilled" in kernel.fault


def test_a_kernel_that_is_never_launched_is_a_fault(compiled: dict[str, list[CompiledKernel]]) -> None:
    assert [kernel.error for kernel in compiled["never_launched"]] == ["it is never launched"] * 2


def test_an_error_in_the_launches_themselves_is_raised() -> None:
    with pytest.raises(RuntimeError, match=r"failing failed: (.|\n)*OSError: no such table"):
        compile_kernels(failing, (80,))
