"""What radfield-occupancy offers."""

from radfield_core.plugin import Component, component, hookimpl

RADFIELD_API = (1, 0)


@hookimpl
def radfield_components() -> list[Component]:
    return [
        component(
            "sampler", "occupancy",
            impl="radfield_occupancy.sampler:OccupancySampler", config="radfield_occupancy.config:OccupancyConfig",
            summary="marches rays through a grid that remembers where space is empty (Instant-NGP)",
            provides={"packed"}, requires={"field": ["occupancy"]},
        )
    ]  # fmt: skip


@hookimpl
def radfield_benchmarks() -> dict[str, str]:
    return {"marching": "radfield_occupancy.bench:timings"}
