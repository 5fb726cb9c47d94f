"""JSON: files of unknown origin are read with limits, and values are written so that they read back unchanged."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from radfield_core.errors import DatasetError
from radfield_core.files.untrusted import read_limited

MAX_DATASET_JSON_BYTES = 256 * 2**20
"""Largest JSON file of a data set; a frame takes about 500 bytes."""

MAX_RUN_JSON_BYTES = 16 * 2**20
"""Largest JSON file of a run folder; such files list parts, versions and one scene."""

MAX_CHECKPOINT_JSON_BYTES = 64 * 2**20
"""Largest state or manifest of a checkpoint; thousands of parameters fill a hundredth of it."""

MAX_JSON_VALUES = 25_000_000
"""Most values in a JSON file: Python objects take far more memory than their text."""

MAX_ENTRIES = 1_000_000
"""Most entries of a list or an object at the top two levels, where a data set lists its frames."""

MAX_INTEGER_DIGITS = 20
"""Most digits of an integer: converting longer ones takes quadratic time."""


def read_json(path: Path, limit: int | None = None) -> Any:
    """The value of a JSON file of unknown origin.

    Args:
        path: the file, in UTF-8 with or without a byte order mark.
        limit: largest size in bytes; 256 MiB by default.

    Raises:
        DatasetError: the file cannot be read or is no JSON. Also refused are files that would exhaust memory or time
            (over 25 million values, lists of over a million entries at the top two levels, integers of over 20 digits,
            very deep nesting) and values that have no clear meaning (NaN, infinity also as 1e999, repeated keys).

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "frames.json"
        ...     _ = path.write_text('{"frames": [1, 2]}')
        ...     read_json(path)
        {'frames': [1, 2]}
    """
    data = read_limited(path, MAX_DATASET_JSON_BYTES if limit is None else limit, "JSON file")
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
    """JSON text of a value.

    Floats read back with the same bits. NaN and infinity, which JSON cannot represent, become null.

    Args:
        value: nested mappings, lists and tuples of text, numbers, True, False and None.
        indent: spaces per level; one line if None.
        canonical: sort the keys and leave out spaces, so that equal values give equal text.

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
