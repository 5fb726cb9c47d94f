"""`radfield doctor`: facts about the machine, and everything that is wrong with the installation."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from radfield_core.cli import doctor
from radfield_core.cli.main import main


def test_doctor_reports_versions_devices_space_and_plugins(radfield, tmp_path) -> None:
    done = radfield("doctor", "--out", str(tmp_path))
    assert done.returncode == (0 if "wrong:" not in done.stdout else 1)
    for text in ("torch ", "GiB free", "torch threads", "numba", "fakes", "ok, fake-parts 1.0", "interface 1.0"):
        assert text in done.stdout, text
    broken = radfield("doctor", RADFIELD_DISABLE_PLUGINS="*")
    assert broken.returncode == 0 and "disabled, fake-parts 1.0" in broken.stdout


def test_a_backend_that_does_not_exist_is_wrong(radfield) -> None:
    done = radfield("doctor", RADFIELD_BACKEND="torch,nerfacc")
    assert done.returncode == 1
    assert "wrong: RADFIELD_BACKEND: " in done.stdout and "'nerfacc'" in done.stdout and "numba" in done.stdout


def test_a_number_of_threads_that_is_none_is_wrong(radfield) -> None:
    done = radfield("doctor", OMP_NUM_THREADS="many")
    assert done.returncode == 1 and "wrong: OMP_NUM_THREADS: 'many'" in done.stdout


def test_a_missing_requirement_is_wrong_and_comes_with_its_command(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr("importlib.metadata.requires", lambda name: ["numpy>=1", "no-such-thing>=2", 'x; extra == "y"'])
    assert main(["doctor"]) == 1
    output = capsys.readouterr().out
    assert "wrong: no-such-thing is required" in output and "try: pip install no-such-thing\n" in output


def test_the_disk_of_a_folder_that_does_not_exist_yet_is_that_of_its_parent(tmp_path: Path) -> None:
    ((_, text),) = doctor._outputs(tmp_path / "a" / "b")
    free = os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize / 2**30
    path, _, rest = text.partition(", ")
    assert path == str(tmp_path / "a" / "b") and float(rest.split()[0]) == pytest.approx(free, abs=1.0)
