"""Declaration of encoding:hash and its benchmark."""

from radfield_core.plugin import Component, component, hookimpl

RADFIELD_API = (1, 0)


@hookimpl
def radfield_components() -> list[Component]:
    """Components that this distribution provides."""
    return [
        component(
            "encoding",
            "hash",
            impl="radfield_hash.encoding:HashEncoding",
            config="radfield_hash.config:HashConfig",
            summary="multiresolution hash grid of trainable features (instant-ngp)",
            provides={"points", "grad", "grad2"},
            aliases={"hashgrid": "hash", "hash-grid": "hash"},
        )
    ]


@hookimpl
def radfield_benchmarks() -> dict[str, str]:
    """Benchmarks that this distribution adds to `radfield bench micro`."""
    return {"hash encoding": "radfield_hash.bench:timings"}
