"""Choice of implementations: by device, by what loads, and by name."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType

import pytest
import torch

from radfield_core.errors import RadfieldError, UsageError
from radfield_core.names import Lines
from radfield_core.ops import backend
from radfield_core.ops.backend import Op, choose_device

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture(autouse=True)
def modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, ModuleType]]:
    good, bad = ModuleType("good_kernels"), ModuleType("bad_kernels")

    def fails() -> None:
        raise OSError("kernel does not compile\nand here is why")

    bad.warm_up = fails  # type: ignore[attr-defined]
    for module in (good, bad):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(backend, "_selections", {})
    monkeypatch.setattr(backend, "find_spec", lambda name: object())
    monkeypatch.delenv(backend.VARIABLE, raising=False)
    yield {"good": good, "bad": bad}


def test_the_best_backend_that_loads_is_used_and_skipped_ones_have_a_reason(modules: dict) -> None:
    op = Op("encode", {"cpu": {"numba": "no_such_module", "tinycudann": "bad_kernels", "triton": "good_kernels"}})
    assert op.pick(CPU) is modules["good"]
    (selection,) = backend.selections()
    assert selection.backend == "triton"
    assert "no_such_module" in selection.skipped["numba"]
    assert selection.skipped["tinycudann"] == "OSError: kernel does not compile\nand here is why"
    assert str(selection).startswith("encode: triton on cpu (no numba: ModuleNotFoundError")
    assert str(selection).endswith(" (no tinycudann: OSError: kernel does not compile … and here is why)")


def test_an_installed_backend_that_is_skipped_is_warned_of_once_with_the_whole_reason(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The first line of a compiler's message is a place in the code; the last line says what is wrong."""
    monkeypatch.setattr(backend, "find_spec", lambda name: None if name == "triton" else object())
    op = Op("encode", {"cpu": {"triton": "no_such_module", "numba": "bad_kernels"}})
    assert op.pick(CPU) is None and op.pick(CPU) is None
    (record,) = caplog.records
    assert record.levelname == "WARNING" and "encode: numba cannot be loaded on cpu" in record.getMessage()
    assert "so torch is used" in record.getMessage()
    assert isinstance(record.msg, Lines)
    assert record.msg.endswith(":\n  | OSError: kernel does not compile\n  | and here is why")


def test_kernels_are_loaded_on_each_device_that_is_used_and_there_alone(
    modules: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test of the kernels on another device would take its memory, and would say nothing about this one."""
    current: list[object] = []

    class Device:
        def __init__(self, device: torch.device) -> None:
            self.device = device

        def __enter__(self) -> None:
            current.append(self.device)

        def __exit__(self, *error: object) -> None:
            current.append("left")

    modules["good"].warm_up = lambda: current.append("warm-up")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device", Device)
    op, second = Op("encode", {"cuda": {"triton": "good_kernels"}}), torch.device("cuda", 1)
    assert op.pick(second) is modules["good"] and op.pick(second) is modules["good"]
    assert current == [second, "warm-up", "left"]
    op.pick(torch.device("cuda", 0))
    assert current[3:] == [torch.device("cuda", 0), "warm-up", "left"]
    assert [selection.device for selection in backend.selections()] == ["cuda:1", "cuda:0"]


def test_a_backend_that_does_not_load_is_left_out_of_a_benchmark_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    op = Op("encode", {"cpu": {"numba": "bad_kernels", "triton": "good_kernels"}})
    assert op.loadable("cpu") == ["triton"] and op.loadable("cuda") == []
    (record,) = caplog.records
    assert "encode: numba cannot be loaded on cpu and is left out" in record.getMessage()
    assert record.getMessage().endswith("\n  | and here is why")


def test_ops_are_known_while_they_exist() -> None:
    op = Op("an op of this test", {})
    assert op in backend.ops() and backend.ops() == sorted(backend.ops(), key=lambda op: op.name)
    del op
    assert "an op of this test" not in [op.name for op in backend.ops()]


def test_a_warm_up_may_take_gradients_under_no_grad_and_inference_mode(modules: dict) -> None:
    def warm_up() -> None:
        (torch.ones(3, requires_grad=True) ** 2).sum().backward()

    modules["good"].warm_up = warm_up
    with torch.inference_mode():
        assert Op("encode", {"cpu": {"numba": "good_kernels"}}).pick(CPU) is modules["good"]
    with torch.no_grad():
        assert Op("march", {"cpu": {"numba": "good_kernels"}}).pick(CPU) is modules["good"]


def test_only_installed_backends_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    op = Op("an op", {"cpu": {"numba": "numpy", "tinycudann": "numpy"}})
    monkeypatch.setattr(backend, "find_spec", lambda name: object() if name == "numba" else None)
    assert op.installed(CPU) == {"numba": ""} and op.installed(CUDA) == {}


def test_without_kernels_for_the_device_plain_torch_runs() -> None:
    op = Op("encode", {"cpu": {"numba": "good_kernels"}})
    assert op.pick(CUDA) is None
    assert [(c.device, c.backend) for c in backend.selections()] == [("cuda", "torch")]


def test_a_name_applies_only_to_the_ops_that_have_such_kernels(modules: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    on_cuda = {"tinycudann": "good_kernels", "triton": "bad_kernels"}
    both = Op("encode", {"cpu": {"numba": "good_kernels"}, "cuda": on_cuda})
    other = Op("march", {"cpu": {"numba": "good_kernels"}, "cuda": {"triton": "good_kernels"}})
    monkeypatch.setenv(backend.VARIABLE, "tinycudann")
    assert both.pick(CUDA) is modules["good"] and other.pick(CUDA) is modules["good"]
    monkeypatch.setenv(backend.VARIABLE, "torch")
    assert both.pick(CUDA) is None and other.pick(CPU) is None
    monkeypatch.setenv(backend.VARIABLE, "numba, triton")
    assert other.pick(CUDA) is modules["good"] and both.pick(CPU) is modules["good"]


@pytest.mark.parametrize(
    ("asked", "device", "facts"),
    [
        ("cuda", CPU, ["'cuda'"]),
        ("nerfacc", CPU, ["'nerfacc'"]),
        ("tinycudann", CPU, ["tinycudann", "not installed"]),
        ("numba", CUDA, ["encode", "numba", "on cuda"]),
        ("numba", CPU, ["numba", "encode", "OSError: kernel does not compile"]),
    ],
)
def test_requesting_an_absent_backend_is_an_error_with_a_hint(
    asked: str, device: torch.device, facts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(backend.VARIABLE, asked)
    monkeypatch.setattr(backend, "find_spec", lambda name: None if name == "tinycudann" else object())
    op = Op("encode", {"cpu": {"numba": "bad_kernels"}, "cuda": {"triton": "good_kernels"}})
    with pytest.raises(RadfieldError, match="try: ") as raised:
        op.pick(device)
    (problem,) = raised.value.problems
    assert problem.path == backend.VARIABLE and problem.hint and all(fact in problem.message for fact in facts)
    monkeypatch.delenv(backend.VARIABLE)
    op.pick(device)


@pytest.mark.parametrize("absent", ["nerfacc", "tinycudann"])
def test_a_device_is_not_chosen_while_an_absent_backend_is_requested(
    absent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert choose_device("cpu") == CPU
    monkeypatch.setenv(backend.VARIABLE, f"torch,{absent}")
    monkeypatch.setattr(backend, "find_spec", lambda name: None if name == "tinycudann" else object())
    with pytest.raises(UsageError, match=f"^{backend.VARIABLE}: .*{absent}.*\n    try: "):
        choose_device("cpu")


@pytest.mark.parametrize("name", ["meta", "cpu:0", "mps", "xla", "cuda:", "cuda:-1", "cuda:4711", "", "GPU"])
def test_an_unavailable_device_is_an_error_that_lists_the_available_ones(name: str) -> None:
    with pytest.raises(UsageError) as raised:
        choose_device(name, "--device")
    (problem,) = raised.value.problems
    assert problem.path == "--device" and repr(name) in problem.message
    assert "auto or cpu" in problem.hint
