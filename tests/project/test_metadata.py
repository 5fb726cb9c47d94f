"""Every distribution has the metadata that a package index and a type checker need, and all agree."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from radfield_core.plugins.first_party import FIRST_PARTY

ROOT = Path(__file__).resolve().parents[2]
PROJECTS = [ROOT, *(path.parent for path in sorted(ROOT.glob("plugins/*/pyproject.toml")))]
TABLES = {folder: tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8")) for folder in PROJECTS}


def name_of(folder: Path) -> str:
    return TABLES[folder]["project"]["name"]


def test_the_distributions_are_core_the_collection_and_those_that_core_lists() -> None:
    assert sorted(name_of(folder) for folder in PROJECTS) == sorted(["radfield-core", "radfield", *FIRST_PARTY])


@pytest.mark.parametrize("folder", PROJECTS, ids=name_of)
def test_a_distribution_states_what_the_core_states(folder: Path) -> None:
    project, core = TABLES[folder]["project"], TABLES[ROOT]["project"]
    for key in ("license", "license-files", "authors", "requires-python"):
        assert project[key] == core[key], key
    assert set(project["classifiers"]) == set(core["classifiers"])
    assert set(project["urls"]) == {"Homepage", "Documentation", "Changelog", "Issues"}
    assert project["keywords"] and project["description"].endswith(".")


@pytest.mark.parametrize("folder", PROJECTS, ids=name_of)
def test_a_distribution_ships_the_license_and_is_typed(folder: Path) -> None:
    assert (folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    (package,) = TABLES[folder]["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert (folder / package / "py.typed").is_file()


def test_the_classifiers_name_the_versions_that_ci_tests() -> None:
    workflow = (ROOT / ".github/workflows/tests.yml").read_text(encoding="utf-8")
    listed = re.search(r"python: \[(.*)\]", workflow)
    assert listed
    prefix = "Programming Language :: Python :: 3."
    stated = [line.rpartition(" ")[2] for line in TABLES[ROOT]["project"]["classifiers"] if line.startswith(prefix)]
    assert stated == re.findall(r"3\.\d+", listed[1])
    assert TABLES[ROOT]["project"]["requires-python"] == f">={stated[0]}"


def test_ci_runs_the_command_of_the_readme() -> None:
    command = "python -m pip install tox && tox run"
    assert command in (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert f"- run: {command}" in (ROOT / ".github/workflows/tests.yml").read_text(encoding="utf-8")


def test_ruff_has_one_version() -> None:
    wanted = re.findall(r"^deps = ruff==(\S+)$", (ROOT / "tox.ini").read_text(encoding="utf-8"), re.MULTILINE)
    hooks = re.findall(r"ruff==([0-9.]+)", (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert len(wanted) == 1 and hooks == wanted * 2
