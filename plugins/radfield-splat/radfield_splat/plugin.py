"""Declaration of method:splat and exporter:splats."""

from radfield_core.plugin import Component, Output, component, hookimpl

RADFIELD_API = (1, 0)


@hookimpl
def radfield_components() -> list[Component]:
    """Components that this distribution provides."""
    return [
        component(
            "method",
            "splat",
            impl="radfield_splat.method:Splat",
            config="radfield_splat.config:SplatConfig",
            summary="3-D Gaussians, rasterized: they train and render fast on a CPU (3DGS)",
            slots=("rays", "color"),
            provides={"splat.gaussians", "normals"},
            preset={
                "splat-small": "radfield_splat:presets/splat-small.toml",
                "splat-capture": "radfield_splat:presets/splat-capture.toml",
                "splat-2d": "radfield_splat:presets/splat-2d.toml",
            },
        ),
        component(
            "exporter",
            "splats",
            impl="radfield_splat.exporter:SplatExporter",
            config="radfield_splat.config:SplatExporterConfig",
            summary="the Gaussians as a .ply file of 3DGS, a .splat or an .spz file",
            requires={"field": {"splat.gaussians"}},
            writes=Output.file("ply", "splat", "spz"),
        ),
    ]
