"""Options of the mesh exporter, the point cloud exporter and the geometry metrics."""

from __future__ import annotations

from typing import Literal, get_args

import attrs

from radfield_core import option

POINTS_AT_ONCE = 65536
"""Default for the number of points at which a field is evaluated at once."""

Format = Literal["ply", "obj", "glb", "stl"]
FORMATS: tuple[Format, ...] = get_args(Format)


def _resolution(default: int) -> int:
    resolution: int = option(
        default, help="number of grid cells along the longest side of the surface's bounding box", min=8, max=2048
    )
    return resolution


@attrs.frozen(kw_only=True)
class SurfaceConfig:
    """Options for extracting the surface of a field."""

    resolution: int = _resolution(256)
    density: float = option(
        10.0, help="density at the surface, for fields without a signed distance", exclusive_min=True, min=0
    )
    level: float = option(
        0.0,
        help="signed distance at the surface, in the unit of the data, for fields with a signed distance; above 0, the "
        "mesh lies outside the true surface",
    )
    min_component: float = option(
        0.001, help="remove components with fewer faces than this share of the largest one; 1 keeps only the largest",
        min=0, max=1,
    )  # fmt: skip


def _format() -> Format | None:
    format: Format | None = option(
        None,
        help="file format; by default, the suffix of the file decides, and ply is used without a suffix; glb files are "
        "rotated to y-up, as their readers expect, if the data set states its upward axis",
    )
    return format


def _max_faces() -> int | None:
    faces: int | None = option(
        200_000, help='simplify the mesh to at most this number of faces; "none" keeps all faces', min=4
    )
    return faces


Texture = Literal["none", "photos", "field"]


def _texture_size() -> int:
    size: int = option(2048, help="texels along a side of the texture", min=64, max=16384)
    return size


def _texture_faces() -> int:
    faces: int = option(
        60_000, help="simplify a mesh with a texture to at most this number of faces: the texture shows the detail",
        min=4, max=10**7,
    )  # fmt: skip
    return faces


def _texture_image() -> Literal["jpeg", "png"]:
    image: Literal["jpeg", "png"] = option("jpeg", help="format of the texture's image")
    return image


def _cull_unseen() -> bool:
    cull: bool = option(False, help="remove faces that no photograph sees; only with texture=photos")
    return cull


@attrs.frozen(kw_only=True)
class MeshConfig(SurfaceConfig):
    """Options for exporting a mesh by marching cubes, in data coordinates."""

    format: Format | None = _format()
    resolution: int = _resolution(512)
    exhaustive: bool = option(
        False, help="search the whole box at full resolution, not only where a coarse grid finds the surface"
    )
    max_faces: int | None = _max_faces()
    colors: bool = option(
        True, help="if the field has colors, write a color for each vertex, as the cameras see it that see it best"
    )
    texture: Texture = option(
        "none", help="lay an image over the mesh, made of the training photographs or of the field's colors"
    )
    texture_size: int = _texture_size()
    texture_faces: int = _texture_faces()
    texture_image: Literal["jpeg", "png"] = _texture_image()
    cull_unseen: bool = _cull_unseen()
    chunk: int = option(POINTS_AT_ONCE, help="number of points evaluated at once", min=256, max=2**26)


@attrs.frozen(kw_only=True)
class TsdfConfig:
    """Options for exporting a mesh that is fused from the depths of rendered views, in data coordinates."""

    format: Format | None = _format()
    resolution: int = _resolution(256)
    truncation: float = option(
        4.0,
        help="distance behind its surface, in cells, up to which a view counts; walls thinner than this lose their "
        "surface, and noisy depths need more. Neighboring pixels whose depths differ by more are left out",
        min=1, max=16,
    )  # fmt: skip
    min_views: int = option(3, help="number of views that must observe a cell that has a surface", min=1, max=10**6)
    min_opacity: float = option(0.5, help="pixels with a smaller opacity show no surface", min=0.5, max=1)
    close_holes: int = option(
        0, help="close holes whose border has at most this number of edges; 0 closes none", min=0, max=10**6
    )
    min_component: float = option(
        0.01, help="remove components with fewer faces than this share of the largest one; 1 keeps only the largest",
        min=0, max=1,
    )  # fmt: skip
    max_faces: int | None = _max_faces()
    max_pixels: int = option(
        32_000_000,
        help="number of pixels of all depth images, at 7 bytes each; larger ones are rendered at a reduced size",
        min=10_000, max=2**36,
    )  # fmt: skip
    texture: Literal["none", "photos"] = option(
        "none", help="lay an image over the mesh, made of the training photographs"
    )
    texture_size: int = _texture_size()
    texture_faces: int = _texture_faces()
    texture_image: Literal["jpeg", "png"] = _texture_image()
    cull_unseen: bool = _cull_unseen()
    rays_per_chunk: int = option(4096, help="number of rays rendered at once", min=1, max=2**22)


@attrs.frozen(kw_only=True)
class PointCloudConfig:
    """Options for exporting points on the surfaces that the training views see, with colors and normals."""

    n_points: int = option(200_000, help="approximate number of points", min=1, max=10**8)
    min_opacity: float = option(0.7, help="pixels with a smaller opacity are left out of the point cloud", min=0, max=1)
    rays_per_chunk: int = option(4096, help="number of rays rendered at once", min=1, max=2**22)


@attrs.frozen(kw_only=True)
class ChamferConfig(SurfaceConfig):
    """Options for the Chamfer distance from a field's surface to a reference. Lengths are in the unit of the data."""

    n_samples: int = option(200_000, help="number of points sampled on each surface", min=100, max=10**8)
    spacing: float | None = option(
        None, help="remove samples until no two are closer than this distance (DTU: 0.2 mm)", min=0, exclusive_min=True
    )
    max_distance: float | None = option(
        None, help="larger distances are left out of the means (DTU: 20 mm)", min=0, exclusive_min=True
    )
    thresholds: tuple[float, ...] = option(
        (0.005, 0.01, 0.02),
        help="distance thresholds of the F-scores, as shares of the reference's bounding radius",
        min=0,
    )
    cull_masks: int | None = option(
        None,
        help="remove parts that lie outside a view's mask, widened by this number of pixels (DTU: 50 at full size)",
        min=0,
    )
    seed: int = option(0, help="random seed of the samples", min=0, max=2**32 - 1)


@attrs.frozen(kw_only=True)
class PointToMeshConfig(SurfaceConfig):
    """Options for the distances from sparse points to a field's surface. Lengths are in the unit of the data."""


@attrs.frozen(kw_only=True)
class TextureMetricConfig:
    """Options for the comparison of photographs with pictures of a mesh."""

    erode: int = option(2, help="pixels within this distance of the mesh's outline do not count", min=0, max=1000)
    resolution: int = _resolution(256)
