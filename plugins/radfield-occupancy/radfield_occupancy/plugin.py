"""Declaration of sampler:occupancy and its benchmark."""

from radfield_core.plugin import Component, component, hookimpl

RADFIELD_API = (1, 0)


@hookimpl
def radfield_components() -> list[Component]:
    """Components that this distribution provides."""
    return [
        component(
            "sampler",
            "occupancy",
            impl="radfield_occupancy.sampler:OccupancySampler",
            config="radfield_occupancy.config:OccupancyConfig",
            summary="marches along rays and skips the empty cells of an occupancy grid (instant-ngp)",
            provides={"packed"},
            requires={"field": ["occupancy"]},
        )
    ]


@hookimpl
def radfield_benchmarks() -> dict[str, str]:
    """Benchmarks that this distribution adds to `radfield bench micro`."""
    return {"marching": "radfield_occupancy.bench:timings"}
