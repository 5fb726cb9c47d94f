"""Every combination of installed parts, and the declared capabilities that decide which combinations fit.

Only declarations and options are read: nothing here imports torch.
"""

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
    """Names of the parts of a run.

    Attributes:
        method: the method.
        encoding: the encoding of the field's slot `encoding`; "" for the field's default.
        field: the field.
        sampler: the sampler.
        renderer: the renderer.
    """

    method: str
    encoding: str
    field: str
    sampler: str
    renderer: str

    def __str__(self) -> str:
        return " · ".join(name for name in self if name)


class Refused(NamedTuple):
    """The reason why the parts of a mix do not fit, in the words that a user reads."""

    reason: str


def mixes(registry: Registry, method: str) -> Iterator[Mix]:
    """Every combination of installed encodings, fields, samplers and renderers under one method."""
    kinds = ("encoding", "field", "sampler", "renderer")
    for parts in product(*(registry.of_kind(kind) for kind in kinds)):
        yield Mix(method, *(_name(registry, part) for part in parts))


def method_mixes(registry: Registry) -> Iterator[Mix]:
    """Every combination of installed methods, fields, samplers and renderers; each field has its default encodings."""
    kinds = ("method", "field", "sampler", "renderer")
    for method, field, sampler, renderer in product(*(registry.of_kind(kind) for kind in kinds)):
        names = (_name(registry, part) for part in (field, sampler, renderer))
        yield Mix(_name(registry, method), "", *names)


def compose_mix(registry: Registry, mix: Mix, overrides: tuple[str, ...] = ()) -> RunConfig | Refused:
    """The config of a mix, or the reason why its parts do not fit.

    Args:
        registry: the installed parts.
        mix: names of the parts.
        overrides: further options as `key=value`.
    """
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
    """The shortest unambiguous name of a part."""
    return registry.spelling(part, part.name)
