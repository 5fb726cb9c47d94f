"""Recognition of a data set's format: every dataparser is asked if a path looks like its own."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import attrs

from radfield_core.errors import DatasetError, PluginError, UsageError
from radfield_core.names import nearest
from radfield_core.plugin import load_of
from radfield_core.plugins.registry import Registry

MAX_CHILDREN = 50
"""Most subfolders that are tried for a scene when the given folder is none."""


def recognize(registry: Registry, path: Path) -> tuple[str, str]:
    """The name of the dataparser that reads a path, and the reason.

    Raises:
        DatasetError: there is no such path, or no dataparser reads it.
        UsageError: several dataparsers read it.
    """
    if not path.exists():
        raise _no_such_path(registry, path)
    found, failed = _sniff(registry, path)
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(
            "fits more than one format: " + "; ".join(f"{name} ({reason})" for name, reason in found),
            path=str(path),
            hint="Set " + " or ".join(f"data.type={name}" for name, _ in found),
        )
    parsers = registry.of_kind("dataparser")
    known = "; ".join(f"{parser.name}: {parser.summary}" for parser in parsers) or "none, as no dataparser is installed"
    hint = "Set data.type=NAME if you know the format" if parsers else "pip install radfield-blender"
    message = "; ".join(["in no known format", *failed, f"known formats are {known}"])
    raise DatasetError(message, path=str(path), hint=_scene_below(registry, path) or hint)


def reads_no_files(registry: Registry, name: str) -> bool:
    """True if `name` is a dataparser that reads no files, so that its options have no `root`."""
    try:
        parser = registry.find("dataparser", name)
        options = attrs.fields_dict(load_of(parser, parser.config))
    except (PluginError, UsageError):
        return False
    return "root" not in options


def _sniff(registry: Registry, path: Path) -> tuple[list[tuple[str, str]], list[str]]:
    """The dataparsers that read a path, each with its reason, and a sentence about each that failed."""
    found, failed = [], []
    for parser in registry.of_kind("dataparser"):
        if parser.sniff is None:
            continue
        try:
            reason = load_of(parser, parser.sniff)(path)
        except Exception as error:  # the code of a plugin, applied to files of unknown origin
            failed.append(f"{parser.key} of {parser.distribution} failed to look at it: {error}")
            continue
        if reason:
            found.append((registry.spelling(parser, parser.name), reason))
    return found, failed


def _scene_below(registry: Registry, path: Path) -> str:
    """A hint with a subfolder that some dataparser reads, for a path to the folder of all scenes; else ""."""
    children = islice(sorted(path.iterdir()), MAX_CHILDREN) if path.is_dir() else ()
    return next((f"Use --data {child}" for child in children if child.is_dir() and _sniff(registry, child)[0]), "")


def _no_such_path(registry: Registry, path: Path) -> DatasetError:
    """The error for a path that does not exist, with the nearest name beside it or the dataparser that was meant."""
    parsers = [parser.name for parser in registry.of_kind("dataparser")]
    if str(path) in parsers:
        message = f"there is no such file or folder; {path} is the name of a dataparser"
        return DatasetError(message, path=str(path), hint=f"Use data={path} with data.root=PATH")
    siblings = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    without_files = [name for name in parsers if reads_no_files(registry, name)] if path.name == str(path) else []
    near = nearest(path.name, [*siblings, *without_files])
    hint = f"Use --data {path.parent / near if near in siblings else near}" if near else ""
    return DatasetError("there is no such file or folder", path=str(path), hint=hint)
