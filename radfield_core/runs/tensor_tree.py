"""Conversion of nested state, such as the state of an optimizer, into JSON values and a table of tensors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor


def split(tree: Any) -> tuple[Any, dict[str, Tensor]]:
    """Separate a tree of dicts, lists, tuples and scalars from the tensors in it.

    JSON cannot express tuples, NaN, infinity, or keys that are not text. Such values are encoded, and `join` restores
    them.

    Example:
        >>> split({0: (1.5, None)})
        ({'dict': [[0, {'tuple': [1.5, None]}]]}, {})

    Returns:
        Two values: the tree as JSON values, in which each tensor is replaced by a number, and a dictionary: number ->
        tensor.

    Raises:
        TypeError: the tree contains an object of another type.
    """
    tensors: dict[str, Tensor] = {}

    def walk(node: Any) -> Any:
        if isinstance(node, Tensor):
            number = str(len(tensors))
            tensors[number] = node
            return {"tensor": number}
        if isinstance(node, Mapping):
            return {"dict": [[walk(key), walk(value)] for key, value in node.items()]}
        if isinstance(node, (list, tuple)):
            return {type(node).__name__: [walk(item) for item in node]}
        if isinstance(node, float) and not math.isfinite(node):
            return {"float": repr(node)}
        if node is None or isinstance(node, (bool, int, float, str)):
            return node
        raise TypeError(f"the optimizer's state holds a {type(node).__name__}, which a checkpoint cannot store")

    return walk(tree), tensors


def join(node: Any, tensors: Mapping[str, Tensor]) -> Any:
    """Restore a tree from the JSON values and the tensors that `split` returned for this tree.

    Raises:
        KeyError, TypeError or ValueError: the values do not come from `split`.
    """
    if not isinstance(node, (dict, list)):
        return node
    if isinstance(node, list):
        raise ValueError("a list stands without its kind")
    ((kind, value),) = node.items()
    if kind == "tensor":
        return tensors[value]
    if kind == "float":
        return float(value)
    if kind == "dict":
        return {join(key, tensors): join(item, tensors) for key, item in value}
    if kind not in ("tuple", "list"):
        raise ValueError(f"{kind!r} is not a kind of value that a checkpoint stores")
    items = [join(item, tensors) for item in value]
    return tuple(items) if kind == "tuple" else items
