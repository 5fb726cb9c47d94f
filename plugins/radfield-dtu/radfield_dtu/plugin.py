"""Components of radfield-dtu."""

from radfield_core.plugin import Component, component, hookimpl

RADFIELD_API = (1, 0)


@hookimpl
def radfield_components() -> list[Component]:
    """Return the components of this package."""
    return [
        component(
            "dataparser", "dtu", impl="radfield_dtu.dataparser:DtuParser", config="radfield_dtu.config:DtuConfig",
            summary="scenes of IDR and NeuS: cameras_sphere.npz, image/, mask/ (DTU, BlendedMVS)",
            provides={"images", "bounded", "masks"}, sniff="radfield_dtu.sniff:sniff",
            writer="radfield_dtu.writer:write",
        )
    ]  # fmt: skip
