"""The benchmarks that are installed: every plugin with kernels offers one, and they are chosen by name."""

from __future__ import annotations

import pytest

from radfield_core.bench.offered import benchmarks, chosen
from radfield_core.errors import UsageError
from radfield_core.plugins.registry import get_registry


def test_every_plugin_with_kernels_is_measured() -> None:
    assert set(benchmarks(get_registry())) >= {"compositing", "hash encoding", "marching", "perceptron"}


def test_names_choose_functions_in_the_order_they_are_given_and_no_name_chooses_all() -> None:
    registry = get_registry()
    offered = benchmarks(registry)
    two = ["perceptron", "compositing"]
    assert list(chosen(registry, two).items()) == [(name, offered[name]) for name in two]
    assert list(chosen(registry, []).items()) == list(offered.items())


def test_every_unknown_name_is_listed_and_the_nearest_is_suggested() -> None:
    with pytest.raises(UsageError, match="'marhcing', 'x'") as caught:
        chosen(get_registry(), ["marhcing", "marching", "x"])
    assert caught.value.problems[0].hint == "radfield bench micro marching"
