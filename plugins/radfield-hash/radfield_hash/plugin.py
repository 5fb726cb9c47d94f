"""What radfield-hash offers."""

from radfield_core.plugin import Component, component, hookimpl

RADFIELD_API = (1, 0)


@hookimpl
def radfield_components() -> list[Component]:
    return [
        component(
            "encoding", "hash",
            impl="radfield_hash.encoding:HashEncoding", config="radfield_hash.config:HashConfig",
            summary="multiresolution hash grid of trainable features (Instant-NGP)",
            provides={"points", "grad", "grad2"},
        )
    ]  # fmt: skip


@hookimpl
def radfield_benchmarks() -> dict[str, str]:
    return {"hash encoding": "radfield_hash.bench:timings"}
