"""Declaration of encoding:ipe."""

from radfield_core.plugin import Component, component, hookimpl

RADFIELD_API = (1, 0)


@hookimpl
def radfield_components() -> list[Component]:
    """Components that this distribution provides."""
    return [
        component(
            "encoding",
            "ipe",
            impl="radfield_ipe.encoding:Ipe",
            config="radfield_ipe.config:IpeConfig",
            summary="expected sines and cosines of Gaussians (mip-NeRF)",
            provides={"points", "gaussians", "any_dim", "grad", "grad2"},
            aliases={"integrated": "ipe"},
        )
    ]
