"""The pixels of a whole data set are counted from the headers, before any image is decoded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from radfield_transforms.writer import write as write_transforms

from radfield_core.cli.main import main
from radfield_core.data import image_files
from radfield_core.data.images import FileImages, MemoryImages
from radfield_core.data.masks import WithAlpha
from radfield_core.data.pixel_budget import check_pixels, pixels_to_decode
from radfield_core.data.resized import resized
from radfield_core.data.scene import Scene
from radfield_core.errors import DatasetError
from radfield_core.testing.captures import toy_capture

WIDTH, HEIGHT = 40, 30


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """Three views with images and masks in files."""
    paths = {kind: [tmp_path / f"{kind}_{i}.png" for i in range(3)] for kind in ("RGB", "L")}
    for mode, files in paths.items():
        for path in files:
            Image.new(mode, (WIDTH, HEIGHT), 255 if mode == "L" else 0).save(path)
    images, masks = FileImages(paths["RGB"], 3), FileImages(paths["L"], 1)
    return replace(toy_capture(3, size=(WIDTH, HEIGHT)), images=images, masks=masks)


def test_files_count_once_and_in_the_size_in_which_they_are_stored(scene: Scene) -> None:
    each = WIDTH * HEIGHT
    assert pixels_to_decode({"train": scene, "test": scene.only([0])}) == (6 * each, 6)
    assert pixels_to_decode({"train": scene.only([1])}) == (2 * each, 2)
    small = resized(scene, torch.tensor([[20, 15]] * 3))  # the files are decoded as a whole
    assert pixels_to_decode({"train": small}) == (6 * each, 6)
    assert scene.masks is not None
    applied = replace(scene, images=WithAlpha(scene.images, scene.masks))
    assert pixels_to_decode({"train": applied}) == (6 * each, 6)
    assert pixels_to_decode({"train": toy_capture(3)}) == (0, 0)
    assert isinstance(toy_capture(3).images, MemoryImages)


def test_the_limit_is_exact_and_the_hint_fits(scene: Scene) -> None:
    total = 6 * WIDTH * HEIGHT / 1e9
    check_pixels({"train": scene}, total)
    with pytest.raises(DatasetError) as error:
        check_pixels({"train": scene}, total / 2.5)
    (problem,) = error.value.problems
    assert "6 images and masks have 7.2e-06 billion pixels" in problem.message
    assert problem.hint.startswith("Add data.every=3 to use fewer views, or data.max_gigapixels=1")


@pytest.mark.parametrize("command", ["inspect", "train", "convert"])
def test_no_image_of_a_set_that_is_too_large_is_decoded(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "scene"
    data.mkdir()
    write_transforms({"train": toy_capture(9, size=(WIDTH, HEIGHT))}, data)
    words = {
        "inspect": ["data", "inspect", str(data), "--out", str(tmp_path / "pictures"), "-q"],
        "train": ["train", "--method", "tiny-nerf", "--data", str(data), "--out", str(tmp_path / "run"), "-q"],
        "convert": ["data", "convert", "blender", str(data), str(tmp_path / "copy"), "-q"],
    }[command]
    decoded: list[Path] = []
    monkeypatch.setattr("radfield_core.data.images.decode", lambda path, n: (decoded.append(path), _decode(path, n))[1])
    capsys.readouterr()
    limit = f"data.max_gigapixels={5 * WIDTH * HEIGHT / 1e9:.9f}"
    assert main([*words, limit]) == 65
    said = capsys.readouterr().err
    assert "9 images and masks have 1.08e-05 billion pixels" in said and "data.every=2" in said
    assert command == "inspect" or not decoded  # `inspect` draws a few pictures even then
    if command == "inspect":
        assert main([*words, limit, "data.every=2"]) == 0


_decode = image_files.decode
