"""The hooks: each is documented parameter by parameter, and its body is never meant to run."""

from __future__ import annotations

import inspect

import pytest

from radfield_core.plugins import hookspecs

HOOKS = {name: hook for name, hook in vars(hookspecs).items() if name.startswith("radfield_")}


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_says_since_when_and_explains_its_parameters(name: str) -> None:
    text = inspect.getdoc(HOOKS[name])
    assert text is not None and "Since 1." in text
    assert all(f"{parameter}:" in text for parameter in inspect.signature(HOOKS[name]).parameters)


@pytest.mark.parametrize("name", ["radfield_components", "radfield_benchmarks"])
def test_a_hook_that_returns_something_has_no_usable_body(name: str) -> None:
    with pytest.raises(NotImplementedError):
        HOOKS[name]()
