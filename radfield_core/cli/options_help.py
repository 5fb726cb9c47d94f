"""The options of a part as text, for the help of the verbs that take them as `key=value`."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Sequence

from radfield_core.errors import RadfieldError

MIN_COLUMNS = 40


def chosen_name(argv: Sequence[str], option: str, default: str) -> str:
    """Return the value of an option in the words of a command, or a default if the option is not given.

    Example:
        >>> chosen_name(["run", "--exporter", "pointcloud"], "--exporter", "mesh")
        'pointcloud'
        >>> chosen_name(["--exporter=pointcloud"], "--exporter", "mesh"), chosen_name(["--help"], "--exporter", "mesh")
        ('pointcloud', 'mesh')
    """
    words = [part for word in argv for part in (word.split("=", 1) if word.startswith(f"{option}=") else [word])]
    place = words.index(option) + 1 if option in words else len(words)
    return words[place] if place < len(words) else default


def options_of_part(kind: str, name: str) -> str:
    """Return text that lists the options of a part with their defaults, and the names of the other parts of its kind.

    If there is no such part, the text says so.
    """
    from radfield_core.config.reference import option_rows
    from radfield_core.config.structure import options_of
    from radfield_core.plugins.registry import get_registry

    registry = get_registry()
    width = max(MIN_COLUMNS, shutil.get_terminal_size().columns - 2)
    try:
        component = registry.find(kind, name)
        rows = list(option_rows(options_of(component)))
    except RadfieldError as error:
        return error.problems[0].message
    lines = [f"options of {kind}:{name}, as key=value:"]
    for row in rows:
        lines.append(f"  {row.path}={row.default}" if row.default else f"  {row.path}=VALUE")
        lines += textwrap.wrap(f"{row.help} ({row.kind})", width, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return "\n".join([*lines, "", names_of(kind)])


def names_of(kind: str) -> str:
    """Return text that lists the installed parts of a kind."""
    from radfield_core.plugins.registry import get_registry

    return f"installed {kind}s: {', '.join(get_registry().names(kind)) or 'none'}"
