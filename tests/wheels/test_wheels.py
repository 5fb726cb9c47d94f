"""Built wheels in clean environments: core alone, then one plugin at a time with only what it requires."""

from __future__ import annotations

import json
import os
import subprocess
import tomllib
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = sorted(path.parent.name for path in ROOT.glob("plugins/*/pyproject.toml"))


def run(*command: str | Path, cwd: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command outside the checkout, so that nothing is imported from it by accident."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "RADFIELD_"))}
    result = subprocess.run(list(map(str, command)), cwd=cwd, env=environment, capture_output=True, text=True)
    assert not check or result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
    return result


class Environment:
    """A virtual environment that sees another one's packages, so that torch is installed once and not for each test."""

    def __init__(self, folder: Path, wheels: Path, *beneath: Environment):
        venv.create(folder, with_pip=True)
        self.folder, self.wheels = folder, wheels
        (self.site / "beneath.pth").write_text("".join(f"{other.site}\n" for other in beneath))

    @property
    def site(self) -> Path:
        return next((self.folder / "lib").glob("python*/site-packages"))

    def python(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return run(self.folder / "bin" / "python", *arguments, cwd=self.folder, check=check)

    def install(self, *requirements: str) -> None:
        self.python("-m", "pip", "install", "-q", "--find-links", str(self.wheels), *requirements)

    def radfield(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.python("-m", "radfield_core.cli.main", *arguments, check=check)

    def components(self) -> list[str]:
        """`kind:name` of everything that loads."""
        code = (
            "import json; from radfield_core.plugins.registry import get_registry;"
            "print(json.dumps(sorted(c.key for c in get_registry().components)))"
        )
        return json.loads(self.python("-c", code).stdout)


@pytest.fixture(scope="session")
def core(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with core's wheel alone."""
    environment = Environment(tmp_path_factory.mktemp("core"), wheels)
    environment.install("-c", str(ROOT / "constraints-cpu.txt"), "radfield-core")
    return environment


@pytest.fixture(scope="session")
def libraries(core: Environment, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Third parties' packages that plugins require, installed once: numba alone takes longer than all our wheels."""
    environment = Environment(tmp_path_factory.mktemp("libraries"), core.wheels, core)
    third_party = {line for name in PLUGINS for line in dependencies_of(name) if not line.startswith("radfield")}
    environment.install(*sorted(third_party))
    return environment


@pytest.fixture
def above_core(core: Environment, libraries: Environment, tmp_path: Path) -> Environment:
    """A fresh environment on top of core's, in which no plugin is installed."""
    return Environment(tmp_path / "env", core.wheels, core, libraries)


def dependencies_of(name: str) -> list[str]:
    """The requirements of a plugin."""
    project = tomllib.loads((ROOT / "plugins" / name / "pyproject.toml").read_text())["project"]
    return project.get("dependencies", [])


def requirements_of(name: str) -> list[str]:
    """The plugins that a plugin requires."""
    return [line for line in dependencies_of(name) if line.startswith("radfield-") and "core" not in line]


def test_core_alone_lists_its_own_parts_only(core: Environment) -> None:
    listed = core.radfield("plugins", "list").stdout
    assert core.components() == ["loss:distortion", "renderer:volume", "sampler:importance"]
    assert "importance" in listed and "volume" in listed
    refused = core.radfield("config", "show", "--method", "nerf", check=False)
    assert refused.returncode == 69 and "pip install radfield-nerf" in refused.stderr
    assert "Traceback" not in refused.stderr


def packages_of(name: str, environment: Environment) -> list[str]:
    """The packages that a distribution needs beside torch's own, directly and through others."""
    code = (
        "import importlib.metadata as m, json, re\n"
        "def needs(name, seen):\n"
        "    for r in m.requires(name) or []:\n"
        "        n = re.match(r'[A-Za-z0-9._-]+', r)[0].lower().replace('_', '-')\n"
        "        if 'extra ==' in r or n in seen: continue\n"
        "        try: m.distribution(n)\n"
        "        except m.PackageNotFoundError: continue\n"
        "        seen.add(n); needs(n, seen)\n"
        "    return seen\n"
        f"print(json.dumps(sorted(needs({name!r}, set()) - needs('torch', {{'torch'}}))))"
    )
    found: list[str] = json.loads(environment.python("-c", code).stdout)
    return found


def test_core_needs_fewer_than_25_packages_beside_torchs_own(core: Environment) -> None:
    packages = packages_of("radfield-core", core)
    assert len(packages) < 25, packages


def test_core_and_the_viewer_need_at_most_34_packages_beside_torchs_own(above_core: Environment) -> None:
    above_core.install("radfield-viewer")
    packages = packages_of("radfield-viewer", above_core)
    assert len(packages) <= 34 and "viser" in packages, packages


@pytest.mark.parametrize("name", [name for name in PLUGINS if name != "radfield"])
def test_each_wheel_works_with_only_what_it_requires(name: str, above_core: Environment) -> None:
    before = set(above_core.components())
    above_core.install(name)
    added = set(above_core.components()) - before
    assert added, f"{name} adds no part"
    assert name in above_core.radfield("plugins", "list").stdout
    assert above_core.radfield("plugins", "doctor").returncode == 0
    above_core.python("-m", "pip", "uninstall", "-q", "-y", name)
    if not requirements_of(name):
        assert set(above_core.components()) == before
    assert above_core.radfield("plugins", "doctor").returncode == 0


def test_a_part_is_held_to_its_laws_with_only_what_its_wheel_requires(core: Environment, tmp_path: Path) -> None:
    bare = Environment(tmp_path / "env", core.wheels, core)
    bare.install("radfield-sh")
    checked = bare.radfield("plugins", "check", "encoding:sh").stdout
    assert "grad2_matches_finite_differences" in checked and "0 broken" in checked


def test_a_new_plugin_passes_its_tests_with_only_what_it_requires(core: Environment, tmp_path: Path) -> None:
    bare, project = Environment(tmp_path / "env", core.wheels, core), tmp_path / "acme-first"
    bare.radfield("plugins", "new", "acme-first", "--kind", "encoding", "--out", str(project))
    bare.install(f"{project}[test]")
    assert " passed" in bare.python("-m", "pytest", "-q", str(project)).stdout


def methods() -> list[tuple[str, str]]:
    """Distribution and name of every first-party method."""
    found = []
    for path in sorted(ROOT.glob("plugins/*/radfield_*/plugin.py")):
        source = path.read_text()
        for line in source.split("component(")[1:]:
            words = [part.strip().strip("\"'") for part in line.split(",")[:2]]
            if words[0] == "method":
                found.append((path.parent.parent.name, words[1]))
    return found


@pytest.mark.parametrize(("distribution", "method"), methods())
def test_each_method_trains_with_only_its_own_requirements(
    distribution: str, method: str, above_core: Environment, tmp_path: Path
) -> None:
    above_core.install(distribution, "radfield-synthetic")
    out = tmp_path / "run"
    above_core.radfield(
        "train", "--method", method, "--data", "synthetic", "--out", str(out), "--quiet", "data.resolution=32",
        "data.n_train=8", "data.n_val=2", "data.n_test=2", "trainer.max_steps=3", "trainer.n_rays=64",
    )  # fmt: skip
    assert list((out / "checkpoints").glob("step-*3"))
