"""Install core and every distribution under plugins/, editable, with the extras named on the command line.

Usage: python tools/install_editable.py [extra ...]     (extras of the root project: test, docs)
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main(extras: list[str]) -> int:
    """Exit code of pip. Without build isolation: a build environment for each of twenty plugins takes minutes."""
    core = f"{ROOT}[{','.join(extras)}]" if extras else str(ROOT)
    plugins = [str(path.parent) for path in sorted(ROOT.glob("plugins/*/pyproject.toml"))]
    editable = [argument for path in [core, *plugins] for argument in ("-e", path)]
    return subprocess.call([sys.executable, "-m", "pip", "install", "-q", "--no-build-isolation", *editable])


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
