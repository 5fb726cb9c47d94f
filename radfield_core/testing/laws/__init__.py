"""The laws of every kind of part. Each module registers its laws in `radfield_core.testing.law.LAWS`."""

from radfield_core.testing.laws import (  # noqa: I001  in the order in which laws are checked
    declaration,
    parts,
    encoding,
    field,
    sampler,
    renderer,
    rays,
    loss,
    observer,
    method,
    training,
    part_losses,
    dataparser,
    converter,
    geometry,
    exported,
)

__all__ = [
    "converter",
    "dataparser",
    "declaration",
    "encoding",
    "exported",
    "field",
    "geometry",
    "loss",
    "method",
    "observer",
    "part_losses",
    "parts",
    "rays",
    "renderer",
    "sampler",
    "training",
]
