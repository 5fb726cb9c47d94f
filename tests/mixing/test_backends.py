"""The names of backends, and the kernels that ops have for them."""

from __future__ import annotations

from radfield_hash.encoding import OP as HASH
from radfield_occupancy.march import MARCHING
from radfield_splat.rasterizer import OP as SPLATS

from radfield_core.ops._packed import COMPOSITING
from radfield_core.ops.backend import NAMES


def test_every_name_of_a_backend_has_a_kernel_of_some_op() -> None:
    kernels = {name for op in (HASH, MARCHING, COMPOSITING, SPLATS) for here in op.kernels.values() for name in here}
    assert {"torch", *kernels} == set(NAMES)
