"""Declaration of acme-siren. radfield reads it at every start, so it imports nothing heavy."""

from radfield_core.plugin import Component, component, hookimpl

RADFIELD_API = (1, 0)


@hookimpl
def radfield_components() -> list[Component]:
    return [
        component(
            "field", "siren", impl="acme_siren.field:Siren", config="acme_siren.config:SirenConfig",
            summary="density and color from a network of sines",
            provides={"density", "rgb", "occupancy", "point_color"},
        ),
        component(
            "method", "siren", impl="acme_siren.method:TrainSiren", config="acme_siren.config:TrainSirenConfig",
            summary="squared error of the pixels with a falling learning rate", preset="acme_siren:presets/siren.toml",
            requires={"field": {"density|alpha", "rgb"}, "data": {"images"}},
        ),
    ]  # fmt: skip
