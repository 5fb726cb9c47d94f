"""A pipe in the place of any file of a data set is not waited for, in any format."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from radfield_core.config.layers import compose_data, compose_part
from radfield_core.errors import RadfieldError
from radfield_core.inspection.report import inspect
from radfield_core.plugin import load_of
from radfield_core.plugins.registry import get_registry
from radfield_core.testing.captures import toy_capture

FORMATS = [part for part in get_registry().components if part.kind == "dataparser" and part.writer is not None]


@pytest.fixture(autouse=True)
def in_time() -> Iterator[None]:
    """Fail after 20 seconds, because a process that waits for a pipe waits forever."""

    waited = []

    def late(*_: object) -> None:
        waited.append(True)
        raise AssertionError("a pipe was waited for")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
    assert not waited, "an error of recognition is not passed on"


@pytest.mark.parametrize("part", FORMATS, ids=lambda part: part.name)
def test_a_pipe_in_the_place_of_any_file_is_not_waited_for(part, tmp_path: Path) -> None:
    scene = toy_capture(4, size=(8, 6), forward="ndc" in part.provides, masks="masks" in part.provides)
    root = tmp_path / "data"
    root.mkdir()
    load_of(part, part.writer)({"train": scene, "test": scene}, root)
    files = {(path.parent, path.suffix): path for path in sorted(root.rglob("*")) if path.is_file()}
    described = {path for path in root.rglob("*") if path.is_file() and path.suffix not in (".png", ".jpg")}
    for path in {*files.values(), *described}:
        content = path.read_bytes()
        path.unlink()
        os.mkfifo(path)
        with contextlib.suppress(RadfieldError):
            compose_data(get_registry(), root)
        with contextlib.suppress(RadfieldError):
            choice = compose_part(get_registry(), "dataparser", part.name, [f"root={root}"])
            inspect(choice.load()(choice.config), True)
        path.unlink()
        path.write_bytes(content)
