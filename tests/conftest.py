"""Fixtures of core's tests: parts that exist in name only, and distributions made on the spot."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

from radfield_core.plugins.discovery import CORE
from radfield_core.plugins.registry import Registry

FAKES = Path(__file__).parent / "fakes"


@pytest.fixture(scope="session")
def fakes() -> Registry:
    """A registry of core's parts and the fake ones, whatever else is installed."""
    sys.path.insert(0, str(FAKES))
    try:
        found = Registry.discover({})
        import_module("fake_parts.config")
    finally:
        sys.path.remove(str(FAKES))
    return Registry([p for p in found.plugins if p.distribution in (CORE, "fake-parts")], found.hooks)


@pytest.fixture
def distribution(tmp_path: Path) -> Callable[..., Path]:
    """Makes a distribution out of a declaration's source; returns the folder to put on the path."""

    def make(name: str, source: str, *, plugin: str = "it", modules: dict[str, str] | None = None) -> Path:
        folder = tmp_path / "site"
        module = f"{name.replace('-', '_')}_plugin"
        info = folder / f"{name.replace('-', '_')}-2.5.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.5\n\nA README\n")
        (info / "entry_points.txt").write_text(f"[radfield.plugins]\n{plugin} = {module}\n")
        (folder / f"{module}.py").write_text(source)
        for path, text in (modules or {}).items():
            (folder / path).write_text(text)
        return folder

    return make
