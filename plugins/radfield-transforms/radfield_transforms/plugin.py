"""Components of radfield-transforms."""

from radfield_core.plugin import Component, component, hookimpl

RADFIELD_API = (1, 0)


@hookimpl
def radfield_components() -> list[Component]:
    """Return the components of this package."""
    return [
        component(
            "dataparser", "transforms",
            impl="radfield_transforms.dataparser:Transforms", config="radfield_transforms.config:TransformsConfig",
            summary="captures described by transforms.json (nerfstudio, instant-ngp)",
            provides={"images", "sparse_points", "depths", "normals"},
            aliases={"nerfstudio": "transforms", "nerfstudio-data": "transforms", "instant-ngp": "transforms"},
            sniff="radfield_transforms.sniff:sniff", writer="radfield_transforms.writer:write",
        )
    ]  # fmt: skip
