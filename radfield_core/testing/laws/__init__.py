"""The laws of every kind of part, each module adding its own to `radfield_core.testing.law.LAWS`."""

from radfield_core.testing.laws import (  # noqa: I001  the order in which they are checked
    declaration, parts, encoding, field, sampler, renderer, method, training, dataparser, geometry,
)  # fmt: skip

__all__ = [
    "dataparser", "declaration", "encoding", "field", "geometry", "method", "parts", "renderer", "sampler", "training",
]  # fmt: skip
