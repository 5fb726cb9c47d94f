"""Declaration of acme-splats. radfield reads it at every start, so it imports nothing heavy."""

from radfield_core.plugin import Component, Output, component, hookimpl

RADFIELD_API = (1, 0)


@hookimpl
def radfield_components() -> list[Component]:
    """The parts of this plugin. `slots=()` says that the method brings its own model and uses no part of others."""
    return [
        component(
            "method", "splats", impl="acme_splats.method:TrainSplats", config="acme_splats.config:SplatsConfig",
            summary="isotropic Gaussians, drawn as whole images", preset="acme_splats:presets/splats.toml",
            slots=(), requires={"data": {"images"}},
        ),
        component(
            "exporter", "depth-points", impl="acme_splats.exporter:DepthPoints",
            config="acme_splats.config:DepthPointsConfig", summary="points where the rays of the training views end",
            writes=Output.file("ply"),
        ),
    ]  # fmt: skip
