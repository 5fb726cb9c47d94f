"""Build the wheel and the source archive of every distribution, each wheel from its archive.

Usage: python tools/build_all.py FOLDER [options of `python -m build`]
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def projects(root: Path = ROOT) -> list[Path]:
    """Folder of each distribution: core, then the plugins and the metapackage."""
    return [root, *(path.parent for path in sorted(root.glob("plugins/*/pyproject.toml")))]


def main(arguments: list[str]) -> int:
    """Exit code of the first build that fails, else 0; 2 if no folder is named."""
    if not arguments or arguments[0].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    folder, *options = arguments
    for project in projects():
        if code := subprocess.call([sys.executable, "-m", "build", "-o", str(folder), *options, str(project)]):
            return code
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
