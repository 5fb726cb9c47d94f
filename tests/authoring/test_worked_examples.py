"""The worked examples of a third party: short, installable, green, and built from documented names alone."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
MAX_LINES = {"acme-siren": 120, "acme-splats": 190}
DOCS = Path(__file__).resolve().parents[2] / "docs" / "authors"


@pytest.fixture(params=sorted(path.name for path in EXAMPLES.iterdir()))
def example(request) -> Path:
    return EXAMPLES / request.param


def own_files(example: Path) -> list[Path]:
    package = example / example.name.replace("-", "_")
    return [path for path in sorted(package.rglob("*")) if path.suffix in (".py", ".toml")]


def test_it_is_short(example, capsys):
    lines = [line for path in own_files(example) for line in path.read_text().splitlines() if line.strip()]
    with capsys.disabled():
        print(f"\n{example.name}: {len(lines)} lines")
    assert len(lines) <= MAX_LINES[example.name]


def test_it_uses_only_modules_that_the_pages_for_authors_name(example, monkeypatch):
    used = {
        name
        for path in own_files(example)
        for name in re.findall(r"^from (radfield_\S+) import", path.read_text(), re.M)
    }
    monkeypatch.syspath_prepend(str(DOCS.parent / "_ext"))
    authors = importlib.import_module("authors")
    documented = "".join(
        [*(path.read_text() for path in DOCS.glob("*.md")), *(page() for page in authors.PAGES.values())]
    )
    assert used and not [name for name in used if name not in documented]


def test_it_passes_strict_type_checking(example, tmp_path):
    command = [sys.executable, "-m", "mypy", "--cache-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=example, capture_output=True, text=True, check=False)
    n = len(list(example.glob("*/*.py")))
    assert done.returncode == 0 and f"no issues found in {n} source files" in done.stdout, done.stdout + done.stderr


def test_it_installs_trains_on_the_synthetic_scene_and_keeps_every_law(example, tmp_path):
    site = tmp_path / "site"
    environ = {**os.environ, "PYTHONPATH": str(site), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--target", site, example]
    subprocess.run(list(map(str, pip)), cwd=tmp_path, env=environ, check=True, capture_output=True)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(example)]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout and "xfailed" not in done.stdout
