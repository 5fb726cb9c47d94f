"""Missing images of an LLFF scene keep their rows if it is certain which ones are missing."""

from __future__ import annotations

from pathlib import Path

import pytest
from radfield_llff.config import LlffConfig
from radfield_llff.dataparser import Llff
from radfield_llff.gaps import with_missing
from radfield_llff.writer import write

from radfield_core import DatasetError, Scene
from radfield_core.testing.captures import toy_capture


def _folder(path: Path, *names: str) -> Path:
    path.mkdir()
    for name in names:
        (path / name).write_bytes(b"")
    return path


def test_numbered_names_with_the_first_and_the_last_show_their_gaps(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "images_8", "image007.png", "image009.png", "image010.png", "notes.txt")
    assert with_missing(folder, 4) == ["image007.png", "image008.png", "image009.png", "image010.png"]
    names = ["image007.png", "image009.png", "image010.png"]
    assert with_missing(folder, 5) == with_missing(folder, 3) == with_missing(folder, 2) == names


def test_another_folder_of_the_scene_shows_the_gaps(tmp_path: Path) -> None:
    _folder(tmp_path / "images", "a.jpg", "b.jpg", "d.jpg")
    folder = _folder(tmp_path / "images_4", "a.png", "d.png")
    assert with_missing(folder, 3) == ["a.png", "b.png", "d.png"]
    assert with_missing(folder, 4) == ["a.png", "d.png"]
    other = _folder(tmp_path / "images_8", "image0.png", "image3.png")  # names of their own, as published copies have
    assert with_missing(other, 3) == ["image0.png", "image3.png"]


def _parsed(folder: Path) -> Scene:
    return Llff(LlffConfig(root=str(folder), holdout=0)).parse("train")


def test_the_other_views_keep_their_poses(tmp_path: Path) -> None:
    write({"train": toy_capture(8, forward=True)}, tmp_path)
    whole = _parsed(tmp_path)
    files = sorted(path for path in (tmp_path / "images").iterdir())
    files[3].unlink()
    scene = _parsed(tmp_path)
    assert scene.names == whole.names and scene.cameras.c2w.equal(whole.cameras.c2w)
    assert scene.images.check() == [(3, "there is no such file")]
    files[-1].unlink()  # now the number of the last image is unknown
    with pytest.raises(DatasetError, match=r"has 6 images, but poses_bounds\.npy has 8 rows"):
        _parsed(tmp_path)
