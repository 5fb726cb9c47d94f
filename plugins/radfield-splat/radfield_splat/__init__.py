"""Gaussian splats on any machine: `rasterize`, the differentiable rasterizer of `Gaussians`, and files of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from radfield_splat.gaussians import Gaussians
    from radfield_splat.rasterizer import rasterize
    from radfield_splat.reference import Raster
    from radfield_splat.splat_files import read_splats, write_splats

__all__ = ["Gaussians", "Raster", "rasterize", "read_splats", "write_splats"]

_MODULES = {
    "Gaussians": "gaussians",
    "Raster": "reference",
    "rasterize": "rasterizer",
    "read_splats": "splat_files",
    "write_splats": "splat_files",
}


def __getattr__(name: str) -> object:
    """Import the public names when they are first used, so that the declaration of the plugin loads no torch."""
    from importlib import import_module

    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
