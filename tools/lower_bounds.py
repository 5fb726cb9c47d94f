"""The lowest versions that the distributions allow; torch is left to its own constraint."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def lower_bounds() -> dict[str, str]:
    """Library -> the highest of the lower bounds that distributions give for it, as major.minor at least."""
    bounds: dict[str, str] = {}
    for path in [ROOT / "pyproject.toml", *sorted(ROOT.glob("plugins/*/pyproject.toml"))]:
        project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
        lines = [*project["dependencies"], *project.get("optional-dependencies", {}).get("test", [])]
        for line in lines:
            found = re.match(r"([A-Za-z0-9._-]+)>=([0-9.]+)", line)
            if found and not found[1].startswith("radfield") and found[1] != "torch":
                bounds[found[1]] = max(bounds.get(found[1], "0"), found[2], key=_numbers)
    return {name: version if "." in version else f"{version}.0" for name, version in bounds.items()}


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
