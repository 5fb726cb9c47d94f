"""Read JSON files of unknown origin, with limits on their size, and write JSON that can be read back unchanged."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from radfield_core.errors import DatasetError
from radfield_core.files.untrusted import read_limited

MAX_DATASET_JSON_BYTES = 256 * 2**20
"""Largest allowed JSON file of a data set, in bytes. One frame usually takes about 500 bytes."""

MAX_RUN_JSON_BYTES = 16 * 2**20
"""Largest allowed JSON file of a run folder, in bytes. Such files list parts, versions and facts about one scene."""

MAX_CHECKPOINT_JSON_BYTES = 64 * 2**20
"""Largest allowed JSON file of a checkpoint, in bytes. Thousands of parameter tensors take a hundredth of this size."""

MAX_JSON_VALUES = 25_000_000
"""Largest number of values in a JSON file. The Python objects for the values take far more memory than the text."""

MAX_ENTRIES = 1_000_000
"""Largest number of entries in a list or object at the top two levels, where data sets list their frames."""

MAX_INTEGER_DIGITS = 20
"""Largest number of digits of an integer. The time to parse an integer grows with the square of its digits."""


def read_json(path: Path, limit: int | None = None) -> Any:
    """Read a JSON file of unknown origin.

    Args:
        path: the file, in UTF-8 with or without a byte order mark.
        limit: largest allowed size in bytes; 256 MiB by default.

    Raises:
        DatasetError: the file cannot be read or is not valid JSON. Files that could take too much memory or time are
            refused: those with more than 25 million values, more than a million entries in a list at the top two
            levels, integers of more than 20 digits, or very deep nesting. Ambiguous files are refused too: those with
            NaN, infinity (also written as 1e999), or the same key twice in an object.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "frames.json"
        ...     _ = path.write_text('{"frames": [1, 2]}')
        ...     read_json(path)
        {'frames': [1, 2]}
    """
    return parse_json(read_limited(path, MAX_DATASET_JSON_BYTES if limit is None else limit, "JSON file"), path)


def parse_json(data: bytes, path: Path) -> Any:
    """Parse the content of a JSON file with the same checks as `read_json`. Errors name `path`.

    Example:
        >>> parse_json(b"[1, 2]", Path("numbers.json"))
        [1, 2]
    """
    if sum(data.count(sign) for sign in (b",", b"[", b"{")) > MAX_JSON_VALUES:
        raise DatasetError(f"has more than {MAX_JSON_VALUES} values", path=str(path))
    value = _parsed(data, path)
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in (value, *inner):
        if isinstance(part, (list, dict)) and len(part) > MAX_ENTRIES:
            raise DatasetError(f"has a list of {len(part)} entries; at most {MAX_ENTRIES} are allowed", path=str(path))
    return value


def _parsed(data: bytes, path: Path) -> Any:
    try:
        return json.loads(
            data.decode("utf-8-sig"),
            parse_constant=_refuse_constant,
            parse_float=_finite_float,
            parse_int=_integer,
            object_pairs_hook=_unique_keys,
        )
    except RecursionError:
        raise DatasetError("is nested too deeply", path=str(path)) from None
    except json.JSONDecodeError as error:
        raise DatasetError(
            f"is not JSON: {error.msg} at line {error.lineno}, column {error.colno}",
            path=str(path),
            hint="Copy the file again if it was cut off, or correct that line",
        ) from None
    except UnicodeDecodeError:
        raise DatasetError("is not JSON: the text is not UTF-8", path=str(path)) from None
    except (ValueError, MemoryError) as error:
        raise DatasetError(f"is not usable JSON: {error}", path=str(path)) from None


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} is not a JSON number")


def _finite_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text:.40} is too large for a float")
    return value


def _integer(text: str) -> int:
    if len(text) > MAX_INTEGER_DIGITS:
        raise ValueError(f"the integer {text[:MAX_INTEGER_DIGITS]}… has {len(text)} digits")
    return int(text)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = sorted({key for key in keys if keys.count(key) > 1}) if len(keys) < 1000 else ["…"]
        raise ValueError(f"the key {', '.join(map(repr, twice))} occurs twice in one object")
    return result


def dump_json(value: Any, *, indent: int | None = None, canonical: bool = False) -> str:
    """Return a value as JSON text.

    Reading the text back gives exactly the same floats. NaN and infinity become null, because JSON has no such numbers.

    Args:
        value: nested mappings, lists and tuples of text, numbers, True, False and None.
        indent: number of spaces per level of nesting. If None, the text has a single line.
        canonical: if True, sort the keys and omit spaces, so that equal values give equal text.

    Example:
        >>> dump_json({"b": float("nan"), "a": 0.1}, canonical=True)
        '{"a":0.1,"b":null}'
    """
    separators = (",", ":") if canonical else None
    return json.dumps(
        _without_infinities(value),
        indent=indent,
        sort_keys=canonical,
        separators=separators,
        ensure_ascii=False,
        allow_nan=False,
    )


def _without_infinities(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_infinities(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_infinities(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
