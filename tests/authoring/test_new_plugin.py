"""`radfield plugins new`: what it writes for each kind is installed and passes its own tests, unedited."""

from __future__ import annotations

import ast
import errno
import os
import re
import shlex
import subprocess
import sys
import time
import tomllib
import zipfile
from pathlib import Path

import pytest

from radfield_core.cli.main import main
from radfield_core.cli.plugins import TEMPLATES
from radfield_core.plugins.first_party import FIRST_PARTY

ROOT = Path(__file__).resolve().parents[2]


def run(*command: object, cwd: Path, path: Path) -> subprocess.CompletedProcess[str]:
    """Run a command outside the checkout, with packages installed into `path`."""
    environ = {**os.environ, "PYTHONPATH": str(path), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    return subprocess.run(list(map(str, command)), cwd=cwd, env=environ, capture_output=True, text=True)


def install(project: Path, site: Path) -> None:
    """Install a distribution, without its requirements, into a folder of its own."""
    options = ["-q", "--no-deps", "--no-build-isolation", "--target", site]
    installed = run(sys.executable, "-m", "pip", "install", *options, project, cwd=project, path=site)
    assert installed.returncode == 0, installed.stderr


RADFIELD = (sys.executable, "-m", "radfield_core.cli.main")


@pytest.fixture(scope="module", params=TEMPLATES)
def written(request, tmp_path_factory) -> tuple[str, Path, Path]:
    """Kind and folder of a plugin as it is written, and where it is installed."""
    kind, folder = request.param, tmp_path_factory.mktemp("new")
    name = f"acme-first-{kind}"
    said = run(*RADFIELD, "plugins", "new", name, "--kind", kind, cwd=folder, path=folder).stdout
    assert f"pip install -e '{name}[test]'" in said
    install(folder / name, folder / "site")
    return kind, folder / name, folder / "site"


def test_a_new_plugin_is_green_as_it_is_written(written, capsys):
    kind, project, site = written
    started = time.perf_counter()
    tested = run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", project, cwd=project, path=site)
    with capsys.disabled():
        print(f"\n{kind}: {tested.stdout.splitlines()[-1]} ({time.perf_counter() - started:.0f} s)")
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert "passed" in tested.stdout and "skipped" not in tested.stdout and "xfailed" not in tested.stdout

    listed = run(*RADFIELD, "plugins", "list", cwd=project, path=site).stdout
    assert f"{kind}:first-{kind}" in listed


@pytest.fixture(scope="session")
def type_cache(tmp_path_factory) -> Path:
    """A cache of mypy for all templates: checking torch's own files takes most of the time."""
    return tmp_path_factory.mktemp("mypy")


def test_a_new_plugin_passes_strict_type_checking_and_is_marked_as_typed(written, type_cache):
    kind, project, site = written
    done = run(sys.executable, "-m", "mypy", "--cache-dir", type_cache, cwd=project, path=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert tomllib.loads((project / "pyproject.toml").read_text())["tool"]["mypy"]["strict"] is True
    assert (site / f"acme_first_{kind}" / "py.typed").is_file()


def test_a_new_plugins_readme_prints_commands_that_are_understood(written, tmp_path):
    kind, project, site = written
    (tmp_path / "FOLDER").mkdir()
    (tmp_path / "FOLDER" / f"first-{kind}.json").touch()
    lines = re.findall(r"(?:^    |`)radfield ([^`\n]+)", (project / "README.md").read_text(), re.M)
    commands = [shlex.split(line, comments=True) for line in lines]
    assert {command[0] for command in commands} == {"config", "plugins", "export" if kind == "exporter" else "train"}
    for verb, *arguments in commands:
        if verb == "plugins":
            assert arguments == ["check", f"acme-first-{kind}"]
            continue
        words = ("config", "show", *arguments) if verb == "train" else (verb, *arguments)
        done = run(*RADFIELD, *words, cwd=tmp_path, path=site)
        if verb == "export":  # all that is missing is the run
            assert "RUN: is neither a run folder" in done.stderr and done.stderr.count("error:") == 1
        else:
            assert done.returncode == 0 and f"first-{kind}" in done.stdout, done.stderr


@pytest.mark.parametrize("kind", TEMPLATES)
def test_what_is_written_compiles_and_has_no_long_lines(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["plugins", "new", "acme-first", "--kind", kind]) == 0
    for path in (tmp_path / "acme-first").rglob("*.py"):
        text = path.read_text()
        assert "$" not in text and max(map(len, text.splitlines())) <= 120, path
        ast.parse(text, str(path))


@pytest.mark.parametrize("kind", TEMPLATES)
def test_a_new_plugin_requires_the_libraries_that_it_imports_with_cores_bounds(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["plugins", "new", "acme-first", "--kind", kind]) == 0
    found = set()
    for path in Path("acme-first/acme_first").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
    imported = {name.replace("_", "-") for name in found - {"acme_first", *sys.stdlib_module_names}}
    core, ours = (
        set(tomllib.loads(path.read_text())["project"]["dependencies"])
        for path in (ROOT / "pyproject.toml", Path("acme-first/pyproject.toml"))
    )
    libraries = {line for line in ours if not line.startswith("radfield-")}
    assert libraries <= core
    assert {line.partition(">=")[0] for line in libraries} | {"radfield-core"} == imported


@pytest.mark.parametrize(
    ("name", "says", "near"),
    [
        ("Acme_Fourier", "is not the name of a distribution", "acme-fourier"),
        ("acme--fourier", "is not the name of a distribution", "acme-fourier"),
        ("../acme-fourier", "is not the name of a distribution", "acme-fourier"),
        ("9acme-fourier", "is not the name of a distribution", "acme-fourier"),
        ("fourier", "does not say who makes it", "acme-fourier"),
        ("radfield-fourier", "reserved", "acme-fourier"),
        ("radfield", "reserved", "acme-fourier"),
        ("fake-parts", "which is taken", "fake-parts-2"),
    ],
)
def test_a_bad_name_is_refused_in_words_and_nothing_is_written(name, says, near, tmp_path, monkeypatch, capsys, fakes):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "fakes"))
    assert main(["plugins", "new", name, "--kind", "encoding"]) == 2
    said = capsys.readouterr().err
    assert says in said and f"try: {near}" in said
    assert not list(tmp_path.iterdir())


def test_an_existing_folder_is_refused_and_not_changed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "acme-fourier").mkdir()
    (tmp_path / "acme-fourier" / "mine.txt").write_text("mine")
    assert main(["plugins", "new", "acme-fourier", "--kind", "field"]) == 2
    assert "already exists" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "acme-fourier").iterdir()] == ["mine.txt"]


def test_a_plugin_that_cannot_be_written_completely_leaves_nothing_behind(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write, written = Path.write_text, []

    def full(self: Path, *args: str, **options: str) -> int:
        written.append(self.name)
        if len(written) > 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(self, *args, **options)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", full)
        assert main(["plugins", "new", "acme-fourier", "--kind", "encoding"]) == 74
    assert "acme-fourier: cannot be written: No space left on device" in capsys.readouterr().err
    assert len(written) == 4 and not list(tmp_path.iterdir())
    assert main(["plugins", "new", "acme-fourier", "--kind", "encoding"]) == 0


def test_an_unknown_kind_is_refused_with_those_there_are(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["plugins", "new", "acme-fourier", "--kind", "encodin"]) == 2
    assert "encoding" in capsys.readouterr().err


def test_check_prints_a_row_for_each_law_and_fails_where_one_is_broken(capsys, monkeypatch):
    assert main(["plugins", "check", "radfield-frequency"]) == 0
    said = capsys.readouterr().out
    assert "grad2_matches_finite_differences" in said and "0 broken" in said
    from radfield_frequency.encoding import Frequency

    whole = Frequency.forward
    monkeypatch.setattr(Frequency, "forward", lambda self, x, cov=None: whole(self, x.detach()))
    assert main(["plugins", "check", "encoding:frequency"]) == 1
    said = capsys.readouterr().out
    assert "breaks the law 'grad_matches_finite_differences'" in said and "fix:" in said


@pytest.mark.parametrize("name", ["encoding:shh", "encoding:toy", "acme-fourier:encoding:shh"])
def test_check_names_installed_parts_alone_beside_one_that_is_not(name, capsys):
    assert main(["plugins", "check", name]) != 0
    said = capsys.readouterr().err
    assert "installed: appearance, frequency, hash, ipe, sh\n" in said and "try: toy" not in said


def test_the_wheel_holds_every_template(tmp_path):
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path]
    subprocess.run(list(map(str, build)), cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    templates = {str(path.relative_to(ROOT)) for path in (ROOT / "radfield_core/cli/templates/plugin").rglob("*.tmpl")}
    assert len(templates) >= 40 and templates <= held
    assert "radfield_core/testing/toy.toml" in held


def test_toys_stand_in_for_what_a_plugin_names_and_nobody_installed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["plugins", "new", "acme-first", "--kind", "field"]) == 0
    site = tmp_path / "site"
    install(tmp_path / "acme-first", site)
    monkeypatch.setenv("RADFIELD_DISABLE_PLUGINS", ",".join(FIRST_PARTY))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tmp_path / "acme-first"]
    tested = run(*command, cwd=tmp_path, path=site)
    assert tested.returncode == 0, tested.stdout + tested.stderr
    listed = run(sys.executable, "-m", "radfield_core.cli.main", "plugins", "list", cwd=tmp_path, path=site).stdout
    assert "encoding:frequency" not in listed and "field:first" in listed
