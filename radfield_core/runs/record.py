"""Records of the parts that a run uses and of the package versions that provide them, and a comparison of two
records."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import Any

import attrs

from radfield_core.config.run import RunConfig
from radfield_core.config.slots import Choice


def parts_of(config: Any) -> Iterator[Choice]:
    """Yield every part that a config chooses. Each part is yielded before the parts that it contains."""
    if isinstance(config, Choice):
        yield config
        config = config.config
    if attrs.has(type(config)):
        for item in attrs.fields(type(config)):
            yield from parts_of(getattr(config, item.name))


def plugin_versions(run: RunConfig) -> dict[str, str]:
    """Return distribution -> version for core, for torch, and for each distribution that offers a part of the run."""
    names = {"radfield-core", "torch", *(part.component.distribution for part in parts_of(run))}
    return {name: _version(name) for name in sorted(names - {""})}


def changes(
    stored: str, current: str, stored_plugins: Mapping[str, str], current_plugins: Mapping[str, str]
) -> list[str]:
    """Compare two configs and two tables of plugin versions.

    Return the differences as lines of a diff. If there are no differences, the list is empty.
    """
    lines = [
        line
        for line in difflib.unified_diff(stored.splitlines(), current.splitlines(), n=0, lineterm="")
        if not line.startswith(("---", "+++", "@@"))
    ]
    for name in sorted(stored_plugins.keys() | current_plugins.keys()):
        old, new = stored_plugins.get(name, "absent"), current_plugins.get(name, "absent")
        if old != new:
            lines.append(f"{name}: {old} -> {new}")
    return lines


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "unknown"
