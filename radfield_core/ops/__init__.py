"""Numerical operations on tensors. Each is defined in plain torch, and accelerated kernels must agree.

The modules `activation`, `contraction`, `derivatives`, `distortion`, `frustum`, `mlp`, `ndc`, `networks`, `segments`,
`stepfun` and `volume` are public. The names below are public too: they are layouts of samples, and tools for writing
kernels.
"""

from typing import TYPE_CHECKING

from radfield_core.names import lazy

if TYPE_CHECKING:
    from radfield_core.ops.backend import Op as Op, device_of as device_of, using as using
    from radfield_core.ops.jit import inlined as inlined, kernel as kernel
    from radfield_core.ops.layout import Layout as Layout, LayoutError as LayoutError, Packing as Packing
    from radfield_core.ops.precision import at_least_float32 as at_least_float32

_HOMES = {
    "backend": "Op device_of using",
    "jit": "inlined kernel",
    "layout": "Layout LayoutError Packing",
    "precision": "at_least_float32",
}

if not TYPE_CHECKING:  # a type checker that finds a __getattr__ accepts any name
    __getattr__, __dir__ = lazy(__name__, _HOMES)
