"""Records of the parts that a run uses and of the package versions that provide them, and a comparison of two
records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import Any, NamedTuple

import attrs

from radfield_core.config.files import dump_lines
from radfield_core.config.run import RunConfig
from radfield_core.config.slots import Choice


def slots_of(config: Any, path: str = "") -> Iterator[tuple[str, Choice]]:
    """Yield every part that a config chooses, as (path of its slot, part).

    Each part is yielded before the parts that it contains.
    """
    if isinstance(config, Choice):
        yield path, config
        config = config.config
    values = config if isinstance(config, Mapping) else {}
    if attrs.has(type(config)):
        values = {item.name: getattr(config, item.name) for item in attrs.fields(type(config))}
    for name, value in values.items():
        yield from slots_of(value, f"{path}.{name}" if path else name)


def parts_of(config: Any) -> Iterator[Choice]:
    """Yield every part that a config chooses. Each part is yielded before the parts that it contains."""
    return (part for _, part in slots_of(config))


def plugin_versions(run: RunConfig) -> dict[str, str]:
    """Return distribution -> version for core, for torch, and for each distribution that offers a part of the run."""
    names = {"radfield-core", "torch", *(part.component.distribution for part in parts_of(run))}
    return {name: _version(name) for name in sorted(names - {""})}


class Changes(NamedTuple):
    """The differences between a stored run and the run to resume, each as a line of text.

    Attributes:
        continuing: differences with which the training can simply continue, such as a larger number of steps.
        other: all other differences.
    """

    continuing: list[str]
    other: list[str]


def changes(
    stored: RunConfig, current: RunConfig, stored_plugins: Mapping[str, str], current_plugins: Mapping[str, str]
) -> Changes:
    """Compare two configs and two tables of plugin versions."""
    free = {*_continuing(stored, ""), *_continuing(current, ""), "data.root"}
    before, after = dict(dump_lines(stored)), dict(dump_lines(current))
    found = Changes([], [])
    for path in dict.fromkeys([*before, *after]):
        if line := _change(path, before, after):
            continues = any(path == name or path.startswith(f"{name}.") for name in free)
            (found.continuing if continues else found.other).append(line)
    for name in sorted(stored_plugins.keys() | current_plugins.keys()):
        if line := _change(name, stored_plugins, current_plugins):
            found.other.append(line)
    return found


def preset_changes(run: RunConfig) -> list[tuple[str, str, str]]:
    """Return the options of a run that differ from the preset of its method, as (option, value, value of the preset).

    Values are written as in a config file. Options of the data are left out, because no preset knows the data. The
    value of an option that the preset does not have is "absent".

    Example:
        >>> from radfield_core import compose, get_registry
        >>> words = ["data=synthetic", "trainer.max_steps=7"]
        >>> preset_changes(compose(get_registry(), method="tiny-nerf", overrides=words).run)
        [('trainer.max_steps', '7', '10000')]

    Raises:
        UsageError, PluginError: the preset is not valid.
    """
    from radfield_core.config.layers import compose
    from radfield_core.plugins.registry import get_registry

    preset = compose(get_registry(), method=run.method.name, needs_data=False).run
    before, after = dict(dump_lines(preset)), dict(dump_lines(run))
    found = []
    for name in dict.fromkeys([*after, *before]):
        old, new = before.get(name, "absent"), after.get(name, "absent")
        if old != new and name.partition(".")[0] != "data":
            found.append((name, new, old))
    return found


def _change(name: str, before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """Return a line that states the change of a value, or "" if the value is the same."""
    old, new = before.get(name, "absent"), after.get(name, "absent")
    return f"{name}: {old} -> {new}" if old != new else ""


def _continuing(options: Any, prefix: str) -> Iterator[str]:
    """Yield the paths of all options that are declared with `continues=True`."""
    for item in attrs.fields(type(options)):
        value = getattr(options, item.name)
        if item.metadata.get("continues"):
            yield f"{prefix}{item.name}"
        inner = value.config if isinstance(value, Choice) else value
        if attrs.has(type(inner)):
            yield from _continuing(inner, f"{prefix}{item.name}.")


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "unknown"
