"""Tables of pixels: every pixel has one index, a mapped table holds few pages, and a full disk is an error in words."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from radfield_core.data import pixel_tables
from radfield_core.data.pixel_tables import MappedTable, MemoryTable, PixelIndex
from radfield_core.errors import StorageError


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("RADFIELD_CACHE", str(tmp_path / "cache"))


def test_indices_count_the_pixels_image_by_image_and_row_by_row():
    shapes = [(2, 3), (1, 1), (4, 2)]
    index = PixelIndex(shapes)
    counted = [(i, r, c) for i, (height, width) in enumerate(shapes) for r in range(height) for c in range(width)]
    images, rows, columns = torch.tensor(counted).T
    assert index.rows(images, rows, columns).tolist() == list(range(len(counted))) and index.total == len(counted)
    assert [index.span(i) for i in range(3)] == [slice(0, 6), slice(6, 7), slice(7, 15)]
    assert index.sizes.tolist() == [[3, 2], [1, 1], [2, 4]]


@pytest.mark.parametrize("kind", [MemoryTable, MappedTable])
def test_both_tables_return_the_pixels_that_were_stored(kind):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 7, 5, 4), dtype=np.uint8)
    table = kind(3 * 35, 4)
    for i, image in enumerate(pixels):
        table.write(slice(35 * i, 35 * (i + 1)), image)
    flat = torch.from_numpy(pixels.reshape(-1, 4))
    rows = torch.tensor([104, 0, 35, 34, 0])
    assert torch.equal(table.gather(rows), flat[rows]) and torch.equal(table.read(slice(35, 70)), flat[35:70])


def test_a_write_that_fails_names_the_option_that_helps(monkeypatch):
    table = MappedTable(4, 3)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(StorageError, match="No space") as caught:
        table.write(slice(0, 4), np.zeros((2, 2, 3), np.uint8))
    assert "scene.image_cache_mb" in caught.value.problems[0].hint


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="the system does not say what is resident")
def test_of_a_mapped_table_a_process_holds_no_more_than_a_few_pages(monkeypatch):
    monkeypatch.setattr(pixel_tables, "MAX_RESIDENT_BYTES", 8 * 2**20)
    pixels = np.random.default_rng(0).integers(0, 256, (64, 512, 512, 3), dtype=np.uint8)
    table = MappedTable(64 * 512 * 512, 3)
    for i, image in enumerate(pixels):
        table.write(slice(i * 512**2, (i + 1) * 512**2), image)
    assert _resident(table) == 0, "writing makes no page the process's own"
    flat, most = torch.from_numpy(pixels.reshape(-1, 3)), 0
    for seed in range(60):
        rows = torch.randint(len(flat), (100,), generator=torch.Generator().manual_seed(seed))
        assert torch.equal(table.gather(rows), flat[rows])
        most = max(most, _resident(table))
    assert 2**20 < most <= 8 * 2**20
    assert torch.equal(table.read(slice(0, 512**2)), flat[: 512**2])


def _resident(table: MappedTable) -> int:
    """Bytes of the table's mapping that this process has."""
    start = table._pixels.data_ptr()
    lines = iter(Path("/proc/self/smaps").read_text().splitlines())
    for line in lines:
        head = line.split()[0]
        if "-" in head and int(head.split("-")[0], 16) <= start < int(head.split("-")[1], 16):
            return next(1024 * int(more.split()[1]) for more in lines if more.startswith("Rss:"))
    raise AssertionError("the table is not mapped")
