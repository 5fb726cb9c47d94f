"""Pictures on disk: the same pixels, in the format of the suffix, and whole or absent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from radfield_core.files.pictures import write_picture


def noise(*shape: int) -> np.ndarray:
    """Random bytes."""
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize(
    ("shape", "mode"), [((5, 7), "L"), ((5, 7, 1), "L"), ((5, 7, 3), "RGB"), ((5, 7, 4), "RGBA"), ((3, 4, 3), "RGB")]
)
def test_a_png_reads_back_as_the_same_pixels(shape: tuple[int, ...], mode: str, tmp_path: Path) -> None:
    pixels = noise(*shape)
    write_picture(tmp_path / "new" / "x.png", pixels)
    with Image.open(tmp_path / "new" / "x.png") as image:
        assert image.format == "PNG" and image.mode == mode
        assert np.array_equal(np.asarray(image), pixels.reshape(np.asarray(image).shape))


def test_a_view_of_an_array_is_written_as_it_looks(tmp_path: Path) -> None:
    pixels = noise(8, 9, 3)
    write_picture(tmp_path / "x.png", pixels[::-1, ::2])
    assert np.array_equal(np.asarray(Image.open(tmp_path / "x.png")), pixels[::-1, ::2])


@pytest.mark.parametrize(("suffix", "form"), [("jpg", "JPEG"), ("jpeg", "JPEG"), ("webp", "WEBP")])
def test_the_suffix_names_the_format_and_quality_is_passed_on(suffix: str, form: str, tmp_path: Path) -> None:
    pixels = noise(32, 32, 3)
    sizes = []
    for quality in (20, 95):
        path = tmp_path / f"{quality}.{suffix}"
        write_picture(path, pixels, quality=quality)
        sizes.append(path.stat().st_size)
        assert Image.open(path).format == form
    assert sizes[0] < 0.7 * sizes[1]


def test_a_full_disk_leaves_the_earlier_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> int:
        raise OSError(28, "No space left on device")

    write_picture(tmp_path / "x.png", noise(4, 4, 3))
    before = (tmp_path / "x.png").read_bytes()
    monkeypatch.setattr("os.write", full)
    with pytest.raises(OSError, match="No space"):
        write_picture(tmp_path / "x.png", 255 - noise(4, 4, 3))
    assert (tmp_path / "x.png").read_bytes() == before and len(list(tmp_path.iterdir())) == 1
