"""Masks: the two values of a mask mean black and white, however they are stored."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from radfield_core.data.images import FileImages, MemoryImages
from radfield_core.data.mask_files import FileMasks, black_and_white, decode_mask, mask_facts, mask_warnings
from radfield_core.errors import DatasetError
from radfield_core.testing.captures import toy_capture

WHITE = np.zeros((8, 8), bool)
WHITE[2:7, 1:4] = True


def stored(path, values, kind):
    """Writes values [H, W] as a mask of some kind, and returns the file."""
    path = path / f"mask.{'tif' if kind in ('float', '32 bits') else 'png'}"
    dtype = {"8 bits": np.uint8, "16 bits": np.uint16, "32 bits": np.int32, "float": np.float32}[kind]
    Image.fromarray(values.astype(dtype)).save(path)
    return path


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [(kind, low, high) for kind in ("8 bits", "16 bits", "32 bits", "float")
     for low, high in ((0, 1), (0, 255), (1, 2), (0, 38), (100, 200))]
    + [("float", 0, 0.5), ("16 bits", 0, 65535), ("32 bits", 0, 65535)],
)  # fmt: skip
def test_the_two_values_of_a_mask_are_black_and_white(tmp_path, kind, low, high):
    found = decode_mask(stored(tmp_path, np.where(WHITE, high, low), kind))
    assert found.dtype == np.uint8 and (found[..., 0] == np.where(WHITE, 255, 0)).all()


def test_colors_palettes_one_bit_and_alpha_are_masks_too(tmp_path):
    color = np.where(WHITE[..., None], (128, 0, 0), (0, 0, 0)).astype(np.uint8)
    pictures = {"rgb": Image.fromarray(color), "bit": Image.fromarray(WHITE)}
    pictures["palette"] = Image.fromarray(WHITE.astype(np.uint8)).convert("P")
    pictures["palette"].putpalette([0, 0, 0, 128, 0, 0] + [0] * 762)  # as in PASCAL VOC: object 1 is dark red
    alpha = Image.fromarray(np.where(WHITE, 255, 0).astype(np.uint8))
    for name, ink in (("white", 255), ("black", 0)):
        pictures[name] = Image.merge("RGBA", [Image.new("L", (8, 8), ink)] * 3 + [alpha])
    pictures["opaque"] = pictures["rgb"].convert("RGBA")
    for name, picture in pictures.items():
        picture.save(tmp_path / f"{name}.png")
        found = decode_mask(tmp_path / f"{name}.png")[..., 0]
        assert (found == np.where(WHITE, 255, 0)).all(), name


def test_an_opaque_black_picture_with_alpha_is_black(tmp_path):
    Image.new("RGBA", (8, 8), (0, 0, 0, 255)).save(tmp_path / "mask.png")
    assert decode_mask(tmp_path / "mask.png").max() == 0


def test_soft_edges_stay_and_numbers_of_objects_are_white():
    soft = np.array([[0, 64, 128, 255]], np.uint8)
    assert (black_and_white(soft) == soft).all()
    assert black_and_white(np.array([[0.0, 0.25, 1.0]])).tolist() == [[0, 64, 255]]
    assert black_and_white(np.array([[0, 1, 2, 7]])).tolist() == [[0, 255, 255, 255]]
    assert black_and_white(np.array([[0, 32768, 65535]])).tolist() == [[0, 128, 255]]
    assert black_and_white(np.array([[np.nan, 1.0]])).tolist() == [[0, 255]]


def test_a_mask_of_one_value_is_black_only_if_the_value_is_0():
    assert black_and_white(np.full((1, 2), 1)).tolist() == [[255, 255]]
    assert black_and_white(np.full((1, 2), 0)).tolist() == [[0, 0]]
    assert black_and_white(np.array([[254, 255]])).tolist() == [[255, 255]], "noise of compression"
    assert black_and_white(np.zeros((0, 3))).shape == (0, 3)


@pytest.fixture
def masked(tmp_path):
    """Makes a scene of 3 views whose masks, in files, have the given numbers of white pixels."""

    def make(*counts, meaning="counted", value=255):
        paths = [tmp_path / f"{i}.png" for i in range(3)]
        for path, count in zip(paths, counts, strict=True):
            pixels = np.zeros(32 * 24, np.uint8)
            pixels[:count] = value
            Image.fromarray(pixels.reshape(24, 32)).save(path)
        return replace(toy_capture(3), masks=FileMasks(paths), masks_mean=meaning)

    return make


def test_a_mask_that_counts_nothing_is_an_error_that_names_it(masked):
    masks = masked(100, 0, 100).masks
    assert masks.check() == [(1, "is all black: no pixel counts")]
    with pytest.raises(DatasetError, match=r"1\.png: is all black"):
        masks.prepare(64)
    with pytest.raises(DatasetError, match=r"1\.png: is all black"):
        _ = masks[1]
    kept = masks.only([0, 2])
    assert isinstance(kept, FileMasks) and kept.check() == []
    assert kept.gather(torch.tensor([1]), torch.tensor([0]), torch.tensor([0])).tolist() == [[255]]


@pytest.mark.parametrize("value", [1, 255])
def test_masks_that_count_little_are_named_with_their_share(masked, value):
    scene = masked(7, 8, 700, value=value)  # of 768 pixels
    assert mask_warnings(scene) == [] and mask_facts(scene) == [], "nothing has been decoded yet"
    scene.masks.check()
    (warning,) = mask_warnings(scene)
    assert warning == "1 mask counts less than 1% of its pixels: view_000 (0.91 %)"
    assert mask_facts(scene) == [("masks", "31 % of the pixels count in training")]
    shown = replace(scene, masks_mean="object")
    assert "shows the object in less than 1%" in mask_warnings(shown)[0]


def test_a_set_that_counts_little_is_one_warning(masked):
    scene = masked(7, 7, 7)
    scene.masks.prepare(64)
    (warning,) = mask_warnings(scene)
    assert warning.startswith("only 0.91 % of the pixels count")
    memory = replace(scene, masks=MemoryImages(torch.zeros(3, 24, 32, 1, dtype=torch.uint8)))
    assert mask_warnings(memory)[0].startswith("only 0 % of the pixels count")
    assert mask_warnings(toy_capture(3)) == [] and mask_warnings(toy_capture(3, masks=True)) == []
    other = FileImages(scene.masks.paths, 1)
    assert mask_warnings(replace(scene, masks=other)) == [], "files that would have to be decoded are not"
