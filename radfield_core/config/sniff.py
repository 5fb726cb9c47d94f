"""Recognising a dataset's format by asking every dataparser whether a path looks like its own."""

from __future__ import annotations

from pathlib import Path

import attrs

from radfield_core.errors import DatasetError, PluginError, UsageError
from radfield_core.names import nearest
from radfield_core.plugin import load_of
from radfield_core.registry import Registry


def recognise(registry: Registry, path: Path) -> tuple[str, str]:
    """The name of the dataparser whose format `path` is in, and why.

    Raises DatasetError if there is no such path or nobody knows it, UsageError if two dataparsers do.
    """
    parsers = registry.of_kind("dataparser")
    if not path.exists():
        raise _no_such_path(path, [parser.name for parser in parsers])
    found, failed = [], []
    for parser in parsers:
        if parser.sniff is None:
            continue
        try:
            reason = load_of(parser, parser.sniff)(path)
        except Exception as error:  # another's code, looking at files nobody vouches for
            failed.append(f"{parser.key} of {parser.distribution} failed while looking: {error}")
            continue
        if reason:
            found.append((registry.spelling(parser, parser.name), reason))
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
    raise DatasetError("; ".join(["in no known format", *failed, f"known are {knows}"]), path=str(path), hint=hint)


def needs_no_root(registry: Registry, name: str) -> bool:
    """Whether `name` is a dataparser that reads no files: its options have no `root`."""
    try:
        parser = registry.find("dataparser", name)
        options = attrs.fields_dict(load_of(parser, parser.config))
    except PluginError:
        return False
    return "root" not in options


def _no_such_path(path: Path, parsers: list[str]) -> DatasetError:
    """What is said of a path that does not exist: near names beside it, or the dataparser that was meant."""
    if str(path) in parsers:
        return DatasetError("no such file or folder, but a dataparser", path=str(path), hint=f"data={path}")
    beside = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    near = nearest(path.name, beside)
    hint = str(path.parent / near) if near else f"ls {path.parent}"
    return DatasetError("no such file or folder", path=str(path), hint=hint)
