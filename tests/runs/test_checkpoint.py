"""The checkpoint format: what is written is what is read, and nothing damaged is ever read."""

from __future__ import annotations

import json
import math
import os
import random
import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings, strategies as st

from radfield_core.runs import checkpoint
from radfield_core.runs.checkpoint import CorruptCheckpoint, State
from radfield_core.runs.checkpoint_names import is_checkpoint


def small(step: int) -> State:
    """A state that says which step it is of."""
    return State(
        step, {"w": torch.full((3, 4), float(step))}, {"state": {0: {"m": torch.ones(2) * step}}}, {}, {"n": step}
    )


def test_what_is_saved_is_loaded_bit_for_bit(tmp_path: Path) -> None:
    shared = torch.randn(4, 5)
    model = {
        "plain": shared, "tied": shared, "transposed": shared.t(), "row": shared[1], "strided": shared[:, ::2],
        "empty": torch.zeros(0, 3), "scalar": torch.tensor(0.1), "half": torch.randn(3).to(torch.bfloat16),
        "count": torch.tensor([2**40]), "grid": torch.rand(4) > 0.5, "nan": torch.tensor([math.nan, math.inf]),
    }  # fmt: skip
    state = State(7, model, None, {"torch": torch.get_rng_state()}, {"seconds": 0.1 + 0.2})
    loaded = checkpoint.load(checkpoint.save(tmp_path, state))
    assert loaded.step == 7 and loaded.progress == {"seconds": 0.1 + 0.2}
    assert loaded.model.keys() == model.keys()
    for name, tensor in model.items():
        assert loaded.model[name].dtype == tensor.dtype
        assert torch.equal(loaded.model[name].nan_to_num(7.0), tensor.nan_to_num(7.0)), name
    assert torch.equal(loaded.generators["torch"], state.generators["torch"])


trees = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.integers(-(2**60), 2**60) | st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(trees)
@settings(max_examples=60, deadline=None)
def test_any_optimizer_state_survives(tmp_path_factory: pytest.TempPathFactory, tree: object) -> None:
    folder = tmp_path_factory.mktemp("trees")
    loaded = checkpoint.load(checkpoint.save(folder, State(1, {}, tree))).optimizer
    assert repr(loaded) == repr(tree)  # repr tells tuples from lists, -0.0 from 0.0, and NaN is itself
    shutil.rmtree(folder)


def test_an_optimizer_state_that_cannot_be_kept_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="set"):
        checkpoint.save(tmp_path, State(1, {}, {"odd": {1, 2}}))
    assert checkpoint.newest(tmp_path)[0] is None


def test_the_newest_good_one_is_loaded_and_the_others_are_named(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        checkpoint.save(tmp_path, small(step), keep=5)
    (tmp_path / "step-000000003" / "MANIFEST.json").unlink()
    (tmp_path / "step-000000002" / "model.safetensors").write_bytes(b"")
    state, path, skipped = checkpoint.newest(tmp_path)
    assert state is not None and state.step == 1 and path == tmp_path / "step-000000001"
    assert len(skipped) == 2 and "step-000000003" in skipped[0] and "step-000000002" in skipped[1]
    assert torch.equal(state.model["w"], torch.full((3, 4), 1.0))


def test_old_ones_go_only_when_enough_newer_ones_are_good(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        checkpoint.save(tmp_path, small(step), keep=2)
    assert [path.name for path in checkpoint.list_steps(tmp_path)] == ["step-000000002", "step-000000003"]
    (tmp_path / "step-000000003" / "state.json").write_text("{}")
    checkpoint.save(tmp_path, small(4), keep=2)
    assert [path.name for path in checkpoint.list_steps(tmp_path)] == [f"step-00000000{n}" for n in (2, 3, 4)]


def test_latest_names_the_newest_and_loading_does_without_it(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, small(1))
    checkpoint.save(tmp_path, small(2))
    assert (tmp_path / "latest").read_text() == "step-000000002\n"
    (tmp_path / "latest").write_bytes(b"")
    state, _, _ = checkpoint.newest(tmp_path)
    assert state is not None and state.step == 2


def test_no_flipped_bit_is_ever_loaded(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path, small(1))
    draw = random.Random(0)
    files = sorted(path.iterdir())
    for trial in range(1000):
        file = files[trial % len(files)]
        data = file.read_bytes()
        position, bit = draw.randrange(len(data)), 1 << draw.randrange(8)
        file.write_bytes(data[:position] + bytes([data[position] ^ bit]) + data[position + 1 :])
        with pytest.raises(CorruptCheckpoint):
            checkpoint.load(path)
        file.write_bytes(data)
    assert checkpoint.load(path).step == 1


def test_no_truncated_file_is_ever_loaded(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path, small(1))
    for file in sorted(path.iterdir()):
        data = file.read_bytes()
        for length in {0, 1, len(data) // 2, len(data) - 1}:
            file.write_bytes(data[:length])
            with pytest.raises(CorruptCheckpoint):
                checkpoint.load(path)
        file.write_bytes(data)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff" * 8 + b"{}",
        (100).to_bytes(8, "little") + b"{}",
        (62).to_bytes(8, "little") + b'{"w":{"dtype":"F32","shape":[4],"data_offsets":[0,8000000000]}}'[:62],
        b"",
    ],
    ids=["huge header", "short header", "lying offsets", "nothing"],
)
def test_hostile_tensors_under_an_honest_manifest_are_an_error(
    tmp_path: Path, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("safetensors.torch.save", lambda tensors: data)
    checkpoint.save(tmp_path, small(1))
    with pytest.raises(CorruptCheckpoint):
        checkpoint.load(tmp_path / "step-000000001")


@pytest.mark.parametrize("text", ["[]", "null", "{", "[" * 100_000, '{"files": {"../../x": {}}}', '{"files": 3}'])
def test_a_hostile_manifest_is_an_error(tmp_path: Path, text: str) -> None:
    path = checkpoint.save(tmp_path, small(1))
    (path / "MANIFEST.json").write_text(text)
    with pytest.raises(CorruptCheckpoint):
        checkpoint.load(path)


def sign(path: Path, **sizes: int) -> None:
    """Write a manifest that holds, as a stranger can. Files in `sizes` get this size and no true digest."""
    (path / "MANIFEST.json").unlink()
    files = {
        file.name: {"size": sizes[file.stem], "sha256": "0" * 64}
        if file.stem in sizes
        else checkpoint._digest(file.read_bytes())
        for file in sorted(path.iterdir())
    }
    signature = checkpoint._digest(checkpoint._canonical(files))["sha256"]
    (path / "MANIFEST.json").write_bytes(checkpoint._canonical({"files": files, "sha256": signature}))


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """The newer of two checkpoints."""
    checkpoint.save(tmp_path, small(1), keep=5)
    return checkpoint.save(tmp_path, small(2), keep=5)


def test_files_that_only_the_manifest_names_are_never_opened(two: Path) -> None:
    os.mkfifo(two / "pipe")
    manifest = json.loads((two / "MANIFEST.json").read_text())
    files = {**manifest["files"], "../secret": checkpoint._digest(b"x"), "pipe": checkpoint._digest(b"")}
    signature = checkpoint._digest(checkpoint._canonical(files))["sha256"]
    (two / "MANIFEST.json").write_bytes(checkpoint._canonical({"files": files, "sha256": signature}))
    assert checkpoint.load(two).step == 2


@pytest.mark.parametrize("name", ["FORMAT", "model.safetensors", "optim.safetensors", "rng.safetensors", "state.json"])
@pytest.mark.parametrize("kind", ["pipe", "link to a device", "link to a file", "socket folder", "sparse"])
def test_a_file_that_is_not_a_regular_one_of_the_stated_size_makes_the_older_checkpoint_load(
    two: Path, name: str, kind: str
) -> None:
    file = two / name
    file.unlink()
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "link to a device":
        file.symlink_to("/dev/zero")
    elif kind == "link to a file":
        file.symlink_to(two.with_name("step-000000001") / name)
    elif kind == "sparse":
        with file.open("wb") as stream:
            stream.truncate(2**43)  # larger than the memory of any machine that runs this
    else:
        file.mkdir()
    size = 2**43 if kind == "sparse" else 0
    plain = {path: path.read_bytes() for path in two.iterdir() if path != file and path.name != "MANIFEST.json"}
    files = {path.name: checkpoint._digest(data) for path, data in plain.items()}
    files[name] = {"size": size, "sha256": "0" * 64}
    signature = checkpoint._digest(checkpoint._canonical(files))["sha256"]
    (two / "MANIFEST.json").write_bytes(checkpoint._canonical({"files": files, "sha256": signature}))
    state, path, skipped = checkpoint.newest(two.parent)
    assert state is not None and state.step == 1 and path is not None and path.name == "step-000000001"
    assert len(skipped) == 1 and name in skipped[0]


@pytest.mark.parametrize("kind", ["pipe", "link"])
def test_a_manifest_that_is_not_a_regular_file_makes_the_older_checkpoint_load(two: Path, kind: str) -> None:
    manifest = two / "MANIFEST.json"
    moved = manifest.rename(two / "moved")
    os.mkfifo(manifest) if kind == "pipe" else manifest.symlink_to(moved)
    state, _, skipped = checkpoint.newest(two.parent)
    assert state is not None and state.step == 1 and "MANIFEST.json" in skipped[0]


@pytest.mark.parametrize(
    "step", ["-5", "18446744073709551616", "1e999", "NaN", "2.0", "true", '"2"', "null", "3", "[]"]
)
def test_a_signed_checkpoint_of_an_impossible_step_makes_the_older_one_load(two: Path, step: str) -> None:
    file = two / "state.json"
    file.write_text(file.read_text().replace('"step": 2', f'"step": {step}'))
    sign(two)
    state, _, skipped = checkpoint.newest(two.parent)
    assert state is not None and state.step == 1 and len(skipped) == 1


@pytest.mark.parametrize("text", ['{"tensor": "99"}', '{"tensor": []}', '{"set": [1]}', "[1]", '{"dict": 3}', "{}"])
def test_a_signed_checkpoint_with_an_impossible_optimizer_makes_the_older_one_load(two: Path, text: str) -> None:
    head = json.loads((two / "state.json").read_text())
    (two / "state.json").write_text(json.dumps(head | {"optimizer": json.loads(text)}))
    sign(two)
    state, _, skipped = checkpoint.newest(two.parent)
    assert state is not None and state.step == 1 and len(skipped) == 1


def test_memory_that_does_not_suffice_makes_the_older_checkpoint_load(
    two: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = checkpoint.safetensors.torch.load
    calls = iter([MemoryError(), *[None] * 9])

    def load(data: bytes) -> object:
        if (error := next(calls)) is not None:
            raise error
        return real(data)

    monkeypatch.setattr("safetensors.torch.load", load)
    state, _, skipped = checkpoint.newest(two.parent)
    assert state is not None and state.step == 1 and "MemoryError" in skipped[0]


def test_links_among_checkpoints_are_neither_read_nor_emptied(two: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    shutil.move(two, outside)
    two.symlink_to(outside)
    (tmp_path / f".tmp-{dead_pid()}-3").symlink_to(outside)
    assert not is_checkpoint(two)
    state, _, _ = checkpoint.newest(tmp_path)
    assert state is not None and state.step == 1
    checkpoint.clean(tmp_path)
    checkpoint.save(tmp_path, small(2))
    assert not two.is_symlink() and checkpoint.load(two).step == 2
    assert sorted(path.name for path in outside.iterdir()) == sorted(path.name for path in two.iterdir())


def dead_pid() -> int:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return pid


def test_leftovers_of_dead_processes_go_and_nothing_else_does(tmp_path: Path) -> None:
    dead, parent = dead_pid(), os.getppid()
    for name, mark in {
        f".tmp-{dead}-1": checkpoint.FORMAT, f".tmp-{parent}-1": checkpoint.FORMAT, f".tmp-{dead}-2": "not ours",
        "aside": checkpoint.FORMAT,
    }.items():  # fmt: skip
        (tmp_path / name).mkdir()
        (tmp_path / name / "FORMAT").write_text(mark)
        (tmp_path / name / "model.safetensors").write_text("half")
    (tmp_path / f".tmp-{dead}-3").mkdir()
    checkpoint.clean(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {f".tmp-{parent}-1", f".tmp-{dead}-2", "aside"}


def test_a_damaged_checkpoint_of_the_same_step_is_replaced(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path, small(1))
    before = (path / "model.safetensors").stat().st_ino
    checkpoint.save(tmp_path, small(1))
    assert (path / "model.safetensors").stat().st_ino == before
    (path / "model.safetensors").write_bytes(b"damaged")
    checkpoint.save(tmp_path, small(1))
    assert checkpoint.load(path).step == 1


def test_going_back_sets_later_ones_aside_instead_of_deleting_them(tmp_path: Path) -> None:
    for _ in range(2):
        for step in (1, 2, 3):
            checkpoint.save(tmp_path, small(step), keep=5)
        checkpoint.set_aside(tmp_path, 1)
    assert [path.name for path in checkpoint.list_steps(tmp_path)] == ["step-000000001"]
    assert checkpoint.load(tmp_path / "aside-2-step-000000003").step == 3


@pytest.mark.parametrize("limit", [100, 700])
def test_json_above_the_size_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    path = checkpoint.save(tmp_path, checkpoint.State(1, {"w": torch.ones(2)}, progress={"long": "x" * 2000}))
    monkeypatch.setattr(checkpoint, "MAX_CHECKPOINT_JSON_BYTES", limit)
    with pytest.raises(checkpoint.CorruptCheckpoint, match="MANIFEST" if limit == 100 else "state"):
        checkpoint.load(path)
