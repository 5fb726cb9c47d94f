"""Templates of plugins. `radfield plugins new` makes a complete plugin from them, which works before it is edited."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from pathlib import Path
from string import Template

from radfield_core.errors import Problems, UsageError, unwritable
from radfield_core.files.durable import atomic_path
from radfield_core.names import normalize_distribution

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
REQUIRES = {"field": ("radfield-frequency",), "method": ("radfield-nerf", "radfield-frequency")}
"""Kind of part -> distributions that its template requires, because a default or a preset names parts of them."""


def write_plugin(name: str, kind: str, out: str | None = None) -> tuple[Path, str]:
    """Write a distribution with one part. If an error occurs, nothing is written.

    Args:
        name: name of the distribution, such as acme-fourier.
        kind: kind of its part.
        out: the new folder to write to; by default, a folder of that name in the current one.

    Returns:
        The folder, and the part as `kind:name`.

    Raises:
        UsageError: the name cannot be used, or the folder exists.
        StorageError: the folder cannot be written.
    """
    folder = Path(name if out is None else out)
    check_name(name)
    if folder.exists() or folder.is_symlink():
        raise UsageError("already exists", path=str(folder), hint="Choose another name, or another folder with --out")
    words = words_for(name, kind)
    try:
        with atomic_path(folder) as temporary:
            for relative, text in render(kind, words):
                path = temporary / relative
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise unwritable(error, folder) from error
    return folder, words["part_key"]


def check_name(name: str) -> None:
    """Raise UsageError with all faults of the name of a distribution."""
    problems, module = Problems(), name.replace("-", "_")
    if not _NAME.fullmatch(name):
        near = re.sub(r"[^a-z0-9-]", "", normalize_distribution(name)).lstrip("0123456789-")
        rule = "use lower-case letters, digits and single hyphens"
        problems.add("NAME", f"{name!r} is not the name of a distribution: {rule}", near)
    elif name == "radfield" or name.startswith("radfield-"):
        own = name.removeprefix("radfield").lstrip("-") or "fourier"
        problems.add("NAME", f"{name!r}: names that begin with radfield are reserved for the project", f"acme-{own}")
    elif "-" not in name:
        problems.add("NAME", f"{name!r} does not say who makes it: a name has at least two words", f"acme-{name}")
    elif keyword.iskeyword(module) or find_spec(module) is not None:
        problems.add("NAME", f"the module of {name!r} would be {module}, which is taken", f"{name}-2")
    problems.raise_as(UsageError)


def words_for(name: str, kind: str) -> dict[str, str]:
    """Return a dictionary: name of a placeholder, such as "module" for $module in a template -> text to insert.

    Example:
        >>> words = words_for("acme-fast-fourier", "encoding")
        >>> words["part_key"], words["module"], words["Class"]
        ('encoding:fast-fourier', 'acme_fast_fourier', 'FastFourier')
    """
    part = name.partition("-")[2]
    libraries = ("attrs>=23.2", *(() if kind == "observer" else ("torch>=2.10",)))
    needed = (*(f"{distribution}>=0.1" for distribution in REQUIRES.get(kind, ())), *libraries)
    requires = "".join(f'  "{requirement}",\n' for requirement in needed)
    return {
        "name": name,
        "module": name.replace("-", "_"),
        "part": part,
        "part_key": f"{kind}:{part}",
        "entry": part,
        "Class": "".join(word.capitalize() for word in part.split("-")),
        "requires": requires,
    }


def render(kind: str, words: dict[str, str]) -> list[tuple[str, str]]:
    """Yield the path within the plugin's folder, and the text, of every file of a new plugin."""
    folder = files("radfield_core.cli.templates") / "plugin"
    found = []
    for part in ("common", kind):
        for name, template in _templates(folder / part):
            path = name.removesuffix(".tmpl").replace("MODULE", words["module"]).replace("PART", words["part"])
            found.append((path, Template(template.read_text(encoding="utf-8")).substitute(words)))
    return sorted(found)


def _templates(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, Traversable]]:
    """Yield every template below a folder: its path within the folder, and its file."""
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _templates(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(".tmpl"):
            yield prefix + entry.name, entry
