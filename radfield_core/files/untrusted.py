"""Reads files from strangers: paths that stay inside their folder, and JSON of bounded size.

A data set is untrusted. A file that cannot be read raises `DatasetError`, never the exception of the parser underneath.
"""

from __future__ import annotations

import difflib
import json
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from radfield_core.errors import DatasetError, Problem

MAX_JSON_BYTES = 256 * 2**20
MAX_JSON_VALUES = 25_000_000
MAX_ENTRIES = 1_000_000


def safe_join(base: Path, name: str) -> Path:
    """The file that a data set's `name` means, links followed; DatasetError unless it lies inside folder `base`.

    Backslashes count as slashes. The check holds for the moment it is made: whoever may write into `base` afterward
    can still swap a file for a link.
    """
    if not isinstance(name, str) or not name.strip():
        raise DatasetError(f"a file name is expected, not {name!r:.80}", path=str(base))
    if "\0" in name:
        raise DatasetError(f"the name {name!r:.80} contains a NUL character", path=str(base))
    relative = name.replace("\\", "/")
    if relative.startswith("/") or relative[1:2] == ":":
        raise DatasetError(f"the name {name!r:.200} is absolute", path=str(base), hint="names relative to this folder")
    root = base.resolve()
    try:
        path = (root / relative).resolve()
        # Behind a link to itself resolve() leaves the rest of the name unfollowed.
        settled = ".." not in path.parts and not any(part.is_symlink() for part in (path, *path.parents))
    except (OSError, RuntimeError, ValueError) as error:
        raise DatasetError(f"the name {name!r:.200} cannot be followed: {error}", path=str(base)) from None
    if not settled or not path.is_relative_to(root):
        raise DatasetError(
            f"the name {name!r:.200} leaves the folder (it leads to {path})", path=str(base),
            hint="copies instead of links, and names relative to this folder",
        )  # fmt: skip
    return path


def shown(path: Path, root: Path) -> str:
    """The path as messages name it: relative to the folder when it lies inside."""
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def missing_files(paths: Iterable[Path], root: Path) -> list[Problem]:
    """One problem for each path that is no file, with the nearest name that is there: case, extension, spelling."""
    listings: dict[Path, list[str]] = {}
    found = []
    for path in paths:
        if _is_file(path):
            continue
        if os.path.isdir(path):
            found.append(Problem(shown(path, root), "is a folder, not a file", "a file of that name in its place"))
            continue
        folder = path.parent
        if folder not in listings:
            listings[folder] = _names(folder)
        name = _nearest(path.name, listings[folder])
        if name is not None:
            hint = f"{shown(folder / name, root)}, which is there"
        elif not folder.is_dir():
            hint = _folder_hint(folder, root)
        else:
            hint = ""
        found.append(Problem(shown(path, root), "there is no such file", hint))
    return found


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except (OSError, ValueError):
        return []


def _folder_hint(folder: Path, root: Path) -> str:
    """What stands beside the first folder on the way that does not exist."""
    while not folder.parent.is_dir() and folder != folder.parent:
        folder = folder.parent
    name = _nearest(folder.name, _names(folder.parent))
    where = shown(folder, root)
    near = f"; {shown(folder.parent / name, root)} is there" if name else ""
    return f"folder {where} does not exist{near}"


def _nearest(name: str, names: list[str]) -> str | None:
    lower = name.lower()
    for candidate in names:
        if candidate.lower() == lower:
            return candidate
    stem = Path(lower).stem
    for candidate in names:
        if Path(candidate.lower()).stem in (stem, lower):
            return candidate
    return next(iter(difflib.get_close_matches(name, names[:5000], n=1, cutoff=0.85)), None)


def read_limited(path: Path, limit: int, what: str = "file") -> bytes:
    """The bytes of a regular file of at most `limit` bytes; DatasetError otherwise."""
    try:
        if not path.is_file():
            problems = missing_files([path], path.parent)
            raise DatasetError(problems=[Problem(str(path), *problem[1:]) for problem in problems])
        with path.open("rb") as stream:
            data = stream.read(limit + 1)
    except (OSError, ValueError) as error:
        raise DatasetError(f"cannot be read: {error}", path=str(path)) from None
    if len(data) > limit:
        raise DatasetError(f"the {what} is larger than {limit / 2**20:.0f} MiB", path=str(path))
    return data


def read_json(path: Path, limit: int | None = None) -> Any:
    """The value of a JSON file of at most `limit` bytes, by default 256 MiB. DatasetError for what JSON forbids or what
    would hurt.

    Refused: NaN and infinities (also as 1e999), repeated keys, nesting that exhausts the stack, integers of over 20
    digits, more than 25 million values, lists or objects of over a million entries at the top two levels (those hold a
    data set's frames).
    """
    data = read_limited(path, MAX_JSON_BYTES if limit is None else limit, "JSON file")
    if sum(data.count(sign) for sign in (b",", b"[", b"{")) > MAX_JSON_VALUES:
        raise DatasetError(f"holds more than {MAX_JSON_VALUES} values", path=str(path))
    try:
        value = json.loads(
            data.decode("utf-8-sig"), parse_constant=_refuse_constant, parse_float=_finite, parse_int=_integer,
            object_pairs_hook=_unique,
        )  # fmt: skip
    except RecursionError:
        raise DatasetError("is nested too deeply", path=str(path)) from None
    except json.JSONDecodeError as error:
        raise DatasetError(
            f"is not JSON: {error.msg} at line {error.lineno}, column {error.colno}", path=str(path),
            hint="a JSON checker; was the file cut off while copying?",
        ) from None  # fmt: skip
    except UnicodeDecodeError:
        raise DatasetError("is not JSON: not UTF-8 text", path=str(path)) from None
    except (ValueError, MemoryError) as error:
        raise DatasetError(f"is not usable JSON: {error}", path=str(path)) from None
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in (value, *inner):
        if isinstance(part, (list, dict)) and len(part) > MAX_ENTRIES:
            raise DatasetError(f"holds {len(part)} entries; {MAX_ENTRIES} are allowed", path=str(path))
    return value


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} is no JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text:.40} is beyond all numbers")
    return value


def _integer(text: str) -> int:
    if len(text) > 20:
        raise ValueError(f"the integer {text[:20]}… has {len(text)} digits")
    return int(text)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = sorted({key for key in keys if keys.count(key) > 1}) if len(keys) < 1000 else ["…"]
        raise ValueError(f"the key {', '.join(map(repr, twice))} occurs twice in one object")
    return result
