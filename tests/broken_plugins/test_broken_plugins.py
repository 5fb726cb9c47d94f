"""One broken plugin of each kind: every other verb and method still works, and `plugins doctor` names it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

FAKES = Path(__file__).parents[1] / "fakes"

PART = """
from radfield_core.plugin import component, hookimpl
RADFIELD_API = (1, 0)
@hookimpl
def radfield_components():
    return [component("encoding", "maze", impl="m:A", config="m:B", summary="a maze")]
"""

BROKEN = {
    "raises on import": ("error", "RuntimeError: out of order", "raise RuntimeError('out of order')"),
    "exits on import": ("error", "SystemExit: 0", "import sys; sys.exit(0)"),
    "is written for another interface": ("incompatible", "written for plugin interface 9.0", "RADFIELD_API = (9, 0)"),
    "imports torch at declaration": ("error", "must not import torch", "import torch\n" + PART),
    "imports numpy by way of a helper": ("error", "must not import numpy", "import acme_helper\n" + PART),
    "misspells a hook": ("error", "did you mean radfield_components?", PART.replace("components():", "component():")),
    "raises in its hook": ("error", "ZeroDivisionError", PART.replace("return [", "1 / 0\n    return [")),
    "has the name of another's part": (
        "shadowed", "encoding:wave is also offered by fake-parts", PART.replace("maze", "wave"),
    ),
    "has the name of core's part": (
        "shadowed", "write acme-maze:importance", PART.replace('"encoding", "maze"', '"sampler", "importance"'),
    ),
    "declares a part twice": ("error", "encoding:maze is declared twice", PART.replace("return [", "return 2 * [")),
    "uses words that nobody knows": (
        "error", "unknown capability 'pionts'", PART.replace('maze")]', 'maze", provides={"pionts"})]'),
    ),
}  # fmt: skip


@pytest.fixture(params=list(BROKEN))
def broken(request, distribution, tmp_path):
    """A broken plugin beside the fake parts: its status, what is said of it, and how to run the program with it."""
    status, says, source = BROKEN[request.param]
    site = distribution("acme-maze", source, modules={"acme_helper.py": "import numpy\n"})
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(FAKES)])}

    def radfield(*argvs: Sequence[str], **more: str) -> subprocess.CompletedProcess[str]:
        program = f"from radfield_core.cli.main import main; codes = [main(argv) for argv in {argvs!r}]"
        program += "\nprint('CODES', codes); raise SystemExit(codes[-1])"
        command = [sys.executable, "-c", program]
        return subprocess.run(command, capture_output=True, text=True, env={**environ, **more}, cwd=tmp_path)

    return status, says, radfield


def test_the_others_are_not_affected_by(broken):
    status, says, radfield = broken
    (row,) = [line for line in radfield(["plugins", "list"]).stdout.splitlines() if "acme-maze" in line.split()]
    assert row.split()[:4] == ["it", "acme-maze", "2.5", status]
    assert says in row

    doctor = radfield(["plugins", "doctor"])
    assert doctor.returncode == 1
    assert f"it (acme-maze 2.5, acme_maze_plugin): {status}\n  " in doctor.stdout and says in doctor.stdout
    assert ("Traceback" in doctor.stdout) == (status == "error")

    done = radfield(
        ["--help"],
        ["plugins", "info", "importance"],
        ["config", "show", "--method", "study"],
        ["config", "options", "field:blob"],
        ["config", "show", "--method", "study-small", "sampler=crooked", "field=slab", "method=bare"],
    )
    assert done.stdout.splitlines()[-1] == "CODES [0, 0, 0, 0, 0]", done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_disabling_it_leaves_nothing_wrong_that_is_its_own(broken):
    _, _, radfield = broken
    done = radfield(["plugins", "doctor"], RADFIELD_DISABLE_PLUGINS="it")
    assert "acme_maze_plugin" not in done.stdout
    assert "disabled by RADFIELD_DISABLE_PLUGINS: it" in done.stdout


def test_strict_refuses_what_does_not_load(broken):
    status, says, radfield = broken
    done = radfield(["plugins", "list"], RADFIELD_STRICT_PLUGINS="1")
    if status == "shadowed":
        assert done.returncode == 0
    else:
        assert done.returncode == 78 and "error: plugin it: " in done.stderr and says in done.stderr


def test_a_name_it_might_have_offered_says_so(broken):
    status, _, radfield = broken
    done = radfield(["config", "options", "encoding:labyrinth"])
    assert done.returncode == (2 if status == "shadowed" else 78)
    said = "plugin it (acme-maze), which may offer it, is not loaded ("
    assert (said in done.stderr) == (status != "shadowed")


def test_a_check_of_its_distribution_says_why_it_does_not_load(broken):
    status, says, radfield = broken
    if status != "shadowed":
        done = radfield(["plugins", "check", "acme-maze"])
        assert done.returncode == 78 and "error: plugin it: " in done.stderr and says in done.stderr


@pytest.mark.parametrize("when", ["is named", "is not named"])
def test_the_code_of_a_part_runs_only_when_the_part_is_named(distribution, tmp_path, when):
    source = PART.replace("m:A", "acme_code:Maze").replace("m:B", "acme_code:Options")
    code = "from pathlib import Path\nPath('was-here').touch()\nimport attrs\n@attrs.frozen\nclass Options: pass\n"
    site = distribution("acme-maze", source, modules={"acme_code.py": code})
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(FAKES)])}
    argv = ["config", "show", "--method", "study", *(["field.encoding=maze"] if when == "is named" else [])]
    for arguments in (["plugins", "list"], ["plugins", "info", "maze"], ["--help"], argv):
        command = [sys.executable, "-m", "radfield_core.cli.main", *arguments]
        subprocess.run(command, check=arguments is not argv, capture_output=True, env=environ, cwd=tmp_path)
        assert (tmp_path / "was-here").exists() == (arguments is argv and when == "is named"), arguments


def test_options_that_cannot_be_imported_are_the_plugins_fault_and_named(distribution, tmp_path):
    site = distribution("acme-maze", PART.replace("m:B", "acme_code:Options"), modules={"acme_code.py": "1 / 0"})
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(FAKES)])}
    command = [sys.executable, "-m", "radfield_core.cli.main", "config", "show", "--method", "study"]
    done = subprocess.run([*command, "field.encoding=maze"], capture_output=True, text=True, env=environ, cwd=tmp_path)
    assert done.returncode == 78
    assert "encoding:maze of acme-maze cannot be imported: ZeroDivisionError: division by zero" in done.stderr
    assert "Traceback" not in done.stderr
