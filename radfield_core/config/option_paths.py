"""List the paths of all options that a run or a part may have, so that hints can suggest one of them."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from radfield_core.config.files import dump_lines
from radfield_core.config.layers import compose
from radfield_core.config.reference import option_rows
from radfield_core.config.run import RunConfig
from radfield_core.config.structure import options_of
from radfield_core.errors import PluginError, RadfieldError
from radfield_core.plugins.registry import Registry


def run_paths(registry: Registry, method: str | None) -> list[str]:
    """Return the paths of all options that a run may have, such as "trainer.max_steps" and "field.encoding.n_levels".

    The options are those of the parts that the method's preset chooses. The data set is unknown, so the options of
    every installed dataparser are added. If `method` is None, the options are those of every installed part.

    Example:
        >>> from radfield_core.plugins.registry import get_registry
        >>> "trainer.max_steps" in run_paths(get_registry(), None)
        True
    """
    paths = {"data.type", *_of_parts(registry, "dataparser", "data")}
    try:
        if method is None:
            raise PluginError("no method")
        run = compose(registry, method=method, needs_data=False).run
        chosen = [path for path, _ in dump_lines(run)]
        paths |= {*chosen, *(path.removesuffix(".type") for path in chosen)} - {"background"}
    except RadfieldError:
        paths |= {row.path for row in option_rows(RunConfig) if row.kind != "a table or none"}
        for kind in ("method", "field", "sampler", "renderer"):
            paths |= set(_of_parts(registry, kind, kind))
    return sorted(paths)


def _of_parts(registry: Registry, kind: str, slot: str) -> Iterator[str]:
    """Yield the paths of the options of every installed part of a kind, below the slot that takes such a part.

    Options of parts inside these parts are included. Deeper parts are left out, because an encoding may contain an
    encoding of the same kind, and so on without end.
    """
    for component in registry.of_kind(kind):
        try:
            options = options_of(component)
        except PluginError:
            continue
        yield from (row.path for row in option_rows(options, f"{slot}."))
        for field in attrs.fields(options):
            if "slot" in field.metadata and "." not in slot:
                yield from _of_parts(registry, field.metadata["slot"].kind, f"{slot}.{field.name}")


def part_paths(registry: Registry, kind: str) -> list[str]:
    """Return the names of the options of every installed part of a kind, such as those of all exporters."""
    found: set[str] = set()
    for component in registry.of_kind(kind):
        try:
            found |= {field.name for field in attrs.fields(options_of(component)) if field.init}
        except PluginError:
            continue
    return sorted(found)
