"""Compilation of Triton kernels for GPUs, on a machine that has no GPU.

`compile_kernels` calls a function that launches kernels on CPU tensors. Each kernel is specialized and compiled as for
a launch on a GPU, down to the machine code, but it does not run. The results of the launches are therefore arbitrary
numbers. A kernel that runs in Triton's interpreter may still fail to compile, so a plugin's tests need both.
"""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

CAPABILITIES = (80, 90, 100)
"""Compute capabilities of the GPUs that kernels are compiled for: Ampere, Hopper and Blackwell data center GPUs."""

_FENCE = re.compile(r"\b(?:fence|membar)\b|\.(?:acq_rel|acquire|release|sc)\b")


@dataclass(frozen=True)
class CompiledKernel:
    """One variant of a kernel, compiled for one type of GPU.

    Attributes:
        name: name of the kernel's function.
        capability: compute capability of the GPU, for example 90.
        constants: dictionary: argument -> value, for each argument that is a constant in this variant.
        types: types of the other arguments, in order.
        registers: number of registers per thread.
        local_bytes: memory per thread for values that do not fit into registers. Access to these values is slow.
        fences: number of instructions that order memory accesses. Each of them stalls the thread.
        fused: True if some products and sums are fused, so that they are rounded only once.
        error: complete error message of the compiler; empty if the kernel was compiled.
    """

    name: str
    capability: int
    constants: dict[str, Any]
    types: tuple[str, ...] = ()
    registers: int = 0
    local_bytes: int = 0
    fences: int = 0
    fused: bool = False
    error: str = ""

    @property
    def fault(self) -> str:
        """Text that describes the faults of the machine code and names the variant, or "" if there are none."""
        found = [self.error] if self.error else []
        found += [f"{self.local_bytes} bytes of registers are spilled"] if self.local_bytes else []
        found += [f"{self.fences} fences"] if self.fences else []
        return f"{self.name} {self.constants} for sm_{self.capability}: {', '.join(found)}" if found else ""


def compile_kernels(
    launches: Callable[[], object], capabilities: Sequence[int] = CAPABILITIES
) -> tuple[CompiledKernel, ...]:
    """Call `launches` in a new process, and compile each kernel that it launches for each type of GPU.

    Triton's cache is not used. If a launched function's module defines a kernel that is never launched, the result
    contains an error for that kernel.

    Args:
        launches: function at module level, without arguments. It imports kernels, and launches them on CPU tensors.
        capabilities: compute capabilities of the GPUs.

    Returns:
        All variants: those for the first type of GPU in the order of their first launch, then those for the next type.

    Raises:
        RuntimeError: `launches` raised an exception. The message is the end of its traceback.

    Example:
        >>> def launches() -> None:
        ...     from acme.gpu_kernels import scale
        ...     scale(torch.ones(100))
        >>> def test_every_kernel_compiles() -> None:
        ...     assert [kernel.fault for kernel in compile_kernels(launches) if kernel.fault] == []
    """
    words = [inspect.getfile(launches), launches.__name__, *map(str, capabilities)]
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "TRITON_CACHE_DIR": cache, "OMP_NUM_THREADS": "1"}
        environment.pop("TRITON_INTERPRET", None)
        command = [sys.executable, "-m", __name__, *words]
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise RuntimeError(f"{launches.__name__} failed: {done.stderr[-2000:]}")
    rows = json.loads(done.stdout.splitlines()[-1])
    return tuple(CompiledKernel(**{**row, "types": tuple(row["types"])}) for row in rows)


def _main(path: str, name: str, *capabilities: str) -> None:
    """Compile the kernels that the function `name` in a file launches. Print the result as one line of JSON."""
    spec = spec_from_file_location("launches", path)
    assert spec is not None and spec.loader is not None
    module = sys.modules["launches"] = module_from_spec(spec)
    spec.loader.exec_module(module)
    found = [row for capability in capabilities for row in _compiled(getattr(module, name), int(capability))]
    sys.stdout.write(json.dumps([asdict(row) for row in found]) + "\n")


def _compiled(launches: Callable[[], object], capability: int) -> list[CompiledKernel]:
    """Call `launches` with Triton's driver and launcher replaced. Return the compiled variants."""
    from triton.runtime import driver
    from triton.runtime.jit import JITFunction

    run, rows, seen, modules = JITFunction.run, [], set[int](), dict[str, ModuleType]()

    def compile_only(self: Any, *arguments: Any, grid: Any, warmup: bool, **options: Any) -> None:
        modules[self.__module__] = sys.modules[self.__module__]
        try:
            kernel = run(self, *arguments, grid=grid, warmup=True, **options)
        except Exception as error:  # a compiler raises any exception; the other kernels are compiled all the same
            constants = {name: value for name, value in options.items() if name in self.arg_names}
            rows.append(CompiledKernel(self.__name__, capability, constants, error=f"{type(error).__name__}: {error}"))
            return
        if id(kernel) not in seen:
            seen.add(id(kernel))
            rows.append(_described(self, kernel, capability))

    driver.set_active(_Driver(capability))
    JITFunction.run = compile_only
    try:
        launches()
    finally:
        JITFunction.run = run
    launched = {row.name for row in rows}
    for name in [name for module in modules.values() for name in _kernels_of(module) if name not in launched]:
        rows.append(CompiledKernel(name, capability, {}, error="it is never launched"))
    return rows


class _Driver:
    """The methods of a Triton driver that compilation needs. The number of the device is the compute capability."""

    def __init__(self, capability: int):
        self.capability = capability

    def get_current_target(self) -> object:
        from triton.backends.compiler import GPUTarget

        return GPUTarget("cuda", self.capability, 32)

    def get_current_device(self) -> int:
        return self.capability

    def get_current_stream(self, device: int) -> int:
        return 0


def _described(function: Any, kernel: Any, capability: int) -> CompiledKernel:
    source, ptx = kernel.src, kernel.asm["ptx"]
    constants = {function.arg_names[place[0]]: value for place, value in source.constants.items()}
    types = tuple(kind for name, kind in source.signature.items() if name not in constants)
    registers, local = _resources(kernel.asm["cubin"])
    return CompiledKernel(
        function.__name__, capability, constants, types, registers, local, len(_FENCE.findall(ptx)), "fma.rn" in ptx
    )


def _resources(cubin: bytes) -> tuple[int, int]:
    """Return the number of registers and the bytes of local memory of a kernel's machine code."""
    from triton import knobs

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "kernel.cubin")
        path.write_bytes(cubin)
        command = [knobs.nvidia.cuobjdump.path, "--dump-resource-usage", str(path)]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    registers, stack, local = (re.search(rf"\b{name}:(\d+)", text) for name in ("REG", "STACK", "LOCAL"))
    assert registers and stack and local, text
    return int(registers[1]), int(stack[1]) + int(local[1])


def _kernels_of(module: ModuleType) -> Iterator[str]:
    """Yield the names of a module's kernels. Triton functions that return a value are helpers of kernels, and are left
    out."""
    from triton.runtime.jit import JITFunction

    for name, function in vars(module).items():
        if isinstance(function, JITFunction) and function.__module__ == module.__name__:
            returns = (node for node in ast.walk(function.parse()) if isinstance(node, ast.Return))
            if not any(node.value is not None for node in returns):
                yield name


if __name__ == "__main__":
    _main(*sys.argv[1:])
