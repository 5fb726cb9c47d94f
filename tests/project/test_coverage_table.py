"""The coverage table counts lines by package, and holds core to its bound only after the whole suite."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def entry(lines: int, ran: int) -> dict:
    return {"summary": {"num_statements": lines, "covered_lines": ran}}


REPORT = {
    "files": {
        "plugins/radfield-sh/radfield_sh/plugin.py": entry(4, 4),
        "plugins/radfield-sh/radfield_sh/encoding.py": entry(6, 1),
        "radfield_core/rays.py": entry(70, 70),
        "radfield_core/data/scene.py": entry(30, 20),
        "plugins/radfield-ipe/radfield_ipe/__init__.py": entry(0, 0),
    }
}


@pytest.fixture
def tool() -> dict:
    return runpy.run_path(str(ROOT / "tools/coverage_table.py"))


def test_lines_are_summed_by_package_with_core_first(tool: dict) -> None:
    covered = tool["by_package"](REPORT)
    assert list(covered) == ["radfield_core", "radfield_ipe", "radfield_sh"]
    assert [tuple(each) for each in covered.values()] == [(100, 90), (0, 0), (10, 5)]
    assert [each.percent for each in covered.values()] == [90.0, 100.0, 50.0]
    assert tool["table"](covered).splitlines()[-1].split() == ["radfield_sh", "10", "50.0"]


@pytest.mark.parametrize(("limited_to", "bound", "code"), [([], 90.0, 0), ([], 90.1, 1), (["tests/core"], 90.1, 0)])
def test_core_must_reach_its_bound_after_the_whole_suite(tool, limited_to, bound, code, monkeypatch, capsys) -> None:
    monkeypatch.setitem(tool["main"].__globals__, "measured", lambda: REPORT)
    monkeypatch.setitem(tool["main"].__globals__, "CORE_AT_LEAST", bound)
    assert tool["main"](limited_to) == code
    assert ("expected at least" in capsys.readouterr().out) == bool(code)
