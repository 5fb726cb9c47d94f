"""Contents of wheels and source archives, and the metadata that a package index reads from them."""

from __future__ import annotations

import tarfile
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = [path.parent.name for path in ROOT.glob("plugins/*/pyproject.toml")]
NAMES = ["radfield_core", *sorted(plugin.replace("-", "_") for plugin in PLUGINS)]
LICENSE = (ROOT / "LICENSE").read_bytes()


def only(folder: Path, pattern: str) -> Path:
    """The one file of a folder that fits the pattern."""
    (found,) = folder.glob(pattern)
    return found


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def metadata(wheel: zipfile.ZipFile) -> Message:
    """Headers of the wheel's METADATA file, and its README as the body."""
    entry = next(entry for entry in wheel.namelist() if entry.endswith(".dist-info/METADATA"))
    return Parser().parsestr(wheel.read(entry).decode("utf-8"))


def test_a_wheel_holds_the_license_and_the_marker_of_typed_packages(name: str, wheels: Path) -> None:
    with zipfile.ZipFile(only(wheels, f"{name}-*.whl")) as wheel:
        entries = wheel.namelist()
        (license_file,) = [entry for entry in entries if entry.endswith("/licenses/LICENSE")]
        assert wheel.read(license_file) == LICENSE
        assert f"{name}/py.typed" in entries
        packages = {entry.partition("/")[0] for entry in entries if ".dist-info/" not in entry}
        assert packages == {name}


def test_a_wheel_tells_an_index_who_made_it_where_it_lives_and_what_it_runs_on(name: str, wheels: Path) -> None:
    with zipfile.ZipFile(only(wheels, f"{name}-*.whl")) as wheel:
        headers = metadata(wheel)
    assert headers["Name"].replace("-", "_") == name and headers["Author"] == "The radfield authors"
    assert headers["License-Expression"] == "Apache-2.0" and headers["License-File"] == "LICENSE"
    assert headers["Requires-Python"] == ">=3.11" and headers["Keywords"] and headers["Summary"]
    urls = dict(line.split(", ") for line in headers.get_all("Project-URL"))
    assert set(urls) == {"Homepage", "Documentation", "Changelog", "Issues"}
    classifiers = set(headers.get_all("Classifier"))
    assert {"Operating System :: POSIX :: Linux", "Operating System :: MacOS"} <= classifiers
    assert {f"Programming Language :: Python :: 3.{minor}" for minor in (11, 12, 13)} <= classifiers
    assert "Typing :: Typed" in classifiers
    assert headers["Description-Content-Type"] == "text/markdown"
    assert headers.get_payload().startswith(f"# {headers['Name'].removesuffix('-core')}\n")


def test_a_source_archive_holds_the_license_and_the_readme_and_nothing_built(name: str, dist: Path) -> None:
    with tarfile.open(only(dist, f"{name}-*.tar.gz")) as archive:
        entries = [entry.partition("/")[2] for entry in archive.getnames()]
    assert {"LICENSE", "README.md", "pyproject.toml"} <= set(entries)
    assert not [entry for entry in entries if entry.endswith(".pyc") or entry.startswith(("dist/", "build/"))]
