"""Backends that can be asked for, and the twins that ops have of them."""

from __future__ import annotations

from radfield_hash.encoding import OP as HASH
from radfield_occupancy.march import MARCHING

from radfield_core.ops.backend import NAMES
from radfield_core.ops.segments import PACKED


def test_every_backend_that_can_be_asked_for_is_a_twin_of_some_op() -> None:
    twins = {name for op in (HASH, MARCHING, PACKED) for here in op.twins.values() for name in here}
    assert {"torch", *twins} == set(NAMES)
