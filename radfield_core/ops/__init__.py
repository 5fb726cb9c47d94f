"""Pure maths on tensors. Every op is defined in plain torch; kernels of the same op are faster and must agree with it.

Public are the modules `contraction`, `derivatives`, `distortion`, `frustum`, `mlp`, `ndc`, `segments`, `stepfun` and
`volume`, and the names below, which kernels are made of.
"""

from typing import TYPE_CHECKING

from radfield_core.names import lazy

if TYPE_CHECKING:
    from radfield_core.ops.backend import Op as Op, device_of as device_of, using as using
    from radfield_core.ops.jit import inlined as inlined, kernel as kernel
    from radfield_core.ops.layout import Layout as Layout, LayoutError as LayoutError, Packing as Packing

_HOMES = {
    "backend": "Op device_of using",
    "jit": "inlined kernel",
    "layout": "Layout LayoutError Packing",
}

__getattr__, __dir__ = lazy(__name__, _HOMES)
