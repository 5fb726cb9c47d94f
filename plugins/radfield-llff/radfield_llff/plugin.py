"""Components of radfield-llff."""

from radfield_core.plugin import Component, component, hookimpl

RADFIELD_API = (1, 0)


@hookimpl
def radfield_components() -> list[Component]:
    """Return the components of this package."""
    return [
        component(
            "dataparser", "llff",
            impl="radfield_llff.dataparser:Llff", config="radfield_llff.config:LlffConfig",
            summary="forward-facing and 360° captures (poses_bounds.npy, images_8)",
            provides={"images", "depths", "normals"}, capabilities="radfield_llff.config:capabilities",
            sniff="radfield_llff.sniff:sniff", writer="radfield_llff.writer:write",
        )
    ]  # fmt: skip
