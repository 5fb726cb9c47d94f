"""The layout of the code in numbers: entries, import circles, upward imports, imports from doors, long functions.

    python tools/house.py

prints each of them and ends with 1 if the layout is broken. `tests/test_architecture.py` tests the same functions.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
CORE = "radfield_core"
MAX_ENTRIES = 24
MAX_FUNCTION_LINES = 40
MAX_MODULE_LINES = 300

FLOORS = (
    ("cli",),
    ("bench", "testing"),
    ("train",),
    ("runs",),
    ("render",),
    ("builtin", "model", "inspection"),
    ("interfaces",),
    ("rays",),
    ("data",),
    ("types",),
    ("cameras", "config"),
    ("plugins",),
    ("ops", "plugin"),
    ("files", "runtime"),
    ("errors",),
    ("names",),
    ("__init__",),
)
"""The rooms of core, from the top floor down: a module imports from its own room and from lower floors."""

ALLOWED_UPWARD = {("radfield_core.plugins.hookspecs", "radfield_core.config.run")}
"""Upward imports: hookspecs names the run's options in an annotation, under TYPE_CHECKING."""

DOORS = (CORE, f"{CORE}.bench", f"{CORE}.data", f"{CORE}.files", f"{CORE}.ops", f"{CORE}.render", f"{CORE}.testing")
"""Packages whose `__init__` loads the names of their modules lazily, for users; core imports the modules."""

OWN_NAMES = {"API_VERSION", "__version__"}
"""Names that `radfield_core/__init__.py` defines itself."""

MARKERS = {"__pycache__"}
"""Names in core's folder that are not entries: Python makes them."""

LONG_FUNCTIONS: Mapping[str, str] = {
    "_march": "one kernel, compiled as a whole",
    "project_gaussians": "one kernel, whose values stay in registers",
    "project_backward": "one kernel, whose values stay in registers",
    "project_disks": "one kernel, whose values stay in registers",
    "project_disks_backward": "one kernel, whose values stay in registers",
    "composite_disks": "one kernel, whose values stay in registers",
    "composite_disks_backward": "one kernel, whose values stay in registers",
    "composite_tiles": "one kernel, whose values stay in registers",
    "composite_tiles_backward": "one kernel, whose values stay in registers",
    "_radial": "twelve formulas that share their terms",
    "project_points": "the chain rule for twenty derivatives",
}
"""Functions over 40 lines, each with the reason."""


class Arrow(NamedTuple):
    """An import: the importing module, the line, and the imported module or name."""

    source: str
    line: int
    target: str

    def __str__(self) -> str:
        return f"{self.source}:{self.line} imports {self.target}"


class Function(NamedTuple):
    """A function or method with its number of lines, without decorators and docstring."""

    path: str
    name: str
    lines: int

    def __str__(self) -> str:
        return f"{self.path}: {self.name} has {self.lines} lines"


def core_modules(root: Path = ROOT) -> dict[str, Path]:
    """Module name -> file, for all modules of core."""
    files = (path for path in (root / CORE).rglob("*.py") if f"{CORE}/cli/templates/plugin" not in path.as_posix())
    return {_module_name(path.relative_to(root)): path for path in sorted(files)}


def _module_name(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def arrows(modules: Mapping[str, Path]) -> list[Arrow]:
    """The imports between the modules, also those inside functions and under TYPE_CHECKING.

    The imports of a door are left out: it only names what its modules define.
    """
    return [
        arrow
        for name, path in modules.items()
        if name not in DOORS
        for arrow in _imports(name, path, modules)
        if arrow.target != name
    ]


def _imports(name: str, path: Path, modules: Mapping[str, Path]) -> Iterator[Arrow]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (Arrow(name, node.lineno, alias.name) for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, name, path)
            for alias in node.names:
                target = f"{base}.{alias.name}"
                if target in modules or base in modules:
                    yield Arrow(name, node.lineno, target if target in modules else base)


def _absolute(node: ast.ImportFrom, name: str, path: Path) -> str:
    """The module that a `from … import` names, with leading dots resolved."""
    if not node.level:
        return node.module or ""
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    return ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])


def circles(found: Iterable[Arrow]) -> list[list[str]]:
    """Groups of modules that import each other, directly or through others (Tarjan's algorithm)."""
    graph: dict[str, set[str]] = {}
    for arrow in found:
        graph.setdefault(arrow.source, set()).add(arrow.target)
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    groups: list[list[str]] = []

    def visit(name: str) -> None:
        order[name] = low[name] = len(order)
        stack.append(name)
        for target in graph.get(name, ()):
            if target not in order:
                visit(target)
            if target in stack:
                low[name] = min(low[name], low[target])
        if low[name] == order[name]:
            group = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(group) > 1:
                groups.append(sorted(group))

    for name in sorted(graph):
        if name not in order:
            visit(name)
    return groups


def upward(found: Iterable[Arrow]) -> list[Arrow]:
    """The imports that do not lead to a lower floor, but for the allowed ones."""
    height = {room: -floor for floor, rooms in enumerate(FLOORS) for room in rooms}

    def climbs(arrow: Arrow) -> bool:
        source, target = room(arrow.source), room(arrow.target)
        return source != target and height[target] >= height[source]

    return [arrow for arrow in found if climbs(arrow) and (arrow.source, arrow.target) not in ALLOWED_UPWARD]


def room(module: str) -> str:
    """The entry of core that a module lies in, such as "data"."""
    return module.split(".")[1] if "." in module else "__init__"


def through_doors(modules: Mapping[str, Path]) -> list[Arrow]:
    """Imports of core that go through a door instead of to the module that defines the name."""
    found = []
    for name, path in modules.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module in DOORS:
                for alias in node.names:
                    target = f"{node.module}.{alias.name}"
                    if target not in modules and alias.name not in OWN_NAMES:
                        found.append(Arrow(name, node.lineno, target))
    return found


def entries(root: Path = ROOT) -> list[str]:
    """The names of the files and folders directly in core."""
    return sorted(path.name for path in (root / CORE).iterdir() if path.name not in MARKERS)


def sources(root: Path = ROOT) -> list[Path]:
    """All source files of core and of the plugins."""
    return [*core_modules(root).values(), *sorted(root.glob("plugins/*/radfield*/**/*.py"))]


def long_functions(root: Path = ROOT) -> list[Function]:
    """The functions over 40 lines of core and the plugins, longest first."""
    found = []
    for path in sources(root):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                function = Function(str(path.relative_to(root)), node.name, _code_lines(node))
                if function.lines > MAX_FUNCTION_LINES:
                    found.append(function)
    return sorted(found, key=lambda function: -function.lines)


def _code_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The lines of a function without its docstring, which is longer the more arguments are explained."""
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def long_modules(root: Path = ROOT) -> list[tuple[str, int]]:
    """The modules over 300 lines of core and the plugins, longest first."""
    lengths = {
        str(path.relative_to(root)): len(path.read_text(encoding="utf-8").splitlines()) for path in sources(root)
    }
    return sorted(((name, n) for name, n in lengths.items() if n > MAX_MODULE_LINES), key=lambda each: -each[1])


def unexplained(functions: Iterable[Function]) -> list[Function]:
    """The functions over 40 lines without a reason."""
    return [function for function in functions if function.name not in LONG_FUNCTIONS]


def main() -> int:
    """Print the numbers and everything that breaks the layout."""
    modules = core_modules()
    found = arrows(modules)
    functions = long_functions()
    rooms = {(room(arrow.source), room(arrow.target)) for arrow in found if room(arrow.source) != room(arrow.target)}
    faults: dict[str, Sequence[object]] = {
        "import circles": [" ↔ ".join(group) for group in circles(found)],
        "upward imports": upward(found),
        "imports through doors": through_doors(modules),
        "functions over 40 lines without a reason": unexplained(functions),
    }
    rows = [
        ("entries in radfield_core/", f"{len(entries())} (at most {MAX_ENTRIES})"),
        ("modules of core", len(modules)),
        ("imports between rooms", len(rooms)),
        *((title, len(listed)) for title, listed in faults.items()),
        ("functions over 40 lines", len(functions)),
        ("modules over 300 lines", len(long_modules())),
    ]
    for title, value in rows:
        print(f"{title:<42} {value}")
    for title, listed in faults.items():
        for each in listed:
            print(f"{title}: {each}")
    for function in functions:
        if function.name in LONG_FUNCTIONS:
            print(f"{function}: {LONG_FUNCTIONS[function.name]}")
    for name, n in long_modules():
        print(f"{name} has {n} lines")
    return 1 if any(faults.values()) or len(entries()) > MAX_ENTRIES else 0


if __name__ == "__main__":
    sys.exit(main())
