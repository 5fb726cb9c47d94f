"""Components of radfield-colmap."""

from radfield_core.plugin import Component, component, hookimpl

RADFIELD_API = (1, 0)


@hookimpl
def radfield_components() -> list[Component]:
    """Return the components of this package."""
    return [
        component(
            "dataparser", "colmap",
            impl="radfield_colmap.dataparser:Colmap", config="radfield_colmap.config:ColmapConfig",
            summary="photographs with their COLMAP reconstruction (sparse/0)",
            provides={"images", "sparse_points", "observations", "depths", "normals"},
            sniff="radfield_colmap.sniff:sniff", writer="radfield_colmap.writer:write",
        ),
        component(
            "converter", "photographs",
            impl="radfield_colmap.process:Photographs", config="radfield_colmap.config:PhotographsConfig",
            summary="photographs to a data set with cameras from COLMAP (`radfield data process`)",
        ),
        component(
            "converter", "triangulated",
            impl="radfield_colmap.triangulated:Triangulated", config="radfield_colmap.config:TriangulatedConfig",
            summary="a reconstruction to the same with new points, with known cameras (`radfield data points`)",
        ),
    ]  # fmt: skip
