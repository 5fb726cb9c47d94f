"""Nested state with tensors survives the way through JSON and a table of tensors."""

from __future__ import annotations

import json
import math

import pytest
import torch
from hypothesis import given, settings, strategies as st

from radfield_core.runs.tensor_tree import join, split

scalars = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats() | st.text(max_size=5)
tensors = st.integers(0, 3).map(lambda n: torch.arange(n, dtype=torch.float64))
trees = st.recursive(
    scalars | tensors,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.integers() | st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(trees)
@settings(max_examples=100, deadline=None)
def test_any_tree_is_restored_from_json_and_tensors(tree: object) -> None:
    values, found = split(tree)
    stored = json.loads(json.dumps(values, allow_nan=False))
    assert repr(join(stored, found)) == repr(tree)  # repr tells tuples from lists, -0.0 from 0.0, and NaN is itself


def test_tensors_are_kept_as_they_are_and_numbered_in_order() -> None:
    first, second = torch.ones(2), torch.zeros(3)
    values, found = split({"a": [first], "b": (second, math.inf)})
    assert found["0"] is first and found["1"] is second and len(found) == 2
    assert "Tensor" not in repr(values)


def test_a_set_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match="holds a set"):
        split({"odd": {1, 2}})


@pytest.mark.parametrize("node", [{"tensor": "7"}, {"float": "x"}, {"a": 1, "b": 2}, {"dict": [[1]]}])
def test_values_that_no_split_returned_are_an_error(node: object) -> None:
    with pytest.raises((KeyError, ValueError, TypeError)):
        join(node, {})
