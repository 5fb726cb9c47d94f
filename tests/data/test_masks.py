"""Masks: as alpha they belong to their image, and masks that a format cannot hold are warned about."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

from radfield_core.data.images import FileImages, MemoryImages
from radfield_core.data.masks import WithAlpha, all_have_masks, warn_about_lost_masks
from radfield_core.errors import DatasetError
from radfield_core.testing.captures import toy_capture


@pytest.fixture
def pair(tmp_path, monkeypatch):
    """Three images of different sizes with masks, as files; returns source, colors and masks."""
    monkeypatch.setenv("RADFIELD_CACHE", str(tmp_path / "cache"))
    draw, arrays, paths = np.random.default_rng(0), {}, {}
    for kind, channels in (("color", 3), ("mask", 1)):
        arrays[kind] = [draw.integers(0, 256, (*size, channels), dtype=np.uint8) for size in ((4, 6), (3, 3), (5, 2))]
        paths[kind] = [tmp_path / f"{kind}_{i}.png" for i in range(3)]
        for path, array in zip(paths[kind], arrays[kind], strict=True):
            Image.fromarray(array[..., 0] if channels == 1 else array).save(path)
    return WithAlpha(FileImages(paths["color"], 3), FileImages(paths["mask"], 1)), arrays["color"], arrays["mask"]


def test_the_mask_is_the_fourth_channel(pair):
    source, colors, masks = pair
    assert source.channels == 4 and source.sizes.tolist() == [[6, 4], [3, 3], [2, 5]] and source.path(0) is None
    for i in range(3):
        assert (source[i].numpy() == np.concatenate([colors[i], masks[i]], -1)).all()
    which, rows, columns = torch.tensor([[0, 3, 5], [2, 4, 1], [1, 0, 2]]).T
    expected = [np.concatenate([colors[i][r, c], masks[i][r, c]]) for i, r, c in zip(which, rows, columns, strict=True)]
    assert (source.gather(which, rows, columns).numpy() == np.stack(expected)).all()


@pytest.mark.parametrize("job", ["check", "prepare"])
def test_progress_covers_images_and_masks_once(pair, job):
    source, shown = pair[0], []
    getattr(source, job)(*([64] if job == "prepare" else []), progress=lambda done, of: shown.append(done / of))
    assert shown == [done / 6 for done in range(1, 7)]


def test_a_broken_mask_is_told_from_a_broken_image(pair):
    source = pair[0]
    source.images.paths[2].write_bytes(b"")
    source.masks.paths[0].write_bytes(b"")
    (image, image_reason), (mask, mask_reason) = source.check()
    assert (image, mask) == (2, 0) and mask_reason.startswith("its mask ") and "mask" not in image_reason
    with pytest.raises(DatasetError) as caught:
        source.prepare(64)
    assert {problem.path for problem in caught.value.problems} == {
        str(source.images.paths[2]), str(source.masks.paths[0]),
    }  # fmt: skip


def test_masks_of_every_scene_and_of_the_same_meaning_are_wanted():
    masked, bare = toy_capture(3, masks=True), toy_capture(3)
    counted = dataclasses.replace(masked, masks_mean="counted")
    assert all_have_masks("object", [masked, masked]) and all_have_masks("counted", [counted])
    assert not all_have_masks("object", [masked, bare]) and not all_have_masks("object", [masked, counted])


@pytest.mark.parametrize(
    ("meaning", "channels", "expected"), [("object", 3, 0), ("counted", 3, 1), ("counted", 4, 0), ("counted", 1, 1)]
)
def test_object_masks_are_lost_unless_the_images_are_transparent(meaning, channels, expected, caplog):
    images = MemoryImages(torch.zeros(3, 24, 32, channels, dtype=torch.uint8))
    warn_about_lost_masks(meaning, [dataclasses.replace(toy_capture(3, masks=True), images=images)])
    assert len(caplog.records) == expected


def test_masks_of_what_counts_are_lost_where_masks_show_an_object(caplog):
    counted = dataclasses.replace(toy_capture(3, masks=True), masks_mean="counted")
    warn_about_lost_masks("counted", [counted])
    assert not caplog.records
    warn_about_lost_masks("object", [counted])
    assert [record.levelname for record in caplog.records] == ["WARNING"]
