"""Parse the overrides, which are the `key=value` words of the command line, into one table of options."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from radfield_core.config.files import MAX_DEPTH, UnusableValue, parse_table
from radfield_core.config.mistakes import Mistakes
from radfield_core.errors import Problem


def read_overrides(words: Sequence[str], mistakes: Mistakes) -> dict[str, Any]:
    """Merge `key=value` words into one table of options. The order of the words does not matter.

    Each word must have the form `key=value` and must agree with all other words. A word that breaks one of these rules
    is left out of the table and reported in `mistakes`.
    """
    table: dict[str, Any] = {}
    problems = []
    for word in words:
        key, equals, text = word.partition("=")
        parts = tuple(part.strip() for part in key.split("."))
        if not equals or not all(parts) or len(parts) > MAX_DEPTH:
            problems.append(Problem("", f"{word!r:.200} is not key=value", "Write it like trainer.max_steps=2000"))
            continue
        try:
            value = read_value(text)
        except UnusableValue as error:
            problems.append(Problem(key, str(error), "Write a smaller value"))
            continue
        if not _insert(table, parts, value):
            problems.append(Problem(key, f"{word!r:.200} contradicts another override", "Write the option once"))
    for problem in sorted(problems):
        mistakes.add(*problem)
    return table


def read_value(text: str) -> Any:
    """Parse the text of a TOML value, such as `3`, `[1, 2]`, `true` or `{type = "hash"}`.

    Text that is not valid TOML, such as `scan65/`, is returned unchanged.
    """
    try:
        table = parse_table(f"value = {text}")
    except UnusableValue:
        raise
    except ValueError as error:
        if "limit" in str(error) and "digits" in str(error):  # Python limits the digits of whole numbers
            raise UnusableValue("is a whole number of thousands of digits") from None
        return text
    value = table["value"]
    known = isinstance(value, (bool, int, float, str, list, dict))  # a TOML date stays text: no option takes a date
    return value if known and len(table) == 1 else text


def _insert(table: dict[str, Any], path: tuple[str, ...], value: Any) -> bool:
    """Set the value at a path in nested tables. Return False if the path already has a different value.

    If a part has a table of options, the part's name is stored in that table as `type`. The words `field=nerf` and
    `field.width=64` can therefore come in any order.
    """
    key, rest = path[0], path[1:]
    if rest:
        child = table.setdefault(key, {})
        if isinstance(child, str):
            child = table[key] = {"type": child}
        return isinstance(child, dict) and _insert(child, rest, value)
    old = table.get(key)
    if isinstance(value, dict) and (old is None or isinstance(old, (str, dict))):
        if not value:
            table.setdefault(key, {})
        return all([_insert(table, (key, inner), item) for inner, item in value.items()])
    if isinstance(old, dict) and isinstance(value, str):
        return _insert(old, ("type",), value)
    if old is not None and (type(old), old) != (type(value), value):
        return False
    table[key] = value
    return True
