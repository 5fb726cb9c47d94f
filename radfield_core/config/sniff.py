"""Recognize the format of a data set, by asking every dataparser if it can read the path."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import attrs

from radfield_core.errors import DatasetError, PluginError, UsageError
from radfield_core.names import nearest
from radfield_core.plugin import load_of
from radfield_core.plugins.registry import Registry

MAX_CHILDREN = 50
"""Largest number of subfolders to search for a scene, when the given folder is not a scene itself."""


def recognize(registry: Registry, path: Path) -> tuple[str, str]:
    """The name of the dataparser that can read a path, and the reason for the choice.

    Raises:
        DatasetError: the path does not exist, or no dataparser can read it.
        UsageError: several dataparsers can read it.
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
    known = "; ".join(f"{parser.name}: {parser.summary}" for parser in parsers) or "none; no dataparser is installed"
    hint = "Set data.type=NAME if you know the format" if parsers else "pip install radfield-blender"
    message = "; ".join(["in no known format", *failed, f"known formats are {known}"])
    raise DatasetError(message, path=str(path), hint=_scene_below(registry, path) or hint)


def reads_no_files(registry: Registry, name: str) -> bool:
    """True if `name` is a dataparser that reads no files. Such a dataparser has no option `root`."""
    try:
        parser = registry.find("dataparser", name)
        options = attrs.fields_dict(load_of(parser, parser.config))
    except (PluginError, UsageError):
        return False
    return "root" not in options


def _sniff(registry: Registry, path: Path) -> tuple[list[tuple[str, str]], list[str]]:
    """The dataparsers that can read a path, each with its reason, and an error message for each one that failed."""
    found, failed = [], []
    for parser in registry.of_kind("dataparser"):
        if parser.sniff is None:
            continue
        try:
            reason = load_of(parser, parser.sniff)(path)
        except Exception as error:  # a plugin's code may raise anything for files of unknown origin
            failed.append(f"{parser.key} of {parser.distribution} failed while checking the format: {error}")
            continue
        if reason:
            found.append((registry.spelling(parser, parser.name), reason))
    return found, failed


def _scene_below(registry: Registry, path: Path) -> str:
    """A hint that names a subfolder which a dataparser can read, or "" if there is none.

    It helps a user who gives the folder that contains all scenes.
    """
    children = islice(sorted(path.iterdir()), MAX_CHILDREN) if path.is_dir() else ()
    return next((f"Use --data {child}" for child in children if child.is_dir() and _sniff(registry, child)[0]), "")


def _no_such_path(registry: Registry, path: Path) -> DatasetError:
    """The error for a path that does not exist. Its hint is a file or dataparser with a similar name."""
    parsers = [parser.name for parser in registry.of_kind("dataparser")]
    if str(path) in parsers:
        message = f"there is no such file or folder; {path} is the name of a dataparser"
        return DatasetError(message, path=str(path), hint=f"Use data={path} with data.root=PATH")
    siblings = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    without_files = [name for name in parsers if reads_no_files(registry, name)] if path.name == str(path) else []
    near = nearest(path.name, [*siblings, *without_files])
    hint = f"Use --data {path.parent / near if near in siblings else near}" if near else ""
    return DatasetError("there is no such file or folder", path=str(path), hint=hint)
