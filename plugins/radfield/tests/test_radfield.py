"""The metapackage offers core's public names, and importing it loads nothing else."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import radfield

import radfield_core


def test_its_names_are_cores_public_names() -> None:
    names = dir(radfield)
    assert names == dir(radfield_core) and {"Field", "compose", "open_run", "train_run"} <= set(names)
    for name in names:
        assert getattr(radfield, name) is getattr(radfield_core, name), name


def test_its_version_is_cores() -> None:
    assert radfield.__version__ == radfield_core.__version__


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = radfield.no_such_name  # type: ignore[attr-defined]


def test_importing_it_loads_neither_torch_nor_a_plugin() -> None:
    code = "import json, sys, radfield; print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    loaded = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
    ours = {name for name in loaded if name.startswith("radfield_")}
    assert ours == {"radfield_core"} and not {"torch", "numpy", "attrs"} & set(loaded)
