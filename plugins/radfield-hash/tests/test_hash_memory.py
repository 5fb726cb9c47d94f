"""Memory that is used again: whoever holds a tensor, or a view of it, holds its numbers."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from radfield_hash import cpu, memory
from radfield_hash.levels import build


@pytest.fixture(autouse=True)
def _everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MAPPED_BYTES", 0)
    gc.collect()
    memory._left.clear()


def test_memory_of_a_tensor_that_is_gone_is_used_again_for_one_of_about_its_size() -> None:
    first = memory.empty(100, 10)
    place = first.data_ptr()
    del first
    second = memory.empty(9, 100)
    assert second.shape == (9, 100) and second.data_ptr() == place


@pytest.mark.parametrize("shape", [(1001,), (799,)])
def test_not_for_a_larger_or_a_much_smaller_one(shape: tuple[int, ...]) -> None:
    first = memory.empty(1000)
    del first
    assert len(memory._left) == 1
    second = memory.empty(*shape)
    assert len(memory._left) == 1 and second.shape == shape


def test_two_sizes_find_their_own_whichever_was_freed_first() -> None:
    small, large = memory.empty(1000), memory.empty(1500)
    places = small.data_ptr(), large.data_ptr()
    del large, small
    small, large = memory.empty(1000), memory.empty(1500)
    assert (small.data_ptr(), large.data_ptr()) == places


def test_a_view_keeps_its_numbers() -> None:
    tensor = memory.empty(1000).fill_(7.0)
    view, array = tensor[10:20], tensor.numpy()[30:40]
    del tensor
    gc.collect()
    others = [memory.empty(1000).fill_(1.0) for _ in range(3)]
    assert bool((view == 7).all()) and (array == 7).all() and len(others) == 3


@pytest.mark.parametrize("n_points", [0, 50])
def test_a_gradient_starts_at_zero_wherever_it_lies(n_points: int) -> None:
    grid = build(3, 2, 8, 4, 16)
    used = memory.empty(grid.n_entries, 2).fill_(torch.nan)
    place = used.data_ptr()
    del used
    gradient = cpu._KERNELS.table_gradient(torch.rand(n_points, 3), torch.ones(n_points, grid.out_dim), grid)
    assert gradient.data_ptr() == place
    assert gradient.sum().item() == pytest.approx(n_points * grid.out_dim, rel=1e-4)


def test_threads_never_share() -> None:
    def work(number: int) -> bool:
        for _ in range(300):
            tensor = memory.empty(1000).fill_(float(number))
            if not bool((tensor == number).all()):
                return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))
    assert len(memory._left) <= 2


def test_a_room_keeps_what_was_written_and_grows() -> None:
    room = memory.room("of this test", 2, 3)
    room[:] = 5.0
    assert (memory.room("of this test", 3, 2) == 5).all()
    assert memory.room("of this test", 4, 4).shape == (4, 4)
