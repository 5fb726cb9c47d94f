"""`radfield plugins new`: a plugin that works as it is written, to begin from."""

from __future__ import annotations

import keyword
import re
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
"""Distributions whose parts a template names in a default or a preset."""


def write_plugin(name: str, kind: str, out: str | None = None) -> tuple[Path, str]:
    """Write the distribution `name` with one part of a kind, whole or not at all.

    Returns the folder and the part's `kind:name`.

    Raises UsageError for a name that cannot be a distribution's or a module's, or a folder that is already there;
    StorageError for a folder that cannot be written.
    """
    target = Path(out) if out is not None else Path(name)
    check_name(name)
    if target.exists() or target.is_symlink():
        raise UsageError("is already there", path=str(target), hint="another name, or --out FOLDER")
    words = words_for(name, kind)
    try:
        with atomic_path(target) as folder:
            for place, text in render(kind, words):
                path = folder / place
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise unwritable(error, target) from error
    return target, words["part_key"]


def check_name(name: str) -> None:
    """Raise UsageError with everything that is wrong with the name of a distribution."""
    problems, module = Problems(), name.replace("-", "_")
    if not _NAME.fullmatch(name):
        near = re.sub(r"[^a-z0-9-]", "", normalize_distribution(name)).lstrip("0123456789-")
        problems.add(
            "NAME", f"{name!r} is no name for a distribution: lower-case letters, digits, single hyphens", near
        )
    elif name == "radfield" or name.startswith("radfield-"):
        own = name.removeprefix("radfield").lstrip("-") or "fourier"
        problems.add("NAME", f"{name!r}: names that begin with radfield are the project's own", f"acme-{own}")
    elif "-" not in name:
        problems.add("NAME", f"{name!r} does not say whose it is: a name has two words", f"acme-{name}")
    elif keyword.iskeyword(module) or find_spec(module) is not None:
        problems.add("NAME", f"{name!r} would be the module {module}, which is taken", f"{name}-2")
    problems.raise_as(UsageError)


def words_for(name: str, kind: str) -> dict[str, str]:
    """What the templates' $words mean: acme-fast-fourier is the part `fast-fourier`, the class `FastFourier`."""
    part = name.partition("-")[2]
    requires = "".join(f'  "{distribution}>=0.1",\n' for distribution in REQUIRES.get(kind, ()))
    return {
        "name": name, "module": name.replace("-", "_"), "part": part, "kind": kind, "part_key": f"{kind}:{part}",
        "entry": part, "Class": "".join(word.capitalize() for word in part.split("-")), "requires": requires,
    }  # fmt: skip


def render(kind: str, words: dict[str, str]) -> list[tuple[str, str]]:
    """Every file of a new plugin: its place in the folder, and its text."""
    folder = files("radfield_core.templates") / "plugin"
    found = []
    for part in ("common", kind):
        for place, template in _templates(folder / part, ""):
            path = place.removesuffix(".tmpl").replace("MODULE", words["module"]).replace("PART", words["part"])
            found.append((path, Template(template.read_text(encoding="utf-8")).substitute(words)))
    return sorted(found)


def _templates(folder: Traversable, prefix: str) -> list[tuple[str, Traversable]]:
    found = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _templates(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(".tmpl"):
            found.append((prefix + entry.name, entry))
    return found
