"""Runs a page of the documentation in a folder of its own: files that it shows, and commands with what they print."""

from __future__ import annotations

import doctest
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from markdown import blocks

PROGRAMS = {"radfield": ["-m", "radfield_core.cli.main"], "pytest": ["-m", "pytest", "-p", "no:cacheprovider"]}


class Session:
    """A folder in which a reader follows a page. An editable installation is a folder on the path here."""

    def __init__(self, folder: Path):
        self.folder, self.site = folder, folder / "site"
        self.path: list[Path] = [self.site]
        self.commands: list[str] = []

    def follow(self, page: Path) -> list[str]:
        """Follow a page in order; returns each command that printed something else than shown, with its output."""
        wrong = []
        for language, body in blocks(page):
            if language == "console":
                for part in re.split(r"^\$ ", body.replace("\\\n", ""), flags=re.MULTILINE)[1:]:
                    command, _, expected = part.partition("\n")
                    found = self.run(command)
                    if not matches(expected, found):
                        wrong.append(f"$ {command}\n{found}")
            elif body.startswith("# ") and "/" in (name := body.partition("\n")[0].removeprefix("# ")):
                path = self.folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(body.partition("\n")[2], encoding="utf-8")
        return wrong

    def run(self, command: str) -> str:
        """Run a command of the page and return its output."""
        self.commands.append(command)
        program, *words = shlex.split(command)
        if program == "pip":
            return self._install(self.folder / words[-1])
        return self._python(*PROGRAMS[program], *words)

    def _install(self, project: Path) -> str:
        """Install a project so that its files are used where they are."""
        self.path.insert(0, project)
        options = ["--no-deps", "--no-build-isolation", "--no-index", "--target", str(self.site)]
        return self._python("-m", "pip", "install", *options, str(project))

    def _python(self, *words: str) -> str:
        environment = {
            **os.environ, "PYTHONPATH": os.pathsep.join(map(str, self.path)), "PYTHONDONTWRITEBYTECODE": "1",
            "COLUMNS": "80", "OMP_NUM_THREADS": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, *words], cwd=self.folder, env=environment, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        return done.stdout


def matches(expected: str, found: str) -> bool:
    """True if the output of a command matches the page. There, `...` stands for any text; white space is ignored."""
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    return doctest.OutputChecker().check_output(expected.strip() + "\n", found.strip() + "\n", options)
