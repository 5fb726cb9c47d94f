"""The architecture: allowed imports, the layout of core and of its tests, and the contents of declarations."""

from __future__ import annotations

import ast
import re
import runpy
import subprocess
import sys
import tomllib
from collections.abc import Callable, Container, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PLUGINS = sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml") if path.parent.name != "radfield")
TORCH_FREE = ("__init__", "errors", "names", "plugin", "config/fit", "config/run", "plugins/discovery",
              "plugins/first_party", "plugins/hookspecs", "plugins/registry",
              "plugins/vocabulary")  # fmt: skip


def imports(path: Path, *, top_level_only: bool = False) -> Iterator[str]:
    """The modules that a file imports; with `top_level_only`, those imported when it is, type checking aside."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def package(plugin: Path) -> str:
    return plugin.name.replace("-", "_")


def test_core_imports_no_plugin() -> None:
    names = {package(plugin) for plugin in PLUGINS}
    for path in ROOT.glob("radfield_core/**/*.py"):
        assert not {name.partition(".")[0] for name in imports(path)} & names, path


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.name)
def test_a_plugin_imports_no_other_plugin(plugin: Path) -> None:
    others = {package(other) for other in PLUGINS} - {package(plugin)}
    for path in plugin.glob("radfield_*/**/*.py"):
        assert not {name.partition(".")[0] for name in imports(path)} & others, path


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.name)
def test_a_declaration_imports_nothing_else_of_core_and_no_library(plugin: Path) -> None:
    found = {name for name in imports(plugin / package(plugin) / "plugin.py") if not name.startswith(package(plugin))}
    foreign = {name for name in found if name.partition(".")[0] not in sys.stdlib_module_names}
    assert foreign <= {"radfield_core.plugin"}, found


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.name)
def test_a_plugin_requires_every_distribution_that_its_presets_name(plugin: Path) -> None:
    project = tomllib.loads((plugin / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    required = {re.match(r"[A-Za-z0-9-]+", line)[0] for line in project["dependencies"]}  # type: ignore[index]
    from radfield_core.plugins.registry import get_registry

    registry = get_registry()
    for preset in plugin.glob("radfield_*/presets/*.toml"):
        for kind, name in parts_of(tomllib.loads(preset.read_text(encoding="utf-8"))):
            owner = registry.find(kind, name).distribution
            assert owner in required | {plugin.name, "radfield-core"}, f"{preset.name} names {name} of {owner}"


def parts_of(table: dict, kind_of_all: str | None = None) -> Iterator[tuple[str, str]]:
    """Kind and name of every part that a preset's tables choose. A table of parts holds parts of one kind."""
    for key, value in table.items():
        if isinstance(value, dict):
            kind = "encoding" if key.endswith("encoding") else "dataparser" if key == "data" else kind_of_all or key
            if "type" in value:
                yield kind, value["type"]
            yield from parts_of(value, {"losses": "loss", "observers": "observer"}.get(key))


@pytest.mark.parametrize("name", TORCH_FREE)
def test_modules_that_the_command_line_needs_at_once_import_no_torch(name: str) -> None:
    found = {module.partition(".")[0] for module in imports(ROOT / f"radfield_core/{name}.py", top_level_only=True)}
    assert not found & {"torch", "numpy"}


HOUSE = runpy.run_path(str(ROOT / "tools/house.py"))
MODULES = HOUSE["core_modules"]()
ARROWS = HOUSE["arrows"](MODULES)


def test_no_modules_of_core_import_each_other_in_a_circle() -> None:
    assert HOUSE["circles"](ARROWS) == []


def test_modules_of_core_import_from_lower_floors_only() -> None:
    assert {HOUSE["room"](name) for name in MODULES} == {name for floor in HOUSE["FLOORS"] for name in floor}
    assert [str(arrow) for arrow in HOUSE["upward"](ARROWS)] == []
    assert {(arrow.source, arrow.target) for arrow in ARROWS} >= HOUSE["ALLOWED_UPWARD"], "an exception is not needed"


def test_core_imports_modules_and_not_the_doors_that_users_import_from() -> None:
    assert [str(arrow) for arrow in HOUSE["through_doors"](MODULES)] == []


def test_core_has_few_entries() -> None:
    assert len(HOUSE["entries"]()) <= HOUSE["MAX_ENTRIES"], HOUSE["entries"]()


def test_functions_over_forty_lines_have_a_reason() -> None:
    long = HOUSE["long_functions"]()
    assert [str(function) for function in HOUSE["unexplained"](long)] == []
    assert {function.name for function in long} >= HOUSE["LONG_FUNCTIONS"].keys(), "a reason is not needed"


@pytest.fixture
def house(tmp_path: Path) -> Callable[[dict[str, str]], dict[str, Path]]:
    """Writes modules of a made-up core; returns them as `core_modules` does."""

    def write(sources: dict[str, str]) -> dict[str, Path]:
        for name, text in sources.items():
            path = tmp_path / "radfield_core" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return HOUSE["core_modules"](tmp_path)

    return write


@pytest.mark.parametrize(
    "text",
    [
        "import radfield_core.cli.main", "from radfield_core.cli import main", "from radfield_core.cli.main import run",
        "def f():\n    from radfield_core.cli import main", "from ..cli import main", "from ..cli.main import run",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import radfield_core.cli.main",
    ],
)  # fmt: skip
def test_an_upward_import_is_found_wherever_it_stands(house, text: str) -> None:
    found = HOUSE["arrows"](house({"cli/main.py": "", "data/scene.py": text}))
    (arrow,) = HOUSE["upward"](found)
    assert (arrow.source, arrow.target) == ("radfield_core.data.scene", "radfield_core.cli.main")
    assert "radfield_core.data.scene:" in str(arrow) and "radfield_core.cli.main" in str(arrow)


def test_a_circle_of_three_modules_is_found_as_one_group(house) -> None:
    modules = house(
        {
            "data/a.py": "from radfield_core.data import b", "data/b.py": "def f():\n    import radfield_core.data.c",
            "data/c.py": "from radfield_core.data.a import x", "data/d.py": "from radfield_core.data import a",
        }
    )  # fmt: skip
    assert HOUSE["circles"](HOUSE["arrows"](modules)) == [[f"radfield_core.data.{name}" for name in "abc"]]


def test_an_import_from_a_door_is_found(house) -> None:
    modules = house(
        {"data/__init__.py": "", "data/a.py": "", "train/b.py": "from radfield_core.data import Capture, a"}
    )
    assert [arrow.target for arrow in HOUSE["through_doors"](modules)] == ["radfield_core.data.Capture"]


UNMIRRORED = {
    "builtin/plugin.py": "a declaration, tested with every plugin's",
    "testing/laws/": "laws: a planted fault in tests/conformance/mutants breaks each",
}
"""Modules or folders of core without a test file of their name, each with the reason."""


def test_every_module_of_core_has_a_test_file_of_its_name() -> None:
    """`__init__` is tested by the modules behind it; a module with `_` is a kernel, tested beside its reference."""
    missing = []
    for path in MODULES.values():
        module = path.relative_to(ROOT / "radfield_core")
        named = path.name != "__init__.py" and not path.name.startswith("_")
        if named and not any(module.as_posix().startswith(prefix) for prefix in UNMIRRORED):
            test = Path("tests") / module.parent / f"test_{path.name}"
            missing += [] if (ROOT / test).is_file() else [str(test)]
    assert missing == []


DISTRIBUTED_AS = {"PIL": "pillow", "mpl_toolkits": "matplotlib", "skimage": "scikit-image"}
DETECTED = {"triton", "tinycudann", "gsplat"}
DISTRIBUTIONS = [ROOT, *PLUGINS]
EXAMPLES = sorted((ROOT / "examples").iterdir())


def requirements(distribution: Path, *, without: Container[str] = ()) -> dict[str, str]:
    """Library -> lower bound, of what a distribution requires, always or in an extra."""
    project = tomllib.loads((distribution / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [lines for name, lines in project.get("optional-dependencies", {}).items() if name not in without]
    lines = [*project["dependencies"], *(line for extra in extras for line in extra)]
    found = [re.fullmatch(r"([A-Za-z0-9-]+)>=([0-9.]+)(;.*)?", line) for line in lines]
    assert all(found), f"not all have a lower bound: {lines}"
    return {match[1]: match[2] for match in found if match}


@pytest.mark.parametrize("distribution", [*DISTRIBUTIONS, *EXAMPLES], ids=lambda path: path.name)
def test_a_distribution_requires_every_library_that_it_imports(distribution: Path) -> None:
    own = "radfield_core" if distribution == ROOT else package(distribution)
    known = {"radfield_core", own, *DETECTED, *sys.stdlib_module_names}
    declared = requirements(distribution, without={"dev", "test", "docs"}).keys()
    for path in (distribution / own).rglob("*.py"):
        found = {name.partition(".")[0] for name in imports(path)} - known
        assert {DISTRIBUTED_AS.get(name, name.replace("_", "-")) for name in found} <= declared, path


def test_a_library_has_one_lower_bound_which_the_oldest_environment_installs() -> None:
    bounds: dict[str, str] = {}
    for distribution in DISTRIBUTIONS:
        for name, bound in requirements(distribution).items():
            assert bounds.setdefault(name, bound) == bound, f"{distribution.name}: {name}"
    for example in EXAMPLES:
        for name, bound in requirements(example, without={"test"}).items():
            assert bounds.get(name, bound) == bound, f"{example.name}: {name}"
    oldest = runpy.run_path(str(ROOT / "tools/lower_bounds.py"))["lower_bounds"]()
    ours = {name: bound for name, bound in bounds.items() if not name.startswith("radfield-") and name != "torch"}
    assert oldest == {name: bound if "." in bound else f"{bound}.0" for name, bound in ours.items()}


@pytest.mark.parametrize(("fails", "installed"), [(0, 2), (1, 1)], ids=["installed", "not to be had"])
def test_an_editable_installation_brings_first_what_builds_it(fails, installed, monkeypatch) -> None:
    calls: list[list[str]] = []
    monkeypatch.setattr(subprocess, "call", lambda command: (calls.append(command), fails)[1])
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    script = runpy.run_path(str(ROOT / "tools/install_editable.py"))
    assert script["main"](["dev"]) == fails and len(calls) == installed
    backend = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"]
    assert {*backend, "editables"} <= set(calls[0])
    assert f"{ROOT}[dev]" in calls[-1] or fails


def test_option_classes_import_no_torch() -> None:
    for path in ROOT.glob("plugins/*/radfield_*/config.py"):
        assert not {name.partition(".")[0] for name in imports(path)} & {"torch", "numpy"}, path


def test_first_party_distributions_share_one_version() -> None:
    from radfield_core import __version__

    for plugin in [*PLUGINS, ROOT / "plugins/radfield"]:
        project = tomllib.loads((plugin / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        assert project["version"] == __version__, plugin.name


def test_the_metapackage_requires_every_plugin_or_has_an_extra_for_it() -> None:
    project = tomllib.loads((ROOT / "plugins/radfield/pyproject.toml").read_text(encoding="utf-8"))["project"]
    required = {line.partition(">")[0] for line in project["dependencies"]}
    extras = {line.partition(">")[0] for lines in project["optional-dependencies"].values() for line in lines}
    assert required | extras == {"radfield-core", *(plugin.name for plugin in PLUGINS)} and not required & extras
    assert extras == {"radfield-tensorboard", "radfield-viewer"}  # each a web server and more, for one observer


def test_what_is_not_on_the_index_is_never_required() -> None:
    for path in [ROOT / "pyproject.toml", *ROOT.glob("plugins/*/pyproject.toml")]:
        project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
        extras = [line for lines in project.get("optional-dependencies", {}).values() for line in lines]
        for line in [*project["dependencies"], *extras]:
            assert not re.match(r"tinycudann|tiny-cuda-nn|nvdiffrast|torchmcubes", line), path


def test_the_readmes_commands_are_what_ci_runs() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    command = "python -m pip install tox && tox run"
    assert command in readme and f"{command} -e demo" in readme
    assert command in (ROOT / ".ci/run").read_text(encoding="utf-8")
