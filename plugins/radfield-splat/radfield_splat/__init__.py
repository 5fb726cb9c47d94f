"""Gaussian splats on any machine: `rasterize`, the differentiable rasterizer of `Gaussians`, and files of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from radfield_splat.gaussians import Gaussians
    from radfield_splat.rasterizer import rasterize
    from radfield_splat.reference import Raster
    from radfield_splat.splat_files import read_splats, write_splats
    from radfield_splat.surfel_reference import Surface
    from radfield_splat.surfels import rasterize_disks

__all__ = ["Gaussians", "Raster", "Surface", "rasterize", "rasterize_disks", "read_splats", "write_splats"]

_MODULES = {
    "Gaussians": "gaussians",
    "Raster": "reference",
    "Surface": "surfel_reference",
    "rasterize": "rasterizer",
    "rasterize_disks": "surfels",
    "read_splats": "splat_files",
    "write_splats": "splat_files",
}


def __getattr__(name: str) -> object:
    """Import the public names when they are first used, so that the declaration of the plugin loads no torch."""
    from importlib import import_module

    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
