"""Replacing parameters during training by parameters of another shape, such as more Gaussians or a finer grid."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from radfield_core.errors import PluginError

MapState = Callable[[Tensor], Tensor]
"""Function that maps a tensor of the old parameter's shape to the new shape, such as an interpolation."""


class TrainedParameters:
    """The parameters of a model in training. `Part.adapt` and `Model.adapt` replace some of them with `replace`.

    Args:
        model: the model.
        optimizer: the optimizer that trains its parameters; None if there is none.

    Example:
        >>> class Cloud(nn.Module):
        ...     growing = ("points",)
        ...
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.points = nn.Parameter(torch.zeros(2, 3))
        >>> cloud = Cloud()
        >>> optimizer = torch.optim.Adam(cloud.parameters())
        >>> rows = torch.tensor([0, 1, 1])  # a second copy of point 1
        >>> TrainedParameters(cloud, optimizer).replace(cloud, "points", cloud.points[rows], rows)
        >>> cloud.points.shape, optimizer.param_groups[0]["params"][0] is cloud.points
        (torch.Size([3, 3]), True)
    """

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer | None = None):
        self._model, self._optimizer = model, optimizer
        self._rows: dict[nn.Module, dict[str, int]] = {}

    def replace(self, part: nn.Module, name: str, value: Tensor, state: Tensor | MapState | None = None) -> None:
        """Replace a parameter of a part, which may have another shape afterward. The optimizer trains the new one.

        Tensors in the optimizer's state that have the shape of the parameter, such as Adam's moments, are mapped as
        `state` says. Scalars in its state, such as the number of steps, stay. If the state has other tensors, as
        Adafactor's has, the whole state of this parameter starts anew.

        Args:
            part: the part, or the model, that has the parameter. Its attribute `growing` must contain `name`.
            name: name of the parameter. A buffer may be replaced too; the optimizer has no state of it.
            value: the new values. A tensor with at most two dimensions may change only its number of rows. All tensors
                in `growing` that have the same number of rows must be replaced together.
            state: the origin of the optimizer's state. For each new row, the number of the old row from which it is
                copied, or −1 for a row of zeros, as a tensor [rows] int64. Or a function from the old shape to the new
                shape. None sets the state to zero.

        Raises:
            PluginError: `growing` does not contain the name, or the shapes do not fit.
        """
        owner, leaf = _owner(part, name)
        old = getattr(owner, leaf)
        _check(part, name, old, value, state)
        self._rows.setdefault(part, rows_of(part))
        value = value.detach().to(old).contiguous()
        if leaf in owner._buffers:
            owner._buffers[leaf] = value.clone() if value is old else value
            return
        new = nn.Parameter(value.clone(), requires_grad=old.requires_grad)
        for module in self._model.modules():  # a parameter may be shared by several modules
            for key, parameter in module._parameters.items():
                if parameter is old:
                    module._parameters[key] = new
        if self._optimizer is not None:
            _replace_in(self._optimizer, old, new, state)

    def check(self) -> None:
        """Check that tensors of a part which had the same number of rows before the replacements still have.

        Raises:
            PluginError: they have not.
        """
        for part, before in self._rows.items():
            fault = uneven(before, rows_of(part))
            if fault:
                raise PluginError(
                    f"{type(part).__name__}.adapt left {fault}", hint="Replace all of them, or divide the part in two"
                )
        self._rows.clear()


def rows_of(part: nn.Module) -> dict[str, int]:
    """Return a dictionary: name in `growing` -> number of rows of this tensor."""
    tensors = {name: getattr(*_owner(part, name)) for name in getattr(part, "growing", ())}
    return {name: len(tensor) for name, tensor in tensors.items() if tensor.dim()}


def uneven(before: Mapping[str, int], after: Mapping[str, int]) -> str:
    """Return a description of two tensors whose numbers of rows were equal before and differ after, or ""."""
    first: dict[int, str] = {}
    for name, rows in before.items():
        other = first.setdefault(rows, name)
        if name in after and other in after and after[name] != after[other]:
            return f"{after[other]} rows in {other!r} and {after[name]} rows in {name!r}"
    return ""


def may_become(old: Tensor, new: Tensor) -> bool:
    """Return True if a growing tensor may take a new shape. With at most two dimensions, only the rows may change."""
    return old.dim() == new.dim() > 0 and (old.dim() > 2 or old.shape[1:] == new.shape[1:])


def _check(part: nn.Module, name: str, old: Tensor, value: Tensor, state: Tensor | MapState | None) -> None:
    """Raise PluginError if a tensor cannot be replaced by these values and this state."""
    kind, growing = type(part).__name__, getattr(part, "growing", ())
    if name not in growing:
        hint = f"growing = {(*growing, name)!r}"
        raise PluginError(f"{kind} replaces {name!r}, but its attribute growing does not contain it", hint=hint)
    if not may_become(old, value):
        shapes = f"{list(old.shape)} by {list(value.shape)}"
        raise PluginError(f"{kind} replaces {name!r} of shape {shapes}; only the number of rows may change")
    if isinstance(state, Tensor) and (
        state.shape != value.shape[:1]
        or old.shape[1:] != value.shape[1:]
        or not bool(((state >= -1) & (state < len(old))).all())
    ):
        raise PluginError(
            f"{kind} replaces {name!r} with rows that do not fit: one number from −1 to {len(old) - 1} is needed for "
            f"each of {len(value)} rows"
        )


def _owner(part: nn.Module, name: str) -> tuple[nn.Module, str]:
    """Return the module that has a tensor, and the last word of its name: "grid.weight" is "weight" of part.grid."""
    path, _, leaf = name.rpartition(".")
    return part.get_submodule(path), leaf


def _replace_in(
    optimizer: torch.optim.Optimizer, old: nn.Parameter, new: nn.Parameter, state: Tensor | MapState | None
) -> None:
    """Let an optimizer train `new` instead of `old`."""
    for group in optimizer.param_groups:
        group["params"] = [new if parameter is old else parameter for parameter in group["params"]]
    if old not in optimizer.state:
        return
    entries: dict[str, Any] = optimizer.state.pop(old)
    kept = {
        key: _mapped(entry, new, state) if isinstance(entry, Tensor) and entry.shape == old.shape else entry
        for key, entry in entries.items()
    }
    if not any(isinstance(entry, Tensor) and entry.dim() and entry.shape != new.shape for entry in kept.values()):
        optimizer.state[new] = kept


def _mapped(entry: Tensor, new: nn.Parameter, state: Tensor | MapState | None) -> Tensor:
    """Return a tensor of the optimizer's state for the new parameter."""
    if state is None:
        return torch.zeros_like(new, dtype=entry.dtype)
    if isinstance(state, Tensor):
        state = state.to(entry.device)
        known = (state >= 0).view(-1, *[1] * (entry.dim() - 1))
        return torch.where(known, entry[state.clamp_min(0)], 0.0)
    mapped = state(entry).detach().to(entry).contiguous()
    if mapped.shape != new.shape:
        raise PluginError(f"state= maps the optimizer's state to shape {list(mapped.shape)}, not {list(new.shape)}")
    return mapped
