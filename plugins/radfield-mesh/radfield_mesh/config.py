"""Options of the mesh and point cloud exporters and of the geometry metrics."""

from __future__ import annotations

from typing import Literal, get_args

import attrs

from radfield_core import option

POINTS_AT_ONCE = 65536
"""Points that a field is asked at once."""

Format = Literal["ply", "obj", "glb", "stl"]
FORMATS: tuple[Format, ...] = get_args(Format)


def _resolution(default: int) -> int:
    resolution: int = option(default, help="cells along the longest side of the surface's box", min=8, max=2048)
    return resolution


@attrs.frozen(kw_only=True)
class SurfaceConfig:
    """Which surface of a field is meant, and how finely it is looked at."""

    resolution: int = _resolution(256)
    density: float = option(
        10.0, help="density of the surface where the field has no signed distance", exclusive_min=True, min=0
    )
    min_component: float = option(
        0.001, help="drop components with fewer faces than this share of the largest one's; 1: all but the largest",
        min=0, max=1,
    )  # fmt: skip


@attrs.frozen(kw_only=True)
class MeshConfig(SurfaceConfig):
    """Marching cubes of a field, in the data's own coordinates."""

    format: Format | None = option(
        None,
        help="file format, by default that of the file's ending, else ply; glb is written y-up, as its readers expect, "
        "where the data say what is up",
    )
    resolution: int = _resolution(512)
    exhaustive: bool = option(
        False, help="look for the surface everywhere at `resolution`, not only near where a coarse grid saw it"
    )
    max_faces: int | None = option(None, help="simplify to at most so many faces", min=4)
    colors: bool = option(True, help="color at each vertex, seen along the inward normal, where the field knows colors")
    chunk: int = option(POINTS_AT_ONCE, help="points asked at once", min=256)


@attrs.frozen(kw_only=True)
class PointCloudConfig:
    """Points on what the training views see, in the data's own coordinates, with colors and normals."""

    n_points: int = option(200_000, help="points in the file, about", min=1)
    min_opacity: float = option(0.7, help="least opacity of a pixel that gives a point", min=0, max=1)
    rays_per_chunk: int = option(4096, help="rays rendered at once", min=1)


@attrs.frozen(kw_only=True)
class ChamferConfig(SurfaceConfig):
    """Distances between the surface and a reference, both ways. Lengths are in the data's own unit."""

    n_samples: int = option(200_000, help="points sampled on each surface", min=100)
    spacing: float | None = option(
        None, help="thin the samples to this distance (DTU: 0.2 mm)", min=0, exclusive_min=True
    )
    max_distance: float | None = option(
        None, help="distances beyond it do not enter means (DTU: 20 mm)", min=0, exclusive_min=True
    )
    thresholds: tuple[float, ...] = option(
        (0.005, 0.01, 0.02), help="distances of the F-scores, as shares of the reference's bounding radius", min=0
    )
    cull_masks: int | None = option(
        None,
        help="drop what the masks, widened by so many pixels, do not cover in every view (DTU: 50 at full size)",
        min=0,
    )
    seed: int = option(0, help="seed of the samples", min=0)


@attrs.frozen(kw_only=True)
class PointToMeshConfig(SurfaceConfig):
    """Distances of reference points to the surface: for references that are sparse. Lengths in the data's own unit."""
