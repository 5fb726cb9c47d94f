"""Photographs are collected from a folder and its subfolders; what is not read is counted, named, and has advice."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image, ImageFile
from radfield_colmap import photographs
from radfield_colmap.photographs import Collected, collect

from radfield_core import DatasetError

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(400)
"""First bytes of a HEIC photograph, and others that no decoder reads."""


def picture(path: Path, size: tuple[int, int] = (8, 6)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (200, 100, 50)).save(path)
    return path


def collected(tmp_path: Path) -> Collected:
    (tmp_path / "out").mkdir()
    return collect(tmp_path / "trip", tmp_path / "out", lambda *_: None, skip_bad=True)


def test_every_file_is_a_photograph_or_is_named_with_a_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(photographs, "heif_reader", lambda: None)
    trip = tmp_path / "trip"
    read = ["b/2.JPG", "b/c/1.png", "0.jpeg", "9.webp", "x.tiff"]
    others = {
        "HEIC photographs, because pillow-heif is not installed": ["b/IMG_1.HEIC", "p.heif"],
        "images in other formats than PNG, JPEG, WebP and TIFF": ["a.gif", "raw.CR2"],
        "videos": ["b/clip.MOV"],
        "masks": ["masks/0.png"],
        "hidden files": [".DS_Store", ".cache/0.png", "__MACOSX/0.png", "b/._2.JPG"],
        "no images": ["b/notes.txt", "noname"],
        "photographs that cannot be decoded": ["cut.jpg cannot be ", "empty.png is empty"],
    }
    for name in read:
        picture(trip / name)
    for name in [name.split()[0] for names in others.values() for name in names]:
        (trip / name).parent.mkdir(parents=True, exist_ok=True)
        whole = (
            HEIC if name.lower().endswith(("heic", "heif")) else picture(tmp_path / "whole.jpg", (80, 60)).read_bytes()
        )
        (trip / name).write_bytes(whole[:300])
    (trip / "empty.png").write_bytes(b"")
    found = collected(tmp_path)
    copied = [str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.*")]
    assert found.names == sorted(read) == sorted(copied)
    assert found.skipped.keys() == others.keys()
    for reason, names in others.items():
        pairs = zip(sorted(found.skipped[reason]), sorted(names), strict=True)
        assert all(one.startswith(other) for one, other in pairs)
    assert found.where() == "outside of subfolders: 3, b: 1, b/c: 1"
    assert (
        "not read: 2 files (images in other formats than PNG, JPEG, WebP and TIFF): a.gif, raw.CR2" in found.remarks()
    )


def test_smaller_copies_of_the_images_are_no_photographs(tmp_path):
    for folder in ("images", "images_2", "images_8"):
        for i in range(3):
            picture(tmp_path / "trip" / folder / f"{i}.png")
    found = collected(tmp_path)
    assert len(found.names) == 3 and len(found.skipped["smaller copies"]) == 6


def test_a_long_list_is_counted_and_shortened():
    line = Collected([], {"videos": [f"{i}.mp4" for i in range(25)]}).remarks()[0]
    assert line.startswith("not read: 25 files (videos): 0.mp4, ") and line.endswith("9.mp4 and 15 more")


@pytest.mark.parametrize(
    ("names", "said", "advice"),
    [
        (["1.heic", "2.heic", "notes.txt"], "2 files not read (HEIC", 'pip install "radfield-colmap[heic]"'),
        (["sub/my clip.mp4", "1.jpg"], "1 file not read (videos)", "radfield data process '{trip}/sub/my clip"),
        (["1.cr2", "2.cr2", "3.heic"], "2 files not read (images in other formats", "Convert them to JPEG or PNG"),
        (["notes.txt"], "holds 0 photographs", "Give the folder that holds the photographs, or a video"),
        (["1.jpg", "2.jpg"], "holds 2 photographs", "Take photographs from many positions"),
        ([], "holds 0 photographs; at least 3 are needed", "Give the folder"),
    ],
)
def test_the_advice_fits_the_cause(names, said, advice, tmp_path, monkeypatch):
    monkeypatch.setattr(photographs, "heif_reader", lambda: None)
    (tmp_path / "trip").mkdir()
    for name in names:
        (tmp_path / "trip" / name).parent.mkdir(exist_ok=True)
        picture(tmp_path / "x.jpg").rename(tmp_path / "trip" / name)
        if name.endswith("heic"):
            (tmp_path / "trip" / name).write_bytes(HEIC)
    with pytest.raises(DatasetError) as caught:
        collected(tmp_path)
    (problem,) = caught.value.problems
    assert said in problem.message and problem.path == str(tmp_path / "trip")
    assert problem.hint.startswith(advice.format(trip=tmp_path / "trip"))


def test_photographs_are_in_the_natural_order_of_their_names(tmp_path):
    for name in ("10.jpg", "9.jpg", "100.jpg", "day 10/1.jpg", "day 9/12.jpg", "day 9/2.jpg"):
        picture(tmp_path / "trip" / name)
    assert collected(tmp_path).names == ["9.jpg", "10.jpg", "100.jpg", "day 9/2.jpg", "day 9/12.jpg", "day 10/1.jpg"]


def test_the_content_of_a_file_and_not_its_ending_says_that_it_is_heic(tmp_path, monkeypatch):
    monkeypatch.setattr(photographs, "heif_reader", lambda: None)
    for i in range(3):
        picture(tmp_path / "trip" / f"{i}.jpg")
    (tmp_path / "trip" / "from a phone.jpg").write_bytes(HEIC)
    picture(tmp_path / "x.jpg").rename(tmp_path / "trip" / "renamed.HEIC")
    found = collected(tmp_path)
    assert found.names == ["0.jpg", "1.jpg", "2.jpg", "renamed.HEIC.jpg"]
    assert (tmp_path / "out" / "renamed.HEIC.jpg").read_bytes() == (tmp_path / "trip" / "renamed.HEIC").read_bytes()
    assert list(found.skipped.values()) == [["from a phone.jpg"]]


def test_a_photograph_that_cannot_be_read_is_an_error_that_names_it_and_the_option_to_leave_it_out(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(photographs, "heif_reader", lambda: None)
    for i in range(5):
        picture(tmp_path / "trip" / f"{i}.jpg", (400, 300))
    whole = (tmp_path / "trip" / "0.jpg").read_bytes()
    (tmp_path / "trip" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "trip" / "new.heic").write_bytes(HEIC)
    (tmp_path / "out").mkdir()
    with pytest.raises(DatasetError) as caught:
        collect(tmp_path / "trip", tmp_path / "out", lambda *_: None)
    cut, heic, last = caught.value.problems
    assert cut.path.endswith("cut.jpg") and "cannot be decoded: image file is truncated" in cut.message
    assert heic.path.endswith("new.heic") and heic.message == "is a HEIC photograph, and pillow-heif is not installed"
    assert last.message == "2 photographs cannot be read"
    assert last.hint == 'pip install "radfield-colmap[heic]", or add skip_bad_images=true to leave them out'


class FakeHeif(ImageFile.ImageFile):
    """Stands for pillow-heif's decoder: a file that starts with `HEIF` is a photograph of one color."""

    format = "HEIF"

    def _open(self) -> None:
        self._size, self._mode = (int.from_bytes(self.fp.read(12)[4:8], "big"), 6), "RGB"
        self.tile = []

    def load(self) -> object:
        if self.width == 7:
            raise OSError("broken data")
        self.im = Image.new("RGB", self.size, (10, 200, 30)).im
        return None


def test_heic_photographs_are_written_as_jpeg_where_pillow_heif_is_installed(tmp_path, monkeypatch):
    module = ModuleType("pillow_heif")
    module.register_heif_opener = lambda: Image.register_open("HEIF", FakeHeif, lambda start: start[:4] == b"HEIF")
    monkeypatch.setitem(sys.modules, "pillow_heif", module)
    monkeypatch.setattr(Image, "OPEN", dict(Image.OPEN))
    widths = {"a/1.HEIC": 8, "2.heif": 8, "3.hif": 8, "damaged.heic": 7, "huge.heic": 2**31 - 1}
    for name, width in widths.items():
        path = tmp_path / "trip" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"HEIF" + width.to_bytes(4, "big"))
    found = collected(tmp_path)
    assert found.names == ["2.heif.jpg", "3.hif.jpg", "a/1.HEIC.jpg"]
    with Image.open(tmp_path / "out" / "a" / "1.HEIC.jpg") as image:
        assert image.format == "JPEG" and image.size == (8, 6)
        assert all(abs(one - other) < 6 for one, other in zip(image.getpixel((3, 3)), (10, 200, 30), strict=True))
    damaged, huge = found.skipped["photographs that cannot be decoded"]
    assert damaged == "damaged.heic cannot be decoded: broken data"
    assert huge.startswith("huge.heic ") and "pixels" in huge
    assert not list((tmp_path / "out").glob("damaged*"))
