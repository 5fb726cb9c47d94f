"""Optimizers of torch without its compiler.

The methods of torch's optimizers import `torch._dynamo` when they are first called, so that a compiled training loop
leaves them out. Training is not compiled here, and this import takes a second and 130 MiB.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch.optim import Optimizer

_MARKED = ("add_param_group", "load_state_dict", "state_dict", "zero_grad")
_COMPILER = "torch._dynamo"


def keep_compiler_out() -> None:
    """Let the methods of all optimizers run without the compiler, unless it is imported already.

    The methods are wrapped: the wrapper imports the compiler and marks the wrapped function. A function that is marked
    already is called at once. If another version of torch does not know this mark, it imports the compiler as before.
    """
    if _COMPILER in sys.modules:
        return
    for name in _MARKED:
        function: Any = getattr(getattr(Optimizer, name), "__wrapped__", None)
        if function is not None and not hasattr(function, "__dynamo_disable"):
            function.__dynamo_disable = function


def take_step(optimizer: Optimizer) -> None:
    """Take a step of an optimizer, like `optimizer.step()`.

    An optimizer of torch without hooks takes the step without the compiler. Any other one takes it itself.

    Example:
        >>> weight = torch.nn.Parameter(torch.ones(1))
        >>> optimizer = torch.optim.SGD([weight], lr=0.5)
        >>> weight.grad = torch.ones(1)
        >>> take_step(optimizer)
        >>> weight.tolist()
        [0.5]
    """
    step = _plain_step(type(optimizer))
    if step is None or "step" in vars(optimizer) or _has_hooks(optimizer) or optimizer.defaults.get("differentiable"):
        optimizer.step()
        return
    with torch.no_grad():
        step(optimizer)


def _plain_step(kind: type[Optimizer]) -> Callable[[Optimizer], Any] | None:
    """Return the step of a class of optimizers without its wrappers, or None if the class is not torch's."""
    if kind.__module__.split(".")[:2] != ["torch", "optim"]:
        return None
    step: Callable[[Optimizer], Any] = inspect.unwrap(kind.step)
    return step


def _has_hooks(optimizer: Optimizer) -> bool:
    """True if functions are to be called before or after a step. The wrappers call them."""
    module = sys.modules[Optimizer.__module__]
    local = (getattr(optimizer, f"_optimizer_step_{when}_hooks", None) for when in ("pre", "post"))
    everywhere = (getattr(module, f"_global_optimizer_{when}_hooks", None) for when in ("pre", "post"))
    return any((*local, *everywhere))
