"""mypy checks an author's file against core's wheel: the wheel is marked as typed, and a wrong name is found."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FIELD = '''"""A field of a third party."""

import torch
from torch import Tensor, nn

from radfield_core import BuildContext, DensityOccupancy, Field, FieldOutputs, RaySamples


class Fog(DensityOccupancy, Field):
    """The same density everywhere."""

    def __init__(self, config: object, ctx: BuildContext):
        super().__init__()
        self.sigma = nn.Parameter(torch.ones(()))

    def forward(self, samples: RaySamples) -> FieldOutputs:
        """density [N] and rgb [N, 3] of N samples."""
        x = samples.positions()
        return FieldOutputs(density=self.density(x), rgb=torch.sigmoid(x))

    def density(self, x: Tensor, cov: Tensor | None = None) -> Tensor:
        """Density [M] at points x [M, 3]."""
        return self.sigma.expand(len(x))
'''


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a new environment with core's wheel, which sees third-party packages of this one.

    This environment's editable installations are invisible there: they are `.pth` files, which Python reads only in its
    own folders of packages.
    """
    folder = tmp_path_factory.mktemp("types")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "env", with_pip=False)
    (site,) = (folder / "env" / "lib").glob("python*/site-packages")
    install = ["install", "-q", "--no-deps", "--no-index", "--target", str(site), str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", *install], check=True, capture_output=True)
    packages = [path for path in sys.path if path.endswith("site-packages")]
    (site / "third_party.pth").write_text("".join(f"{path}\n" for path in packages))
    return folder / "env" / "bin" / "python"


def checked(python: Path, file: Path) -> subprocess.CompletedProcess[str]:
    """Run `mypy --strict` on a file, with the packages of an environment.

    Files need different names: mypy's cache takes two files of one name, size and second of writing for the same.
    """
    environ = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "MYPYPATH")}
    command = [sys.executable, "-m", "mypy", "--strict", "--python-executable", python, "--cache-dir", python.parent]
    return subprocess.run(
        [*map(str, command), file.name], cwd=file.parent, env=environ, capture_output=True, text=True, check=False
    )


def test_the_environment_imports_core_from_the_wheel(python: Path) -> None:
    environ = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [str(python), "-c", "import radfield_core; print(radfield_core.__file__)"]
    done = subprocess.run(command, cwd=python.parent, env=environ, capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()).is_relative_to(python.parents[1])


def test_a_field_without_mistakes_passes_strict_checking(python: Path, tmp_path: Path) -> None:
    (tmp_path / f"{tmp_path.name}.py").write_text(FIELD)
    done = checked(python, tmp_path / f"{tmp_path.name}.py")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("density=self.density(x), rgb", "densty=self.density(x), rgb", 'Unexpected keyword argument "densty"'),
        ("samples.positions()", "samples.position()", '"RaySamples" has no attribute "position"'),
        ("self.sigma.expand(len(x))", "float(self.sigma)", 'got "float", expected "Tensor"'),
    ],
)
def test_a_planted_mistake_is_found_and_named(
    right: str, wrong: str, message: str, python: Path, tmp_path: Path
) -> None:
    assert FIELD.count(right) == 1
    (tmp_path / f"{tmp_path.name}.py").write_text(FIELD.replace(right, wrong))
    done = checked(python, tmp_path / f"{tmp_path.name}.py")
    assert done.returncode == 1 and message in done.stdout, done.stdout + done.stderr
    assert "py.typed" not in done.stdout
