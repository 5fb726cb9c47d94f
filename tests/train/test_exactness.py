"""A resumed run says what may change its last bits: other hardware, threads or software, and a GPU in any case."""

from __future__ import annotations

import pytest
import torch

from radfield_core.ops import backend
from radfield_core.ops.backend import Op, using
from radfield_core.train.exactness import conditions, departures

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 1)


def test_the_conditions_name_the_device_the_threads_torch_and_the_backends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "_selections", {})
    with using("torch"):
        Op("encode", {"cpu": {"numba": "no_such_module"}}).pick(CPU)
        found = conditions(CPU)
    assert found == {
        "device": "cpu", "threads": torch.get_num_threads(), "torch": torch.__version__, "backend of encode": "torch",
    }  # fmt: skip
    with using("numba"):
        assert "backend of encode" not in conditions(CPU)
    with using("torch"):
        Op("march", {"cuda": {"triton": "no_such_module"}}).pick(CUDA)
        for device, expected in ((CUDA, {"march": "torch"}), (torch.device("cuda", 0), {}), (CPU, {"encode": "torch"})):
            assert backend.in_use(device) == expected
        without_number = torch.device("cuda")  # as trainer.device names it; tensors have the number
        assert backend.in_use(without_number) == {"march": "torch"}
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"card {device.index}")
    assert conditions(CUDA)["device"] == "card 1"


def test_on_a_cpu_equal_conditions_are_no_reason_for_a_warning() -> None:
    now: dict[str, str | int] = {"device": "cpu", "threads": 1, "torch": "2.13", "backend of encode": "numba"}
    assert departures(dict(now), now, CPU) == []
    del (saved := dict(now))["backend of encode"]  # the kernel was not used before the checkpoint
    assert departures(saved, now, CPU) == [] and departures(now, saved, CPU) == []


@pytest.mark.parametrize(
    ("key", "value"), [("device", "H200"), ("threads", 2), ("torch", "2.12"), ("backend of e", "x")]
)
def test_each_other_condition_is_named_with_both_values(key: str, value: str | int) -> None:
    now: dict[str, str | int] = {"device": "cpu", "threads": 1, "torch": "2.13", "backend of e": "numba"}
    (warning,) = departures({**now, key: value}, now, CPU)
    changed, how = f"{key} {value}, now {now[key]}", " (OMP_NUM_THREADS=2 sets the number of threads)"
    expected = f"the checkpoint was saved with {changed}: results may differ in the last bits"
    assert warning == expected + how * (key == "threads")


@pytest.mark.parametrize("saved", [None, [], {"device": {"a": [1]}}, {"threads": "x" * 10_000}])
def test_conditions_of_a_stranger_s_file_are_only_compared(saved: object) -> None:
    (warning,) = departures(saved, {"device": "cpu", "threads": 1}, CPU)
    assert len(warning) < 400 and "may differ in the last bits" in warning


def test_on_a_gpu_a_resumed_run_is_never_promised_to_the_bit() -> None:
    now: dict[str, str | int] = {"device": "H200", "threads": 1, "torch": "2.13"}
    (warning,) = departures(dict(now), now, CUDA)
    assert "summed in no fixed order" in warning and "differ in the last bits" in warning
