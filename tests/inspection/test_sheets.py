"""Pictures of a data set: nothing is cut off, every split has its color, and equal splits are drawn once."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

from radfield_core.data.images import FileImages, MemoryImages
from radfield_core.inspection.sheets import contact_sheet, frustum_picture
from radfield_core.types import SceneBox


def test_an_unreadable_image_leaves_a_black_field_on_the_sheet(tmp_path, ring):
    paths = [tmp_path / f"{i}.png" for i in range(2)]
    for path in paths:
        Image.new("RGB", (32, 32), "red").save(path)
    broken = ring(2, images=FileImages(paths, 3))
    paths[1].write_bytes(b"")
    contact_sheet({"train": broken}, tmp_path / "sheet.png")
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape == (24 + 176, 6 * 160, 3)
    assert (sheet[100, 80] == (255, 0, 0)).all() and (sheet[24:184, 240] == 0).all(-1).any()


def test_the_sheet_shows_transparency_as_a_checkerboard(tmp_path, ring):
    clear = torch.zeros(1, 32, 32, 4, dtype=torch.uint8)
    contact_sheet({"train": ring(1, images=MemoryImages(clear))}, tmp_path / "sheet.png")
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))[24:184, :160]
    assert {235, 205} <= set(np.unique(sheet[:, :, 0]).tolist())


def test_splits_of_the_same_views_are_shown_once(tmp_path, ring):
    held, other = ring(3), ring(3)
    contact_sheet({"train": ring(7), "val": held, "test": held}, tmp_path / "same.png")
    assert Image.open(tmp_path / "same.png").size == (6 * 160, (24 + 2 * 176) + (24 + 176))
    other.cameras.c2w[2] = ring(7).cameras.c2w[3]
    contact_sheet({"train": ring(7), "val": held, "test": other}, tmp_path / "other.png")
    assert Image.open(tmp_path / "other.png").size == (6 * 160, (24 + 2 * 176) + 2 * (24 + 176))
    frustum_picture({"train": ring(7), "val": held, "test": held}, tmp_path / "x.png")
    pixels = np.asarray(Image.open(tmp_path / "x.png").convert("RGB")).astype(int)
    assert (np.abs(pixels - (0xE0, 0x9F, 0x3E)).max(-1) < 40).sum() > 50


@pytest.mark.parametrize("radius", [0.1, 6.0])
def test_the_frustum_picture_cuts_nothing_off(tmp_path, radius, ring):
    scene = ring()
    frustum_picture({"train": dataclasses.replace(scene, box=SceneBox(torch.zeros(3), radius))}, tmp_path / "x.png")
    pixels = np.asarray(Image.open(tmp_path / "x.png").convert("RGB"))
    assert all((side == 255).all() for side in (pixels[:2], pixels[-2:], pixels[:, :2], pixels[:, -2:]))


def test_the_frustum_picture_shows_every_split_in_its_color(tmp_path, ring):
    frustum_picture({"train": ring(), "test": ring(3, "sphere")}, tmp_path / "x.png")
    pixels = np.asarray(Image.open(tmp_path / "x.png").convert("RGB")).astype(int)
    for color in ((0x2A, 0x6F, 0x97), (0x9E, 0x2A, 0x2B)):
        assert (np.abs(pixels - color).max(-1) < 40).sum() > 50
    assert (np.abs(pixels - (0xE0, 0x9F, 0x3E)).max(-1) < 20).sum() == 0
