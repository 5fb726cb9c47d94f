"""The project's own distributions and their parts. The error for a missing part uses this list to say what
to install."""

from __future__ import annotations

FIRST_PARTY: dict[str, tuple[str, ...]] = {
    "radfield-synthetic": ("dataparser:synthetic",),
    "radfield-blender": (
        "dataparser:blender",
        "dataparser:blender-multiscale",
        "dataparser:tiny-nerf",
        "converter:multiscale",
    ),
    "radfield-llff": ("dataparser:llff",),
    "radfield-dtu": ("dataparser:dtu",),
    "radfield-transforms": ("dataparser:transforms",),
    "radfield-colmap": ("dataparser:colmap", "converter:photographs", "converter:triangulated"),
    "radfield-frequency": ("encoding:frequency",),
    "radfield-ipe": ("encoding:ipe",),
    "radfield-hash": ("encoding:hash",),
    "radfield-sh": ("encoding:sh",),
    "radfield-occupancy": ("sampler:occupancy",),
    "radfield-nerf": (
        "method:nerf",
        "method:nerf-llff",
        "method:nerf-small",
        "method:tiny-nerf",
        "method:tiny-nerf-tutorial",
        "field:nerf",
    ),
    "radfield-mipnerf": (
        "method:mipnerf",
        "method:mipnerf-llff",
        "method:mipnerf-small",
        "field:mipnerf",
        "sampler:mip",
    ),
    "radfield-ngp": ("method:ngp", "method:ngp-capture", "method:ngp-small", "field:ngp"),
    "radfield-neus": (
        "method:neus",
        "method:neus-masks",
        "method:neus-fast",
        "method:neus-fast-open",
        "field:neus",
        "field:inverted-sphere",
        "sampler:neus",
        "sampler:inverted-sphere",
        "exporter:sdf-slices",
    ),
    "radfield-capture": (
        "method:capture",
        "rays:poses",
        "color:exposure",
        "encoding:appearance",
        "sampler:proposal",
        "loss:depth",
        "loss:normals",
        "exporter:cameras",
    ),
    "radfield-report": ("observer:report",),
    "radfield-tensorboard": ("observer:tensorboard",),
    "radfield-viewer": ("observer:viewer",),
    "radfield-splat": (
        "method:splat",
        "method:splat-small",
        "method:splat-capture",
        "method:splat-2d",
        "exporter:splats",
    ),
    "radfield-mesh": (
        "exporter:mesh",
        "exporter:tsdf",
        "exporter:pointcloud",
        "metric:chamfer",
        "metric:point-to-mesh",
    ),
}
"""Maps each distribution to its parts, written as `kind:name`. The presets of a method are listed like parts."""
