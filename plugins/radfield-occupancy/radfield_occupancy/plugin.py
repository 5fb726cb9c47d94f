"""Declaration of sampler:occupancy and its benchmark."""

from radfield_core.plugin import Component, component, hookimpl

RADFIELD_API = (1, 0)


@hookimpl
def radfield_components() -> list[Component]:
    """Parts of this distribution."""
    return [
        component(
            "sampler",
            "occupancy",
            impl="radfield_occupancy.sampler:OccupancySampler",
            config="radfield_occupancy.config:OccupancyConfig",
            summary="marches rays and skips space that an occupancy grid knows to be empty (instant-ngp)",
            provides={"packed"},
            requires={"field": ["occupancy"]},
        )
    ]


@hookimpl
def radfield_benchmarks() -> dict[str, str]:
    """Benchmarks of this distribution, for `radfield bench micro`."""
    return {"marching": "radfield_occupancy.bench:timings"}
