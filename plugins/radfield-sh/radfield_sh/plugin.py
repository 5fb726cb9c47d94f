"""Declaration of encoding:sh."""

from radfield_core.plugin import Component, component, hookimpl

RADFIELD_API = (1, 0)


@hookimpl
def radfield_components() -> list[Component]:
    """Components that this distribution provides."""
    return [
        component(
            "encoding",
            "sh",
            impl="radfield_sh.encoding:SphericalHarmonics",
            config="radfield_sh.config:SHConfig",
            summary="spherical harmonics of directions",
            provides={"directions", "grad", "grad2"},
            aliases={"sphericalharmonics": "sh", "spherical-harmonics": "sh"},
        )
    ]
