"""Core's own declaration: its parts can be imported, and they are of their kinds."""

from __future__ import annotations

import pytest

from radfield_core.builtin.plugin import radfield_benchmarks, radfield_components
from radfield_core.interfaces import Loss, Renderer, Sampler
from radfield_core.plugin import Component, load
from radfield_core.testing.toys import toy_context

KINDS = {"sampler": Sampler, "renderer": Renderer, "loss": Loss}


@pytest.mark.parametrize("declared", radfield_components(), ids=lambda declared: declared.key)
def test_a_declared_part_is_of_its_kind_under_its_default_options(declared: Component) -> None:
    part = load(declared.impl)(load(declared.config)(), toy_context())
    assert isinstance(part, KINDS[declared.kind])


@pytest.mark.parametrize(
    "declared", [part for part in radfield_components() if part.capabilities], ids=lambda declared: declared.key
)
def test_capabilities_under_default_options_contain_the_declared_ones(declared: Component) -> None:
    assert declared.capabilities is not None
    provides, requires = load(declared.capabilities)(load(declared.config)())
    assert declared.provides <= provides and set(declared.requires) <= set(requires)


@pytest.mark.parametrize("name", radfield_benchmarks())
def test_a_declared_benchmark_can_be_imported(name: str) -> None:
    assert callable(load(radfield_benchmarks()[name]))
