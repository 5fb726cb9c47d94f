"""Facts about the machine, so that results can be compared."""

from __future__ import annotations

import os
from importlib.metadata import version

import torch

from radfield_core.bench import machine as module
from radfield_core.bench.machine import machine


def test_the_facts_are_those_of_this_machine() -> None:
    facts = machine()
    assert facts["cores"] == os.cpu_count() and facts["threads"] == torch.get_num_threads()
    assert facts["versions"]["torch"] == version("torch") and facts["versions"]["numpy"] == version("numpy")
    assert isinstance(facts["processor"], str) and facts["processor"]
    assert (facts["accelerator"] is None) == (not torch.cuda.is_available())
    assert len(facts["load_average"]) == 3


def test_the_threads_of_a_child_process_can_be_given() -> None:
    assert machine(threads=7)["threads"] == 7


def test_packages_that_are_not_installed_are_left_out(monkeypatch) -> None:
    monkeypatch.setattr(module, "PACKAGES", ("torch", "no-such-distribution"))
    assert set(machine()["versions"]) == {"torch"}
