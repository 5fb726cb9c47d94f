"""Recognizing a data set's format by asking every dataparser whether a path looks like its own."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import attrs

from radfield_core.errors import DatasetError, PluginError, UsageError
from radfield_core.names import nearest
from radfield_core.plugin import load_of
from radfield_core.plugins.registry import Registry

_CHILDREN = 50
"""Folders looked into for a scene when the one given is none."""


def recognize(registry: Registry, path: Path) -> tuple[str, str]:
    """The name of the dataparser whose format `path` is in, and why.

    Raises DatasetError if there is no such path or nobody knows it, UsageError if two dataparsers do.
    """
    parsers = registry.of_kind("dataparser")
    if not path.exists():
        names = [parser.name for parser in parsers]
        raise _no_such_path(path, names, [name for name in names if needs_no_root(registry, name)])
    found, failed = _ask(registry, path)
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(
            "fits more than one format: " + "; ".join(f"{name} ({reason})" for name, reason in found),
            path=str(path),
            hint=" or ".join(f"data.type={name}" for name, _ in found),
        )
    knows = "; ".join(f"{parser.name}: {parser.summary}" for parser in parsers) or "no dataparser is installed"
    hint = "data.type=NAME if you know better" if parsers else "pip install radfield-blender"
    message = "; ".join(["in no known format", *failed, f"known are {knows}"])
    raise DatasetError(message, path=str(path), hint=_scene_below(registry, path) or hint)


def needs_no_root(registry: Registry, name: str) -> bool:
    """Whether `name` is a dataparser that reads no files: its options have no `root`."""
    try:
        parser = registry.find("dataparser", name)
        options = attrs.fields_dict(load_of(parser, parser.config))
    except (PluginError, UsageError):
        return False
    return "root" not in options


def _ask(registry: Registry, path: Path) -> tuple[list[tuple[str, str]], list[str]]:
    """Every dataparser that knows the path, with its reason; and those that failed while looking."""
    found, failed = [], []
    for parser in registry.of_kind("dataparser"):
        if parser.sniff is None:
            continue
        try:
            reason = load_of(parser, parser.sniff)(path)
        except Exception as error:  # another's code, looking at files nobody vouches for
            failed.append(f"{parser.key} of {parser.distribution} failed while looking: {error}")
            continue
        if reason:
            found.append((registry.spelling(parser, parser.name), reason))
    return found, failed


def _scene_below(registry: Registry, path: Path) -> str:
    """A folder in `path` that somebody knows, as when the folder of all scenes is named instead of one; else ""."""
    children = islice(sorted(path.iterdir()), _CHILDREN) if path.is_dir() else ()
    return next((f"--data {child}" for child in children if child.is_dir() and _ask(registry, child)[0]), "")


def _no_such_path(path: Path, parsers: list[str], rootless: list[str]) -> DatasetError:
    """What is said of a path that does not exist: near names beside it, or the dataparser that was meant; `rootless`
    are those that read no files."""
    if str(path) in parsers:
        return DatasetError("no such file or folder, but a dataparser", path=str(path), hint=f"data={path}")
    beside = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    near = nearest(path.name, [*beside, *(rootless if path.name == str(path) else ())])
    hint = f"ls {path.parent}" if not near else str(path.parent / near) if near in beside else near
    return DatasetError("no such file or folder", path=str(path), hint=hint)
