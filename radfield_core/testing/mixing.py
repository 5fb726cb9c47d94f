"""Every mix of encoding, field, sampler and renderer: which fit, by what they declare alone. No torch."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

from radfield_core.config.fit import check
from radfield_core.config.layers import compose
from radfield_core.config.run import RunConfig
from radfield_core.errors import RadfieldError
from radfield_core.plugin import Component
from radfield_core.plugins.registry import Registry


class Mix(NamedTuple):
    """Names of parts; those of encodings are of the slot `encoding` of the field, "" where the field's own is kept."""

    method: str
    encoding: str
    field: str
    sampler: str
    renderer: str

    def __str__(self) -> str:
        return " · ".join(name for name in self if name)


class Refused(NamedTuple):
    """Why parts do not fit: the first problem that the check names."""

    reason: str


def mixes(registry: Registry, method: str) -> Iterator[Mix]:
    """Every installed encoding × field × sampler × renderer under one method."""
    kinds = ("encoding", "field", "sampler", "renderer")
    for parts in product(*(registry.of_kind(kind) for kind in kinds)):
        yield Mix(method, *(_name(registry, part) for part in parts))


def method_mixes(registry: Registry) -> Iterator[Mix]:
    """Every installed method × field × sampler × renderer, each field with its own encodings."""
    kinds = ("method", "field", "sampler", "renderer")
    for method, field, sampler, renderer in product(*(registry.of_kind(kind) for kind in kinds)):
        names = (_name(registry, part) for part in (field, sampler, renderer))
        yield Mix(_name(registry, method), "", *names)


def compose_mix(registry: Registry, mix: Mix, overrides: tuple[str, ...] = ()) -> RunConfig | Refused:
    """The run of a mix, or why it is refused before anything is built."""
    words = [f"field={mix.field}", f"sampler={mix.sampler}", f"renderer={mix.renderer}", "background=none", *overrides]
    if mix.encoding:
        words.append(f"field.encoding={mix.encoding}")
    try:
        run = compose(registry, method=mix.method, overrides=words, needs_data=False).run
        check(run, registry)
    except RadfieldError as error:
        return Refused("; ".join(problem.message for problem in error.problems))
    return run


def _name(registry: Registry, part: Component) -> str:
    return registry.spelling(part, part.name)
