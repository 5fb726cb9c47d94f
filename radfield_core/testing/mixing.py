"""List the combinations of installed parts, and check whether the parts of a combination fit together.

The check compares the capabilities that the parts declare. This module reads only declarations and options, so it does
not import torch.
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
    """A combination of parts from which a run can be composed. Each attribute is the name of a part.

    Attributes:
        method: the method.
        encoding: the value of the field's option `encoding`; "" for the field's default encoding.
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
    """The reason why the parts of a mix do not fit together. It is the error message that a user would read."""

    reason: str


def mixes(registry: Registry, method: str) -> Iterator[Mix]:
    """Yield every combination of installed encodings, fields, samplers and renderers, all with the same method."""
    kinds = ("encoding", "field", "sampler", "renderer")
    for parts in product(*(registry.of_kind(kind) for kind in kinds)):
        yield Mix(method, *(_name(registry, part) for part in parts))


def method_mixes(registry: Registry) -> Iterator[Mix]:
    """Yield every combination of installed methods, fields, samplers and renderers.

    Each field uses its default encoding. Methods that bring their own model are left out.
    """
    slots = ("field", "sampler", "renderer")
    methods = [method for method in registry.of_kind("method") if set(slots) <= set(method.slots)]
    for method, field, sampler, renderer in product(methods, *(registry.of_kind(kind) for kind in slots)):
        names = (_name(registry, part) for part in (field, sampler, renderer))
        yield Mix(_name(registry, method), "", *names)


def compose_mix(registry: Registry, mix: Mix, overrides: tuple[str, ...] = ()) -> RunConfig | Refused:
    """Compose a run from the parts of a mix. If the parts do not fit together, return the reason instead.

    Args:
        registry: the installed parts.
        mix: names of the parts.
        overrides: further options, each as "key=value".
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
    """Return the shortest unambiguous name of a part."""
    return registry.spelling(part, part.name)
