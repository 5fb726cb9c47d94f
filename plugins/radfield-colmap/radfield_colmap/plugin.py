"""What radfield-colmap offers."""

from radfield_core.plugin import Component, component, hookimpl

RADFIELD_API = (1, 0)


@hookimpl
def radfield_components() -> list[Component]:
    return [
        component(
            "dataparser", "colmap",
            impl="radfield_colmap.dataparser:Colmap", config="radfield_colmap.config:ColmapConfig",
            summary="photographs with COLMAP's reconstruction (sparse/0)",
            provides={"images", "sparse_points"},
            sniff="radfield_colmap.sniff:sniff", writer="radfield_colmap.writer:write",
        ),
        component(
            "converter", "photographs",
            impl="radfield_colmap.process:Photographs", config="radfield_colmap.config:PhotographsConfig",
            summary="photographs -> images and sparse/0, solved by COLMAP (`radfield data process`)",
        ),
    ]  # fmt: skip
