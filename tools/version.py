"""Show, check or change the version that all first-party distributions share, in every file that states it.

Usage: python tools/version.py show
       python tools/version.py set X.Y.Z
       python tools/version.py check [TAG]     with a tag, e.g. v0.2.0, also that the changelog has a dated entry for it
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = "radfield_core/__init__.py"

# (files, pattern whose group is a version, numbers of the version that the files state)
PLACES = (
    (SOURCE, r'^__version__ = "([^"]+)"', 3),
    ("plugins/*/pyproject.toml", r'^version = "([^"]+)"', 3),
    ("CITATION.cff", r"^version: (\S+)", 3),
    # A user who upgrades `radfield` upgrades every plugin with it, also for a patch.
    ("plugins/radfield/pyproject.toml", r'"radfield-[a-z]+>=([^"]+)"', 3),
    # A plugin runs with any core of its minor version or newer.
    ("plugins/radfield-*/pyproject.toml", r'"radfield-[a-z]+>=([^"]+)"', 2),
    ("examples/*/pyproject.toml", r'"radfield-[a-z]+>=([^"]+)"', 2),
    ("radfield_core/cli/templates/**/pyproject.toml.tmpl", r'"radfield-[a-z]+>=([^"]+)"', 2),
)


def current(root: Path = ROOT) -> str:
    """The version that core states; all other places follow it."""
    found = re.search(PLACES[0][1], (root / SOURCE).read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise SystemExit(f"{SOURCE} states no version")
    return found[1]


def files_of(root: Path) -> Iterator[tuple[Path, str, int]]:
    """Each file that states the version, with its pattern and the numbers it states."""
    for glob, pattern, numbers in PLACES:
        for path in sorted(root.glob(glob)):
            yield path, pattern, numbers


def change(version: str, root: Path = ROOT) -> None:
    """Write the version in every place. Raises SystemExit for anything but X.Y.Z."""
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise SystemExit(f"{version!r} is not a version of the form X.Y.Z")
    for path, pattern, numbers in files_of(root):
        stated = ".".join(version.split(".")[:numbers])
        path.write_text(restated(path.read_text(encoding="utf-8"), pattern, stated), encoding="utf-8")


def restated(text: str, pattern: str, version: str) -> str:
    """The text with the version in every place that the pattern finds."""

    def replaced(found: re.Match[str]) -> str:
        return found[0].replace(found[1], version)

    return re.sub(pattern, replaced, text, flags=re.MULTILINE)


def faults(root: Path = ROOT, tag: str | None = None) -> list[str]:
    """Every place that states another version than core's or none, and whatever does not fit the tag of a release."""
    version, found = current(root), []
    for path, pattern, numbers in files_of(root):
        expected = ".".join(version.split(".")[:numbers])
        stated = re.findall(pattern, path.read_text(encoding="utf-8"), re.MULTILINE)
        wrong = sorted({other for other in stated if other != expected})
        if wrong or not stated:
            found.append(f"{path.relative_to(root)}: states {', '.join(wrong) or 'no version'}, expected {expected}")
    if tag is not None and tag != f"v{version}":
        found.append(f"the tag is {tag}, expected v{version}")
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    if tag is not None and not re.search(rf"^## {re.escape(version)} \(\d{{4}}-\d\d-\d\d\)$", changelog, re.MULTILINE):
        found.append(f"CHANGELOG.md: no heading `## {version} (YYYY-MM-DD)`")
    return found


def main(arguments: list[str]) -> int:
    """Run one command; the exit code is 1 if `check` finds a fault, 2 if the command is not understood."""
    match arguments:
        case ["show"]:
            print(current())
        case ["set", version]:
            change(version)
        case ["check", *tag] if len(tag) <= 1:
            found = faults(tag=tag[0] if tag else None)
            print("\n".join(found) or f"{current()} everywhere")
            return 1 if found else 0
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
