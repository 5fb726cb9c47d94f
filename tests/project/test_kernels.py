"""Every module with Triton kernels has a test that compiles them, in a file that imports the module."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def sources(pattern: str) -> dict[Path, str]:
    return {path: path.read_text(encoding="utf-8") for path in ROOT.glob(pattern)}


def test_every_module_with_triton_kernels_is_compiled_by_a_test() -> None:
    modules = {**sources("radfield_core/**/*.py"), **sources("plugins/*/radfield_*/**/*.py")}
    kernels = [path for path, text in modules.items() if re.search(r"^@triton\.jit", text, re.MULTILINE)]
    assert len(kernels) >= 3
    tests = {**sources("tests/ops/test_*.py"), **sources("plugins/*/tests/test_*.py")}
    compiling = [text for text in tests.values() if "compile_kernels(" in text]
    imports = {path: f"from {path.parent.relative_to(home_of(path)).as_posix().replace('/', '.')} import {path.stem}\n"
               for path in kernels}  # fmt: skip
    assert [str(path) for path, line in imports.items() if not any(line in text for text in compiling)] == []


def home_of(path: Path) -> Path:
    """The folder that holds the module's package."""
    return next(parent.parent for parent in path.parents if parent.name.startswith("radfield_"))
