"""What a run was made of: its parts, the versions of their distributions, and how two records differ."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import Any

import attrs

from radfield_core.config.run import RunConfig
from radfield_core.config.slots import Choice


def parts_of(config: Any) -> Iterator[Choice]:
    """Every chosen part in a config, outermost first."""
    if isinstance(config, Choice):
        yield config
        config = config.config
    if attrs.has(type(config)):
        for item in attrs.fields(type(config)):
            yield from parts_of(getattr(config, item.name))


def plugin_versions(run: RunConfig) -> dict[str, str]:
    """Version of each distribution that the run's parts come from, and of core and torch."""
    names = {"radfield-core", "torch", *(part.component.distribution for part in parts_of(run))}
    return {name: _version(name) for name in sorted(names - {""})}


def changes(before: str, now: str, plugins_before: Mapping[str, str], plugins_now: Mapping[str, str]) -> list[str]:
    """Lines that differ between two configs and two sets of plugin versions, as a diff; empty if they agree."""
    lines = [
        line
        for line in difflib.unified_diff(before.splitlines(), now.splitlines(), "stored", "now", n=0, lineterm="")
        if not line.startswith(("---", "+++", "@@"))
    ]
    for name in sorted(plugins_before.keys() | plugins_now.keys()):
        old, new = plugins_before.get(name, "absent"), plugins_now.get(name, "absent")
        if old != new:
            lines.append(f"{name}: {old} -> {new}")
    return lines


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "unknown"
