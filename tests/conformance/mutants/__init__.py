"""Parts with one fault each, beside the law that must catch it. Every fault is one that somebody made somewhere."""

from __future__ import annotations

from mutants import (
    check,
    colors,
    data,
    encodings,
    fields,
    losses,
    methods,
    observers,
    part_losses,
    ray_transforms,
    rays,
)
from mutants.caught import CAUGHT_BY

__all__ = [
    "CAUGHT_BY",
    "check",
    "colors",
    "data",
    "encodings",
    "fields",
    "losses",
    "methods",
    "observers",
    "part_losses",
    "ray_transforms",
    "rays",
]
