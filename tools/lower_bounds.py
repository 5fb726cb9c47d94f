"""The lowest versions that the distributions allow; torch is left to its own constraint."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def lower_bounds() -> dict[str, str]:
    """Library -> lower bound, as major.minor at least, of what any distribution requires, always or in an extra.

    A test sees to it that all distributions have the same bound for a library: what is tested is what each declares.
    """
    bounds: dict[str, str] = {}
    for path in [ROOT / "pyproject.toml", *sorted(ROOT.glob("plugins/*/pyproject.toml"))]:
        project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
        extras = project.get("optional-dependencies", {}).values()
        for line in [*project["dependencies"], *(line for extra in extras for line in extra)]:
            found = re.match(r"([A-Za-z0-9._-]+)>=([0-9.]+)", line)
            if found and not found[1].startswith("radfield") and found[1] != "torch":
                bounds[found[1]] = found[2] if "." in found[2] else f"{found[2]}.0"
    return bounds
