"""Recognize the format of a data set: ask every dataparser whether it can read the path of the data set.

A dataparser is a plugin's part that reads the images and cameras of one data format.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import NamedTuple

import attrs

from radfield_core.errors import DatasetError, PluginError, UsageError
from radfield_core.names import nearest
from radfield_core.plugin import Fit, load_of
from radfield_core.plugins.registry import Registry

MAX_CHILDREN = 50
"""If the given folder is not a scene, the search for a scene inside it checks at most this many entries."""


class Recognized(NamedTuple):
    """The format of a data set.

    Attributes:
        name: name of the dataparser.
        reason: the reason why this dataparser can read the data set.
        others: names of other dataparsers that can read the data set, but read less of it.
    """

    name: str
    reason: str
    others: tuple[str, ...] = ()

    def __str__(self) -> str:
        if not self.others:
            return f"{self.name} ({self.reason})"
        less, instead = " and ".join(self.others), " or ".join(f"data.type={name}" for name in self.others)
        return f"{self.name} ({self.reason}), which reads more than {less}; add {instead} to change this"


def recognize(registry: Registry, path: Path) -> Recognized:
    """Return the format of the data set at a path. Of several formats that fit, return the one that reads most data.

    Raises:
        DatasetError: the path does not exist, or no dataparser can read the path.
        UsageError: several dataparsers can read the path, and no declaration says which of them reads most.
    """
    if not path.exists():
        raise _no_such_path(registry, path)
    found, failed = _sniff(registry, path)
    for name, reason in found:
        others = [other for other in found if other[0] != name]
        if all(_reads_more((name, reason), other) and not _reads_more(other, (name, reason)) for other in others):
            return Recognized(name, reason, tuple(other for other, _ in others))
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


def _reads_more(first: tuple[str, str], second: tuple[str, str]) -> bool:
    """Given two formats that fit a path, return True if either of them declares that the first reads more data.

    A format is given by its name and by the reason that its `sniff` function returned.
    """
    (name, reason), (other, other_reason) = first, second
    over = reason.over if isinstance(reason, Fit) else frozenset()
    under = other_reason.under if isinstance(other_reason, Fit) else frozenset()
    return other.rpartition(":")[2] in over or name.rpartition(":")[2] in under


def reads_no_files(registry: Registry, name: str) -> bool:
    """Return True if `name` is an installed dataparser that has no option `root`, and therefore reads no files."""
    try:
        parser = registry.find("dataparser", name)
        options = attrs.fields_dict(load_of(parser, parser.config))
    except (PluginError, UsageError):
        return False
    return "root" not in options


def _sniff(registry: Registry, path: Path) -> tuple[list[tuple[str, str]], list[str]]:
    """Ask every dataparser whether it can read a path.

    Return the name and the reason of each dataparser that can, and an error message for each check that failed.
    """
    found, failed = [], []
    for parser in registry.of_kind("dataparser"):
        if parser.sniff is None:
            continue
        try:
            reason = load_of(parser, parser.sniff)(path)
        except Exception as error:  # a plugin's code may raise any exception for a file of unknown origin
            failed.append(f"{parser.key} of {parser.distribution} failed while checking the format: {error}")
            continue
        if reason:
            found.append((registry.spelling(parser, parser.name), reason))
    return found, failed


def _scene_below(registry: Registry, path: Path) -> str:
    """Return a hint that names a subfolder that a dataparser can read. Return "" if no subfolder can be read.

    The hint helps a user who gave the folder that contains all scenes.
    """
    children = islice(sorted(path.iterdir()), MAX_CHILDREN) if path.is_dir() else ()
    return next((f"Use --data {child}" for child in children if child.is_dir() and _sniff(registry, child)[0]), "")


def _no_such_path(registry: Registry, path: Path) -> DatasetError:
    """Return the error for a path that does not exist. Its hint names a file or a dataparser with a similar name."""
    parsers = [parser.name for parser in registry.of_kind("dataparser")]
    if str(path) in parsers:
        message = f"there is no such file or folder; {path} is the name of a dataparser"
        return DatasetError(message, path=str(path), hint=f"Write data={path} data.root=FOLDER")
    siblings = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    without_files = [name for name in parsers if reads_no_files(registry, name)] if path.name == str(path) else []
    near = nearest(path.name, [*siblings, *without_files])
    hint = f"Use --data {path.parent / near if near in siblings else near}" if near else ""
    return DatasetError("there is no such file or folder", path=str(path), hint=hint)
