"""Print how much of core and of each plugin the tests ran, from the data that `pytest --cov` left.

Usage: python tools/coverage_table.py [what the test run was limited to ...]

The exit code is 1 if the whole suite ran less than CORE_AT_LEAST of core's lines; a limited run is not judged.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from coverage import Coverage

ROOT = Path(__file__).resolve().parent.parent
CORE = "radfield_core"
CORE_AT_LEAST = 93.0


class Covered(NamedTuple):
    """Lines of a package that can be counted, and how many of them ran."""

    lines: int = 0
    ran: int = 0

    @property
    def percent(self) -> float:
        """Share of the lines that ran, in percent; 100 of none."""
        return 100.0 * self.ran / self.lines if self.lines else 100.0


def by_package(report: dict[str, Any]) -> dict[str, Covered]:
    """Package -> lines, from coverage's JSON report: core first, then the plugins by name."""
    found: dict[str, Covered] = {}
    for name, entry in report["files"].items():
        parts = Path(name).parts
        package = parts[2] if parts[0] == "plugins" else parts[0]
        lines, ran = found.get(package, Covered())
        summary = entry["summary"]
        found[package] = Covered(lines + summary["num_statements"], ran + summary["covered_lines"])
    return dict(sorted(found.items(), key=lambda item: (item[0] != CORE, item[0])))


def table(covered: dict[str, Covered]) -> str:
    """One line a package: its name, its lines, and the percentage that ran."""
    width = max(map(len, covered))
    rows = [f"{name:<{width}}  {each.lines:>6}  {each.percent:>9.1f}" for name, each in covered.items()]
    return "\n".join([f"{'package':<{width}}  {'lines':>6}  {'covered %':>9}", *rows])


def measured() -> dict[str, Any]:
    """Coverage's JSON report of the last test run, with paths relative to the repository."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "coverage.json"
        coverage = Coverage(data_file=str(ROOT / ".coverage"), config_file=str(ROOT / "pyproject.toml"))
        coverage.load()
        coverage.json_report(outfile=str(out))
        report: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
        return report


def main(limited_to: list[str]) -> int:
    """Exit code: 1 if the whole suite left too much of core unrun."""
    covered = by_package(measured())
    print(table(covered))
    if limited_to or covered[CORE].percent >= CORE_AT_LEAST:
        return 0
    print(f"{CORE}: {covered[CORE].percent:.1f} % of the lines ran, expected at least {CORE_AT_LEAST} %")
    return 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
