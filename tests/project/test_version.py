"""All distributions state one version, and the tool that changes it forgets no place."""

from __future__ import annotations

import re
import runpy
import shutil
from pathlib import Path

import pytest

from radfield_core.plugins.first_party import FIRST_PARTY

ROOT = Path(__file__).resolve().parents[2]
TOOL = runpy.run_path(str(ROOT / "tools/version.py"))
faults, change, current = TOOL["faults"], TOOL["change"], TOOL["current"]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The files that state a version, and the changelog, in a folder of their own."""
    paths = {path for path, _, _ in TOOL["files_of"](ROOT)} | {ROOT / "CHANGELOG.md"}
    for path in paths:
        target = tmp_path / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return tmp_path


def test_all_places_state_one_version() -> None:
    assert faults() == []


def test_a_changed_version_is_stated_by_every_distribution_and_by_every_requirement(copy: Path) -> None:
    change("7.8.9", copy)
    assert faults(copy) == [] and current(copy) == "7.8.9"
    projects = [path.read_text(encoding="utf-8") for path in sorted(copy.glob("plugins/*/pyproject.toml"))]
    assert len(projects) == len(FIRST_PARTY) + 1 and all('version = "7.8.9"' in text for text in projects)
    meta = (copy / "plugins/radfield/pyproject.toml").read_text(encoding="utf-8")
    assert len(re.findall(r'"radfield-[a-z]+>=7\.8\.9"', meta)) == 1 + sum(f'"{name}>=' in meta for name in FIRST_PARTY)
    for path in copy.rglob("pyproject.toml*"):
        bounds = set(re.findall(r'"radfield-[a-z]+>=([^"]+)"', path.read_text(encoding="utf-8")))
        assert bounds <= ({"7.8.9"} if path.parent.name == "radfield" else {"7.8"}), path
    assert 'version = "0.1.0"' in (copy / "examples/acme-siren/pyproject.toml").read_text(encoding="utf-8")


def test_a_place_that_differs_or_states_nothing_is_named(copy: Path) -> None:
    version = current(copy)
    for name in ("plugins/radfield-hash/pyproject.toml", "CITATION.cff", "plugins/radfield/pyproject.toml"):
        path = copy / name
        original = path.read_text(encoding="utf-8")
        path.write_text(original.replace(version, "9.9.9", 1), encoding="utf-8")
        assert faults(copy) == [f"{name}: states 9.9.9, expected {version}"]
        path.write_text(original, encoding="utf-8")
    (copy / "CITATION.cff").write_text("title: radfield\n", encoding="utf-8")
    assert faults(copy) == [f"CITATION.cff: states no version, expected {version}"]


def test_a_release_needs_its_tag_and_a_dated_entry_in_the_changelog(copy: Path) -> None:
    change("7.8.9", copy)
    assert len(faults(copy, tag="v7.8.8")) == 2
    (copy / "CHANGELOG.md").write_text("# Changelog\n\n## 7.8.9 (unreleased)\n", encoding="utf-8")
    assert len(faults(copy, tag="v7.8.9")) == 1
    (copy / "CHANGELOG.md").write_text("# Changelog\n\n## 7.8.9 (2030-01-31)\n", encoding="utf-8")
    assert faults(copy, tag="v7.8.9") == []


@pytest.mark.parametrize("version", ["1.2", "v1.2.3", "1.2.3rc1", "1.2.3\n", ""])
def test_only_three_numbers_are_a_version(version: str, copy: Path) -> None:
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    with pytest.raises(SystemExit):
        change(version, copy)
    assert before == {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}


def test_the_tool_says_what_it_finds(capsys: pytest.CaptureFixture[str]) -> None:
    assert TOOL["main"](["check"]) == 0 and TOOL["main"](["show"]) == 0
    assert capsys.readouterr().out == f"{current()} everywhere\n{current()}\n"
    assert TOOL["main"](["check", "v99.0.0"]) == 1 and "v99.0.0" in capsys.readouterr().out
    assert TOOL["main"](["bump"]) == 2 and "set X.Y.Z" in capsys.readouterr().err
