"""Image files: a header is believed within limits, and every mode becomes the channels that are wanted."""

from __future__ import annotations

import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from radfield_core.data.image_files import ImageFault, ImageHeader, decode, orientation_notes, read_header, read_headers


def _bomb(width: int, height: int) -> bytes:
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 100000))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(8001, 8000), (10000, 12000), (20000, 10000), (2**30, 2**30)])
def test_images_that_would_fill_memory_are_refused_by_their_header(tmp_path, size, recwarn):
    (tmp_path / "x.png").write_bytes(_bomb(*size))
    headers, problems = read_headers([tmp_path / "x.png"])
    assert headers[0].width == 0 and len(problems) == 1 and not recwarn.list


def test_modes_become_the_channels_asked_for(tmp_path):
    gray = np.arange(256, dtype=np.uint8).reshape(16, 16)
    Image.fromarray(gray).save(tmp_path / "gray.png")
    Image.fromarray(gray.astype(np.uint16) * 257).save(tmp_path / "deep.png")
    palette = Image.fromarray(gray).convert("P")
    palette.save(tmp_path / "palette.png", transparency=7)
    assert read_header(tmp_path / "gray.png").channels == 1
    assert read_header(tmp_path / "palette.png").channels == 4
    assert (decode(tmp_path / "gray.png", 3) == gray[..., None]).all()
    assert (decode(tmp_path / "deep.png", 1)[..., 0] == gray).all()
    alpha = decode(tmp_path / "palette.png", 4)[..., 3]
    assert (alpha == np.where(gray == 7, 0, 255)).all()


def test_an_exif_turn_is_noticed_and_not_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (30, 20), "red").save(tmp_path / "x.jpg", exif=exif)
    header = read_header(tmp_path / "x.jpg")
    assert (header.width, header.height, header.orientation) == (30, 20, 6)
    assert decode(tmp_path / "x.jpg", 3).shape == (20, 30, 3)
    assert len(orientation_notes([header])) == 1 and orientation_notes([header._replace(orientation=1)]) == []


def test_a_note_counts_the_rotated_images():
    rotated = ImageHeader(4, 3, 3, orientation=6)
    assert "1 image carries" in orientation_notes([rotated, ImageHeader(4, 3, 3)])[0]
    assert "2 images carry" in orientation_notes([rotated, rotated])[0]


@pytest.mark.parametrize("kind", ["GIF", "BMP", "PPM", "ICO", "EPS"])
def test_other_formats_are_refused_whatever_their_name(tmp_path, kind):
    Image.new("RGB", (16, 16)).save(tmp_path / "x.png", format=kind)
    with pytest.raises(ImageFault, match="not a PNG"):
        read_header(tmp_path / "x.png")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.float32([[0.0, 0.5, 1.0]]), [0, 128, 255]),
        (np.float32([[0.0, 100.0, 255.0]]), [0, 100, 255]),
        (np.float32([[np.nan, 0.2, 1.0]]), [0, 51, 255]),
        (np.int32([[0, 100, 255]]), [0, 100, 255]),
        (np.int32([[0, 257, 65535]]), [0, 1, 255]),
    ],
)
def test_gray_of_32_bits_is_scaled_to_8(tmp_path, values, expected):
    Image.fromarray(values).save(tmp_path / "x.tif")
    assert read_header(tmp_path / "x.tif").channels == 1
    assert decode(tmp_path / "x.tif", 1)[0, :, 0].tolist() == expected
    assert decode(tmp_path / "x.tif", 3)[0, :, 2].tolist() == expected


@pytest.mark.parametrize("values", [np.float32([[-1.0, 0.5]]), np.float32([[0.0, np.inf]]), np.int32([[0, 70000]])])
def test_values_outside_of_the_range_of_an_image_are_refused_with_numbers(tmp_path, values):
    Image.fromarray(values).save(tmp_path / "x.tif")
    with pytest.raises(ImageFault, match=r"has values from .* are expected"):
        decode(tmp_path / "x.tif", 1)


def test_alpha_of_0_and_1_is_transparent_and_opaque(tmp_path):
    alpha = np.zeros((10, 10), np.uint8)
    alpha[3:] = 1
    pixels = np.dstack([np.full((10, 10, 3), 77, np.uint8), alpha])
    Image.fromarray(pixels).save(tmp_path / "x.png")
    assert (decode(tmp_path / "x.png", 4)[..., 3] == 255 * alpha).all()
    pixels[0, 0, 3] = 2  # then 1 means nearly transparent
    Image.fromarray(pixels).save(tmp_path / "x.png")
    assert (decode(tmp_path / "x.png", 4) == pixels).all()


def test_a_file_without_a_header_keeps_its_place_and_is_a_problem(tmp_path):
    Image.new("L", (5, 4)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"")
    headers, (problem,) = read_headers([tmp_path / "b.png", tmp_path / "a.png"])
    assert [header[:3] for header in headers] == [(0, 0, 3), (5, 4, 1)]
    assert headers[0].fault == problem.message == "is empty" and problem.path == str(tmp_path / "b.png")


def test_a_tiff_of_pixels_that_cannot_be_decoded_is_called_by_its_name(tmp_path):
    (tmp_path / "x.tif").write_bytes(b"II*\0" + struct.pack("<I", 8) + b"\0" * 8)
    with pytest.raises(ImageFault, match="is a TIFF image with pixels that cannot be decoded"):
        read_header(tmp_path / "x.tif")


def test_a_pipe_or_a_device_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    (tmp_path / "b.png").symlink_to("/dev/zero")
    for name in ("a.png", "b.png"):
        with pytest.raises(ImageFault, match="is not a regular file"):
            read_header(tmp_path / name)
        with pytest.raises(ImageFault, match="is not a regular file"):
            decode(tmp_path / name, 3)
