"""Install core and every distribution under plugins/, editable, with the extras named on the command line.

Usage: python tools/install_editable.py [--oldest] [extra ...]     (extras of the root project: dev, docs)

--oldest takes the lowest versions that the distributions allow. PIP_CONSTRAINT holds as it does for pip.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from lower_bounds import ROOT, lower_bounds

BUILD = ("hatchling>=1.24", "editables")
"""Build requirements of an editable distribution; pip does not install them without build isolation."""


def main(arguments: list[str]) -> int:
    """Exit code of pip. Without build isolation: a build environment for each of twenty plugins takes minutes."""
    extras = [word for word in arguments if word != "--oldest"]
    core = f"{ROOT}[{','.join(extras)}]" if extras else str(ROOT)
    plugins = [str(path.parent) for path in sorted(ROOT.glob("plugins/*/pyproject.toml"))]
    editable = [argument for path in [core, *plugins] for argument in ("-e", path)]
    pip = [sys.executable, "-m", "pip", "install", "-q"]
    if code := subprocess.call([*pip, *BUILD]):
        return code
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / "constraints.txt"
        lowest = lower_bounds() if "--oldest" in arguments else {}
        lines = [f"{name}=={version}.*" for name, version in lowest.items()]
        constraints.write_text("\n".join(lines), encoding="utf-8")
        return subprocess.call([*pip, "--no-build-isolation", "-c", str(constraints), *editable])


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
