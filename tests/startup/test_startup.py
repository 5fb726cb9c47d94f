"""Start-up is a feature: what is only listed or explained imports nothing that is slow."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys

import pytest

from radfield_core.cli.main import VERBS

SLOW = {
    "torch",
    "numpy",
    "attrs",
    "attr",
    "cattrs",
    "rich",
    "scipy",
    "matplotlib",
    "PIL",
    "imageio",
    "av",
    "tomli_w",
    "safetensors",
}


OPTIONS = {"attrs", "attr", "cattrs", "tomli_w"}
"""What the classes of options import. The help of some verbs lists the options of their part."""
VERBS_OF_PARTS = ("export", "report", "view")


def modules_after(*argv: str) -> set[str]:
    """Top-level modules loaded by a process that ran `radfield argv`."""
    program = (
        "import sys; from radfield_core.cli.main import main\n"
        f"code = main({list(argv)!r})\n"
        "print('\\nMODULES', code, *sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    code, *modules = done.stdout.rpartition("MODULES ")[2].split()
    assert code == "0", done.stderr
    return set(modules)


@pytest.mark.parametrize(
    "argv",
    [["--help"], ["--version"], ["plugins", "list"], ["plugins", "doctor"], ["plugins", "info", "importance"],
     *([verb, "--help"] for verb in VERBS)],
    ids=" ".join,
)  # fmt: skip
def test_listing_and_help_import_nothing_slow(argv):
    modules = modules_after(*argv)
    assert "radfield_core" in modules
    assert modules & SLOW <= (OPTIONS if argv[0] in VERBS_OF_PARTS else set())


MISTAKES = [
    (["eval", "nosuch"], "nosuch"),
    (["render", "nosuch"], "nosuch"),
    (["export", "nosuch"], "nosuch"),
    (["train", "--resume", "nosuch"], "nosuch"),
    (["train", "--method", "ngp-small", "--data", "nosuch"], "nosuch"),
    (["train", "-c", "nosuch"], "nosuch"),
    (["train", "--method", "nosuch", "--data", "synthetic"], "unknown method 'nosuch'"),
    (["train", "--method", "tiny-nerf", "--data", "synthetic", "field=nosuch"], "unknown field 'nosuch'"),
    (["bench", "run", "--method", "nosuch", "--data", "missing"], "unknown method 'nosuch'"),
    (["bench", "micro", "nosuch"], "unknown benchmark 'nosuch'"),
    (["data", "inspect", "nosuch"], "nosuch"),
    (["data", "make", "x", "--format", "nosuch"], "unknown dataparser 'nosuch'"),
    (["data", "make", "x", "--format", "blender", "--data", "nosuch"], "nosuch"),
    (["data", "convert", "nosuch", "missing", "x"], "unknown converter or format 'nosuch'"),
    (["data", "convert", "multiscale", "missing", "x"], "missing"),
    (["data", "process", "missing", "x"], "missing"),
    (["config", "show", "-c", "nosuch"], "nosuch"),
    (["config", "validate", "nosuch"], "nosuch"),
    (["eval", "nosuch", "--metric", "chamfre"], "unknown metric 'chamfre'"),
    (["export", "nosuch", "--exporter", "mehs"], "unknown exporter 'mehs'"),
    (["export", "nosuch", "resolutoin=5"], "unknown option 'resolutoin'"),
    (["render", "nosuch", "--path", "loop"], "unknown value 'loop'"),
    (["compare", "nosuch", "nosuch"], "nosuch"),
    (["runs", "nosuch"], "nosuch"),
    (["train", "--method", "tiny-nerf", "--data", "synthetic", "--init-from", "nosuch"], "nosuch"),
    (["export", "run", "--exporter", "sdf-slices"], "does not provide sdf, which exporter 'sdf-slices' needs"),
    (["eval", "run", "--metric", "chamfer", "--reference", "nosuch.ply"], "nosuch.ply: there is no such file"),
]  # fmt: skip
"""Commands that name something that does not exist, and what the error says."""


def test_names_and_paths_are_checked_before_torch_is_imported(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.toml").write_text('method = "tiny-nerf"\ndata = "synthetic"\n')
    program = (
        "import contextlib, io, json, sys; from radfield_core.cli.main import main\n"
        f"for argv in {[argv for argv, _ in MISTAKES]!r}:\n"
        "    with contextlib.redirect_stderr(io.StringIO()) as error: code = main(argv)\n"
        "    print(json.dumps([code, error.getvalue(), sorted({name.partition('.')[0] for name in sys.modules})]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path)
    for (argv, says), line in zip(MISTAKES, done.stdout.splitlines(), strict=True):
        code, error, modules = json.loads(line)
        assert code not in (0, 70) and says in error and "Traceback" not in error, (argv, error)
        assert not set(modules) & {"torch", "numpy", "scipy", "matplotlib", "PIL"}, argv


def test_help_does_not_discover_plugins():
    assert "importlib.metadata" not in modules_after("--help") and "pluggy" not in modules_after("--help")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_in_the_table_is_a_module_with_help(verb):
    module = importlib.import_module(f"radfield_core.cli.{verb}")
    assert module.HELP and callable(module.configure) and callable(module.run)


def test_the_program_is_installed():
    from radfield_core import __version__

    script = os.path.join(os.path.dirname(sys.executable), "radfield")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"radfield {__version__}\n"
