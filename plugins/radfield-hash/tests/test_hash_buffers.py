"""Buffers are reused, but never while a tensor that uses them, or a view of it, exists."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from radfield_hash import buffers, cpu
from radfield_hash.levels import build


@pytest.fixture(autouse=True)
def _everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffers, "MAPPED_BYTES", 0)
    gc.collect()
    buffers._free.clear()


def test_a_freed_buffer_is_reused_for_a_tensor_of_about_its_size() -> None:
    first = buffers.empty(100, 10)
    address = first.data_ptr()
    del first
    second = buffers.empty(9, 100)
    assert second.shape == (9, 100) and second.data_ptr() == address


@pytest.mark.parametrize("shape", [(1001,), (799,)])
def test_a_freed_buffer_is_not_reused_for_a_larger_or_much_smaller_tensor(shape: tuple[int, ...]) -> None:
    first = buffers.empty(1000)
    del first
    assert len(buffers._free) == 1
    second = buffers.empty(*shape)
    assert len(buffers._free) == 1 and second.shape == shape


def test_each_size_reuses_its_own_buffer_in_any_order_of_freeing() -> None:
    small, large = buffers.empty(1000), buffers.empty(1500)
    addresses = small.data_ptr(), large.data_ptr()
    del large, small
    small, large = buffers.empty(1000), buffers.empty(1500)
    assert (small.data_ptr(), large.data_ptr()) == addresses


def test_a_view_keeps_the_buffer_alive() -> None:
    tensor = buffers.empty(1000).fill_(7.0)
    view, array = tensor[10:20], tensor.numpy()[30:40]
    del tensor
    gc.collect()
    others = [buffers.empty(1000).fill_(1.0) for _ in range(3)]
    assert bool((view == 7).all()) and (array == 7).all() and len(others) == 3


@pytest.mark.parametrize("n_points", [0, 50])
def test_a_gradient_in_a_reused_buffer_starts_at_zero(n_points: int) -> None:
    grid = build(3, 2, 8, 4, 16)
    used = buffers.empty(grid.n_entries, 2).fill_(torch.nan)
    address = used.data_ptr()
    del used
    gradient = cpu._KERNELS.table_gradient(torch.rand(n_points, 3), torch.ones(n_points, grid.out_dim), grid)
    assert gradient.data_ptr() == address
    assert gradient.sum().item() == pytest.approx(n_points * grid.out_dim, rel=1e-4)


def test_threads_never_share_a_buffer() -> None:
    def work(number: int) -> bool:
        for _ in range(300):
            tensor = buffers.empty(1000).fill_(float(number))
            if not bool((tensor == number).all()):
                return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))
    assert len(buffers._free) <= 2


def test_a_workspace_keeps_its_contents_and_grows() -> None:
    array = buffers.workspace("of this test", 2, 3)
    array[:] = 5.0
    assert (buffers.workspace("of this test", 3, 2) == 5).all()
    assert buffers.workspace("of this test", 4, 4).shape == (4, 4)
