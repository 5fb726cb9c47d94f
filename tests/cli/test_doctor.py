"""`radfield doctor`: facts about the machine, and everything that is wrong with the installation."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

from radfield_core.cli import doctor
from radfield_core.cli.main import main
from radfield_core.ops.backend import Op
from radfield_core.plugins.registry import get_registry


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


def test_every_kernel_is_loaded_and_a_broken_one_is_wrong_with_the_whole_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails() -> None:
        raise OSError("at 22:38:\n  step = abs(x)\nNameError('abs is not defined')")

    for name, warm_up in (("broken_kernels", fails), ("fine_kernels", lambda: None)):
        module = ModuleType(name)
        module.warm_up = warm_up  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, name, module)
    op = Op("doctor's op", {"cpu": {"numba": "broken_kernels", "torch": "fine_kernels"}})
    assert main(["doctor"]) == 1
    output = capsys.readouterr().out
    assert "  doctor's op       numba on cpu does not load:\n    | OSError: at 22:38:\n" in output
    assert "    |   step = abs(x)\n    | NameError('abs is not defined')\n" in output
    assert "  doctor's op       torch on cpu loads\n" in output
    assert "  hash encoding     numba on cpu loads\n" in output  # its part is imported by this command
    (wrong,) = [line for line in output.splitlines() if line.startswith("wrong: ")]
    assert "doctor's op: numba does not load on cpu: OSError: at 22:38: … NameError('abs is not defined')" in wrong
    assert wrong.endswith("try: pip install --force-reinstall numba")
    del op


def test_a_part_whose_code_cannot_be_imported_is_wrong(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    registry = get_registry()
    broken = registry.of_kind("encoding")[0]._replace(impl="no_such_module:Part", distribution="acme")
    monkeypatch.setattr(registry, "components", (broken,))
    assert main(["doctor"]) == 1
    assert f"wrong: {broken.key} of acme cannot be imported: ModuleNotFoundError: " in capsys.readouterr().out


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
