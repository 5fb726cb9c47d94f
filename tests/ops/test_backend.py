"""Choice of implementations: by device, by what loads, and by name."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType

import pytest
import torch

from radfield_core.errors import RadfieldError, UsageError
from radfield_core.ops import backend
from radfield_core.ops.backend import Op, choose_device

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture(autouse=True)
def modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, ModuleType]]:
    good, bad = ModuleType("good_twin"), ModuleType("bad_twin")

    def fails() -> None:
        raise OSError("kernel does not compile\nand here is why")

    bad.warm_up = fails  # type: ignore[attr-defined]
    for module in (good, bad):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(backend, "_chosen", {})
    monkeypatch.setattr(backend, "find_spec", lambda name: object())
    monkeypatch.delenv(backend.VARIABLE, raising=False)
    yield {"good": good, "bad": bad}


def test_the_best_twin_that_loads_is_taken_and_the_reason_for_passing_another_is_kept(modules: dict) -> None:
    op = Op("encode", {"cpu": {"numba": "no_such_module", "tinycudann": "bad_twin", "triton": "good_twin"}})
    assert op.pick(CPU) is modules["good"]
    (chosen,) = backend.choices()
    assert chosen.backend == "triton"
    assert "no_such_module" in chosen.passed_over["numba"]
    assert chosen.passed_over["tinycudann"] == "OSError: kernel does not compile"
    assert str(chosen).startswith("encode: triton on cpu (no numba: ")


def test_a_twin_that_takes_gradients_to_try_itself_loads_whatever_the_first_caller_is_in(modules: dict) -> None:
    def warm_up() -> None:
        (torch.ones(3, requires_grad=True) ** 2).sum().backward()

    modules["good"].warm_up = warm_up
    with torch.inference_mode():
        assert Op("encode", {"cpu": {"numba": "good_twin"}}).pick(CPU) is modules["good"]
    with torch.no_grad():
        assert Op("march", {"cpu": {"numba": "good_twin"}}).pick(CPU) is modules["good"]


def test_only_installed_backends_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    op = Op("an op", {"cpu": {"numba": "numpy", "tinycudann": "numpy"}})
    monkeypatch.setattr(backend, "find_spec", lambda name: object() if name == "numba" else None)
    assert op.installed("cpu") == ["numba"] and op.installed("cuda") == []


def test_without_a_twin_for_the_device_the_reference_runs() -> None:
    op = Op("encode", {"cpu": {"numba": "good_twin"}})
    assert op.pick(CUDA) is None
    assert [(c.device, c.backend) for c in backend.choices()] == [("cuda", "torch")]


def test_a_name_decides_for_the_ops_that_offer_it_and_leaves_the_others_free(
    modules: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = Op("encode", {"cpu": {"numba": "good_twin"}, "cuda": {"tinycudann": "good_twin", "triton": "bad_twin"}})
    other = Op("march", {"cpu": {"numba": "good_twin"}, "cuda": {"triton": "good_twin"}})
    monkeypatch.setenv(backend.VARIABLE, "tinycudann")
    assert both.pick(CUDA) is modules["good"] and other.pick(CUDA) is modules["good"]
    monkeypatch.setenv(backend.VARIABLE, "torch")
    assert both.pick(CUDA) is None and other.pick(CPU) is None
    monkeypatch.setenv(backend.VARIABLE, "numba, triton")
    assert other.pick(CUDA) is modules["good"] and both.pick(CPU) is modules["good"]


@pytest.mark.parametrize(
    ("asked", "device", "message"),
    [
        ("cuda", CPU, "unknown backend 'cuda'"),
        ("nerfacc", CPU, "unknown backend 'nerfacc'"),
        ("tinycudann", CPU, "tinycudann was asked for and is not installed"),
        ("numba", CUDA, "encode has no numba implementation on cuda"),
        ("numba", CPU, "numba was asked for, and encode cannot load it: OSError: kernel does not compile"),
    ],
)
def test_asking_for_an_absent_twin_is_an_error_that_says_what_to_try(
    asked: str, device: torch.device, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(backend.VARIABLE, asked)
    monkeypatch.setattr(backend, "find_spec", lambda name: None if name == "tinycudann" else object())
    op = Op("encode", {"cpu": {"numba": "bad_twin"}, "cuda": {"triton": "good_twin"}})
    with pytest.raises(RadfieldError, match="try: ") as raised:
        op.pick(device)
    assert str(raised.value).startswith(f"{backend.VARIABLE}: {message}")
    monkeypatch.delenv(backend.VARIABLE)
    op.pick(device)


@pytest.mark.parametrize("absent", ["nerfacc", "tinycudann"])
def test_no_run_starts_with_an_absent_backend_even_if_no_op_of_its_would_have_a_twin(
    absent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert choose_device("cpu") == CPU
    monkeypatch.setenv(backend.VARIABLE, f"torch,{absent}")
    monkeypatch.setattr(backend, "find_spec", lambda name: None if name == "tinycudann" else object())
    with pytest.raises(UsageError, match=f"^{backend.VARIABLE}: .*{absent}.*\n    try: "):
        choose_device("cpu")


@pytest.mark.parametrize("name", ["meta", "cpu:0", "mps", "xla", "cuda:", "cuda:-1", "cuda:4711", "", "GPU"])
def test_a_device_on_which_nothing_runs_is_refused_with_those_that_there_are(name: str) -> None:
    with pytest.raises(UsageError) as raised:
        choose_device(name, "--device")
    (problem,) = raised.value.problems
    assert problem.path == "--device" and problem.message.startswith(f"no device {name!r} here")
    assert problem.hint.startswith("auto or cpu")
