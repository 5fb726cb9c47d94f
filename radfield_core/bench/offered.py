"""The installed benchmarks. This module imports no torch, so that a misspelled name is reported at once."""

from __future__ import annotations

from collections.abc import Sequence

from radfield_core.errors import UsageError
from radfield_core.names import nearest, quoted
from radfield_core.plugins.registry import Registry


def benchmarks(registry: Registry) -> dict[str, str]:
    """Return name -> "module:function" for each benchmark that an installed plugin offers, sorted by name."""
    found: dict[str, str] = {}
    for offered in registry.hooks.hook.radfield_benchmarks():
        found |= offered
    return dict(sorted(found.items()))


def chosen(registry: Registry, names: Sequence[str]) -> dict[str, str]:
    """Return name -> "module:function" for the named benchmarks. If no names are given, return all benchmarks.

    Raises:
        UsageError: a benchmark is unknown.
    """
    offered = benchmarks(registry)
    unknown = [name for name in names if name not in offered]
    if unknown:
        near = nearest(unknown[0], offered)
        raise UsageError(
            f"unknown benchmark {', '.join(map(repr, unknown))}; known benchmarks are {', '.join(offered)}",
            hint=f"radfield bench micro {quoted(near)}" if near else "radfield bench micro",
        )
    return {name: offered[name] for name in names or offered}
