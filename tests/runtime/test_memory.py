"""Running out of memory halves the chunk until it fits; other errors pass."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import pytest
import torch

from radfield_core.runtime.memory import MIN_CHUNK_RAYS, is_out_of_memory, release_freed, with_smaller_chunks


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (MemoryError(), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate"), True),
        (RuntimeError("shapes do not match"), False),
        (ValueError("can't allocate memory"), False),
    ],
)
def test_only_errors_about_memory_are_out_of_memory(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) is expected


def limited(limit: int, tried: list[int]):
    """A job that fits into memory up to a chunk of `limit`."""

    def run(chunk: int) -> str:
        tried.append(chunk)
        if chunk > limit:
            raise torch.OutOfMemoryError("made up")
        return f"done by {chunk}"

    return run


def test_a_chunk_is_halved_until_it_fits() -> None:
    tried: list[int] = []
    assert with_smaller_chunks(limited(100, tried), 700) == ("done by 87", 87)
    assert tried == [700, 350, 175, 87]


def test_below_the_smallest_chunk_the_error_is_raised() -> None:
    tried: list[int] = []
    with pytest.raises(torch.OutOfMemoryError):
        with_smaller_chunks(limited(3, tried), 50)
    assert tried == [50, 25, MIN_CHUNK_RAYS]


def test_another_error_is_not_retried() -> None:
    tried: list[int] = []

    def run(chunk: int) -> None:
        tried.append(chunk)
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        with_smaller_chunks(run, 50)
    assert tried == [50]


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="without glibc, freed memory is not returned")
def test_freed_memory_below_memory_in_use_is_returned() -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    pieces = [bytes(60_000) for _ in range(1200)]  # small enough for the heap
    for piece in range(1199):
        pieces[piece] = b""  # the last one keeps the heap from shrinking
    before = resident()
    release_freed()
    assert before - resident() > 50_000_000
