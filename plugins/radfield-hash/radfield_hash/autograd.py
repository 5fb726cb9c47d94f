"""Derivatives of the encoding. They are computed by the four kernels of a backend, and can be differentiated again.

The features y(x, T) are linear in the table T. Let g be a gradient with respect to y. Let p be the position gradient,
and v a gradient with respect to p. The kernels compute:

    table gradient      ∂⟨g, y⟩/∂T            kernels.table_gradient(x, g)
    position gradient   p = ∂⟨g, y⟩/∂x        kernels.position_gradient(x, T, g)
    second derivatives  ∂⟨v, p⟩/∂(g, x)       kernels.second(x, T, g, v)
                        ∂⟨v, p⟩/∂T            kernels.table_gradient(x, g, v)

Values and position gradients are separate nodes of the autograd graph. The node of the values has no edge to the
positions, and the node of the position gradients has no edge to the table. So if only the gradient with respect to
position is needed, as for a surface normal, the table gradient is not computed. It would double the cost.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor
from torch.autograd import Function

from radfield_hash import reference
from radfield_hash.levels import Grid


class Kernels(Protocol):
    """The four kernels of a backend.

    All tensors are contiguous, float32 and on one device: x and v [M, 3], g [M, L·F], table [n_entries, F]. The
    docstring of this module defines the symbols.
    """

    def values(self, x: Tensor, table: Tensor, grid: Grid) -> Tensor:
        """Return the features y [M, L·F] of the positions x."""

    def table_gradient(self, x: Tensor, g: Tensor, grid: Grid, v: Tensor | None = None) -> Tensor:
        """Return the gradient [n_entries, F] of ⟨g, y⟩ with respect to the table.

        If `v` is given, return the gradient of ⟨v, ∂⟨g, y⟩/∂x⟩ instead.
        """

    def position_gradient(self, x: Tensor, table: Tensor, g: Tensor, grid: Grid) -> Tensor:
        """Return the gradient [M, 3] of ⟨g, y⟩ with respect to x."""

    def second(self, x: Tensor, table: Tensor, g: Tensor, v: Tensor, grid: Grid) -> tuple[Tensor, Tensor]:
        """Return the gradients of ⟨v, ∂⟨g, y⟩/∂x⟩ with respect to g [M, L·F] and to x [M, 3]."""


def encode(x: Tensor, table: Tensor, grid: Grid, kernels: Kernels) -> Tensor:
    """Return the features [M, L·F] of positions x [M, 3], interpolated in the table [n_entries, F].

    Both are float32. The features are differentiable to any order.
    """
    if grid.n_features == 1:
        pairs = torch.cat([table, torch.zeros_like(table)], -1)
        return encode(x, pairs, grid._replace(n_features=2), kernels)[:, ::2]
    x, table = x.contiguous(), table.contiguous()
    y: Tensor = _apply(_Values, table, (x,), grid, kernels)
    return _apply(_Positions, y, x, (table,), grid, kernels) if x.requires_grad else y


def _apply(function: type[Function], *arguments: Any) -> Any:
    return function.apply(*arguments)  # type: ignore[no-untyped-call]  # torch gives `apply` no types


class _Values(Function):
    @staticmethod
    def forward(ctx: Any, table: Tensor, points: tuple[Tensor], grid: Grid, kernels: Kernels) -> Tensor:
        ctx.save_for_backward(*points)
        ctx.grid, ctx.kernels = grid, kernels
        return kernels.values(points[0], table, grid)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return _apply(_TableGradient, g.contiguous(), x, ctx.grid, ctx.kernels), None, None, None


class _Positions(Function):
    """A function that returns the features y unchanged. Its only purpose is its backward pass, which adds the gradient
    with respect to x."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, x: Tensor, tables: tuple[Tensor], grid: Grid, kernels: Kernels) -> Tensor:
        ctx.save_for_backward(x, *tables)
        ctx.grid, ctx.kernels = grid, kernels
        ctx.mark_dirty(y)  # without this, y would be returned as a view, which callers could not modify in place
        return y

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        x, table = ctx.saved_tensors
        return g, _apply(_PositionGradient, g.contiguous(), x, table, ctx.grid, ctx.kernels), None, None, None


class _TableGradient(Function):
    @staticmethod
    def forward(ctx: Any, g: Tensor, x: Tensor, grid: Grid, kernels: Kernels) -> Tensor:
        ctx.save_for_backward(g, x)
        ctx.grid, ctx.kernels = grid, kernels
        return kernels.table_gradient(x, g, grid)

    @staticmethod
    def backward(ctx: Any, v: Tensor) -> Any:
        g, x = ctx.saved_tensors
        v = v.contiguous()
        by_g = encode(x, v, ctx.grid, ctx.kernels) if ctx.needs_input_grad[0] else None
        by_x = _apply(_PositionGradient, g, x, v, ctx.grid, ctx.kernels) if ctx.needs_input_grad[1] else None
        return by_g, by_x, None, None


class _PositionGradient(Function):
    @staticmethod
    def forward(ctx: Any, g: Tensor, x: Tensor, table: Tensor, grid: Grid, kernels: Kernels) -> Tensor:
        ctx.save_for_backward(g, x, table)
        ctx.grid, ctx.kernels = grid, kernels
        return kernels.position_gradient(x, table, g, grid)

    @staticmethod
    def backward(ctx: Any, v: Tensor) -> Any:
        g, x, table = ctx.saved_tensors
        if torch.is_grad_enabled():
            return *_second_by_reference(g, x, table, v, ctx.grid), None, None
        v = v.contiguous()
        by_g, by_x = ctx.kernels.second(x, table, g, v, ctx.grid)
        by_table = ctx.kernels.table_gradient(x, g, ctx.grid, v) if ctx.needs_input_grad[2] else None
        return by_g, by_x, by_table, None, None


def _second_by_reference(g: Tensor, x: Tensor, table: Tensor, v: Tensor, grid: Grid) -> tuple[Tensor, ...]:
    """Return gradients of ⟨v, ∂⟨g, y⟩/∂x⟩ with respect to g, x and the table. They can be differentiated again.

    This function is slow, but only third derivatives need it. The derivatives are taken with respect to views of g, x
    and the table, because g itself may depend on x, and autograd accounts for that dependence elsewhere.
    """
    views = [
        tensor.view_as(tensor) if tensor.requires_grad else tensor.detach().requires_grad_() for tensor in (g, x, table)
    ]
    (p,) = torch.autograd.grad(reference.encode(views[1], views[2], grid), views[1], views[0], create_graph=True)
    return torch.autograd.grad(p, views, v, create_graph=True)
