"""Derivatives of the encoding, composed of a backend's four kernels so that they can be differentiated again.

The features y(x, T) are linear in the table T. With g a gradient by y, and v a gradient by a position gradient:

    table gradient      ∂⟨g, y⟩/∂T            kernels.table_gradient(x, g)
    position gradient   p = ∂⟨g, y⟩/∂x        kernels.position_gradient(x, T, g)
    second derivatives  ∂⟨v, p⟩/∂(g, x)       kernels.second(x, T, g, v)
                        ∂⟨v, p⟩/∂T            kernels.table_gradient(x, g, v)

Values and position gradients are separate nodes, each without an edge to the other's input. A gradient by position
alone (a surface normal) then does not compute the table gradient, which costs as much again.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor
from torch.autograd import Function

from radfield_hash import reference
from radfield_hash.levels import Grid


class Kernels(Protocol):
    """Kernels of one backend.

    All arguments are contiguous float32 on one device: x and v [M, 3], g [M, L·F], table [n_entries, F].
    """

    def values(self, x: Tensor, table: Tensor, grid: Grid) -> Tensor:
        """Features [M, L·F]."""

    def table_gradient(self, x: Tensor, g: Tensor, grid: Grid, v: Tensor | None = None) -> Tensor:
        """Gradient by the table [n_entries, F] of ⟨g, y⟩, or with `v` of ⟨v, ∂⟨g, y⟩/∂x⟩."""

    def position_gradient(self, x: Tensor, table: Tensor, g: Tensor, grid: Grid) -> Tensor:
        """Gradient by x [M, 3] of ⟨g, y⟩."""

    def second(self, x: Tensor, table: Tensor, g: Tensor, v: Tensor, grid: Grid) -> tuple[Tensor, Tensor]:
        """Gradients by g [M, L·F] and by x [M, 3] of ⟨v, ∂⟨g, y⟩/∂x⟩."""


def encode(x: Tensor, table: Tensor, grid: Grid, kernels: Kernels) -> Tensor:
    """Features [M, L·F] of x [M, 3] from the table [n_entries, F], both float32; differentiable to any order."""
    if grid.n_features == 1:
        pairs = torch.cat([table, torch.zeros_like(table)], -1)
        return encode(x, pairs, grid._replace(n_features=2), kernels)[:, ::2]
    x, table = x.contiguous(), table.contiguous()
    y: Tensor = _apply(_Values, table, (x,), grid, kernels)
    return _apply(_Positions, y, x, (table,), grid, kernels) if x.requires_grad else y


def _apply(function: type[Function], *arguments: Any) -> Any:
    return function.apply(*arguments)  # type: ignore[no-untyped-call]  # torch leaves it without types


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
    """The identity on y; its backward pass adds the gradient by position."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, x: Tensor, tables: tuple[Tensor], grid: Grid, kernels: Kernels) -> Tensor:
        ctx.save_for_backward(x, *tables)
        ctx.grid, ctx.kernels = grid, kernels
        ctx.mark_dirty(y)  # returning a view instead would forbid callers to modify it in place
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
    """Gradients of ⟨v, ∂⟨g, y⟩/∂x⟩ by g, x and the table, differentiable again; slow, and rarely needed.

    Differentiates by views of g, x and the table: g may depend on x, and autograd already follows that path.
    """
    views = [
        tensor.view_as(tensor) if tensor.requires_grad else tensor.detach().requires_grad_() for tensor in (g, x, table)
    ]
    (p,) = torch.autograd.grad(reference.encode(views[1], views[2], grid), views[1], views[0], create_graph=True)
    return torch.autograd.grad(p, views, v, create_graph=True)
