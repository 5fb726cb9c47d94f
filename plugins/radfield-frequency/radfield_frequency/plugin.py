"""Declaration of encoding:frequency."""

from radfield_core.plugin import Component, component, hookimpl

RADFIELD_API = (1, 0)


@hookimpl
def radfield_components() -> list[Component]:
    """Components that this distribution provides."""
    return [
        component(
            "encoding",
            "frequency",
            impl="radfield_frequency.encoding:Frequency",
            config="radfield_frequency.config:FrequencyConfig",
            summary="sines and cosines of coordinates, at frequencies 1, 2, 4, … (NeRF)",
            provides={"points", "directions", "any_dim", "grad", "grad2"},
            aliases={"positional": "frequency"},
        )
    ]
