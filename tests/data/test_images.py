"""Images: what cannot be read is named before training, and drawing a pixel gives that pixel."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from radfield_core.data import pixel_tables
from radfield_core.data.image_files import ImageFault
from radfield_core.data.images import FileImages, MemoryImages
from radfield_core.data.masks import WithAlpha
from radfield_core.errors import DatasetError, StorageError


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("RADFIELD_CACHE", str(tmp_path / "cache"))


def _save(folder, shapes, channels=3, seed=0):
    draw = np.random.default_rng(seed)
    arrays = [draw.integers(0, 256, (*shape, channels), dtype=np.uint8) for shape in shapes]
    paths = [folder / f"{i}.png" for i in range(len(shapes))]
    for path, array in zip(paths, arrays, strict=True):
        Image.fromarray(array).save(path)
    return paths, arrays


def _draw_everywhere(source, arrays, n=2000):
    draw = np.random.default_rng(1)
    which = draw.integers(0, len(arrays), n)
    rows = np.array([draw.integers(arrays[i].shape[0]) for i in which])
    columns = np.array([draw.integers(arrays[i].shape[1]) for i in which])
    got = source.gather(torch.from_numpy(which), torch.from_numpy(rows), torch.from_numpy(columns))
    expected = np.stack([arrays[i][r, c] for i, r, c in zip(which, rows, columns, strict=True)])
    assert got.dtype == torch.uint8 and (got.numpy() == expected).all()


SHAPES = {"one size": [(13, 17)] * 6, "mixed sizes": [(13, 17), (5, 40), (1, 1), (60, 3)]}


@pytest.mark.parametrize("shapes", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("channels", [3, 4])
def test_a_drawn_pixel_is_the_pixel_of_the_file(tmp_path, shapes, channels):
    paths, arrays = _save(tmp_path, shapes, channels)
    source = FileImages(paths, channels)
    assert source.sizes.tolist() == [[w, h] for h, w in shapes]
    for i, array in enumerate(arrays):
        assert (source[i].numpy() == array).all()
    _draw_everywhere(source, arrays)
    assert (source[-1].numpy() == arrays[-1]).all()
    _draw_everywhere(MemoryImages([torch.from_numpy(array) for array in arrays]), arrays)


def test_sets_larger_than_the_budget_are_mapped_and_give_the_same_pixels(tmp_path):
    paths, arrays = _save(tmp_path, [(300, 400)] * 12)
    source = FileImages(paths, 3)
    seen = []
    source.prepare(1, lambda done, of: seen.append((done, of)))
    assert source.mapped and seen == [(i + 1, 12) for i in range(12)]
    _draw_everywhere(source, arrays)
    assert not list((tmp_path / "cache" / "pixels").iterdir()), "the mapped file has no name to leave behind"


def test_no_room_on_the_disk_is_said_before_it_is_needed(tmp_path, monkeypatch):
    paths, _ = _save(tmp_path, [(300, 400)] * 12)
    monkeypatch.setattr(pixel_tables.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(StorageError, match="do not fit"):
        FileImages(paths, 3).prepare(1)


def test_a_cache_folder_that_cannot_be_is_said_in_words(tmp_path, monkeypatch):
    paths, _ = _save(tmp_path, [(300, 400)] * 12)
    (tmp_path / "file").touch()
    monkeypatch.setenv("RADFIELD_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(StorageError, match="the folder for decoded images cannot be created") as caught:
        FileImages(paths, 3).prepare(1)
    assert "RADFIELD_CACHE" in caught.value.problems[0].hint


def test_kept_images_stay_within_the_budget(tmp_path):
    paths, arrays = _save(tmp_path, [(300, 400)] * 8)
    source = FileImages(paths, 3, cache_mb=1)
    for i in [*range(8), 0, 3]:
        assert (source[i].numpy() == arrays[i]).all()
        assert sum(image.numel() for image in source._latest.values()) <= 2**20
    assert len(source._latest) == 2


def test_every_broken_image_is_named_before_the_first_step(tmp_path):
    paths, _ = _save(tmp_path, [(40, 50)] * 6)
    whole = paths[1].read_bytes()
    paths[1].write_bytes(whole[: len(whole) // 2])
    spoilt = bytearray(whole)
    spoilt[len(spoilt) // 2] ^= 0xFF
    paths[4].write_bytes(spoilt)
    source = FileImages(paths, 3)
    shown = []
    assert [index for index, _ in source.check(lambda *progress: shown.append(progress))] == [1, 4]
    assert shown == [(done, 6) for done in range(1, 7)]
    with pytest.raises(DatasetError) as caught:
        source.prepare(64)
    assert [problem.path for problem in caught.value.problems] == [str(paths[1]), str(paths[4])]
    with pytest.raises(DatasetError):
        source[1]
    paths[0].write_bytes(b"")
    paths[2].write_text("no picture")
    paths[3].write_bytes(b"GIF89a" + whole[6:])
    faults = FileImages(paths, 3).check()
    assert [index for index, _ in faults] == [0, 1, 2, 3, 4]
    assert "empty" in faults[0][1] and "not a PNG" in faults[2][1] and "not a PNG" in faults[3][1]
    with pytest.raises(DatasetError) as caught:
        FileImages(paths, 3).prepare(64)
    assert [problem.path for problem in caught.value.problems] == [str(paths[i]) for i in range(5)]


def test_the_others_can_be_used_without_the_broken_ones(tmp_path):
    paths, arrays = _save(tmp_path, [(40, 50), (30, 20), (40, 50), (10, 60)])
    paths[0].write_bytes(b"")
    paths[2].write_bytes(paths[2].read_bytes()[:500])
    source = FileImages(paths, 3)
    with pytest.raises(DatasetError):
        source.prepare(64)
    assert [index for index, _ in source.check()] == [0, 2]
    kept = source.only([1, 3])
    kept.prepare(64)
    assert kept.check() == [] and kept.sizes.tolist() == [[20, 30], [60, 10]]
    _draw_everywhere(kept, [arrays[1], arrays[3]])


@pytest.mark.parametrize("kept", [[2, 0], [1], []])
def test_a_choice_of_images_and_masks_keeps_their_order(tmp_path, kept):
    colors, arrays = _save(tmp_path, [(8, 9), (5, 6), (7, 4)])
    (tmp_path / "masks").mkdir()
    covers, _ = _save(tmp_path / "masks", [(8, 9), (5, 6), (7, 4)], channels=3)
    source = WithAlpha(FileImages(colors, 3), FileImages(covers, 1)).only(kept)
    held = MemoryImages([torch.from_numpy(array) for array in arrays]).only(kept)
    assert len(source) == len(held) == len(kept)
    for place, index in enumerate(kept):
        assert (source[place][..., :3].numpy() == arrays[index]).all() and (held[place].numpy() == arrays[index]).all()


def test_a_file_that_changes_after_its_header_was_read_is_a_fault(tmp_path):
    paths, _ = _save(tmp_path, [(10, 20), (10, 20)])
    source = FileImages(paths, 3)
    Image.new("RGB", (30, 10)).save(paths[1])
    assert source.check()[0][0] == 1
    with pytest.raises(ImageFault):
        source.decode(1)
