"""Images that cannot be read are all named before the first step, and left out by everything if that is asked for."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from radfield_blender.writer import write_blender
from radfield_dtu.config import DtuConfig
from radfield_dtu.dataparser import DtuParser
from radfield_dtu.writer import write as write_dtu
from radfield_transforms.writer import write as write_transforms

from radfield_core.cli.main import main
from radfield_core.config.run import SceneConfig
from radfield_core.data.bad_images import BadImage, choose_left_out, find_bad_images
from radfield_core.data.image_files import decode
from radfield_core.data.images import FileImages
from radfield_core.data.mask_files import decode_mask
from radfield_core.errors import DatasetError
from radfield_core.runs.trained import open_run
from radfield_core.testing.captures import toy_capture

SMALL = [
    "trainer.max_steps=3", "trainer.n_rays=16", "field.width=8", "field.depth=3", "field.skip_layer=2",
    "sampler.n_samples=4", "trainer.device=cpu",
]  # fmt: skip


def truncate(path: Path) -> str:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return "truncated"


def empty(path: Path) -> str:
    path.write_bytes(b"")
    return "is empty"


def text(path: Path) -> str:
    path.write_text("this was to be a picture\n")
    return "is not a PNG"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A Blender folder with 80 training and 20 test views."""
    write_blender({"train": toy_capture(80, size=(16, 12)), "test": toy_capture(20, size=(16, 12), seed=1)},
                  tmp_path / "scene")  # fmt: skip
    return tmp_path / "scene"


def train(data: Path, out: Path, *more: str) -> int:
    return main(["train", "--method", "tiny-nerf", "--data", str(data), "--out", str(out), "-q", *SMALL, *more])


def test_every_bad_image_of_every_split_is_in_one_list_and_nothing_is_trained(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reasons = {
        f"image {index} of {split}, {split}/r_{index}": damage(folder / split / f"r_{index}.png")
        for split, index, damage in [
            ("train", 0, empty), ("train", 17, truncate), ("train", 79, text), ("test", 0, text), ("test", 19, truncate)
        ]
    }  # fmt: skip
    assert train(folder, tmp_path / "run") == 65
    said = capsys.readouterr().err
    for image, reason in reasons.items():
        (line,) = [line for line in said.splitlines() if f"{image}:" in line]
        assert reason in line
    assert "5 of 100 images cannot be read" in said and "--skip-bad-images" in said and "Traceback" not in said
    assert not (tmp_path / "run").exists()


def test_with_the_flag_training_resuming_and_all_that_follows_do_without_them(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "r_17.png"
    shutil.copy(folder / "train" / "r_17.png", kept)
    truncate(folder / "train" / "r_17.png")
    empty(folder / "train" / "r_0.png")
    text(folder / "test" / "r_4.png")
    run = tmp_path / "run"
    assert train(folder, run, "--skip-bad-images") == 0
    said = capsys.readouterr().err
    assert said.count("left out: image") == 3 and "left out: image 17 of train, train/r_17: " in said
    assert "skip_bad_images = true" in (run / "config.toml").read_text()
    assert json.loads((run / "scene.json").read_text())["left_out"] == {"train": [0, 17], "test": [4]}

    shutil.copy(kept, folder / "train" / "r_17.png")  # mended: the run stays what it is
    scenes = open_run(run).scenes
    names = [f"train/r_{i}" for i in range(80) if i not in (0, 17)]
    assert scenes.get("train").names == names and len(scenes.get("train").images) == 78
    assert main(["eval", str(run), "-q"]) == 0 and "test, 19 views" in capsys.readouterr().out
    assert main(["render", str(run), "--views", "all", "--out", str(tmp_path / "pictures"), "-q"]) == 0
    assert not [path for path in (tmp_path / "pictures").rglob("*r_4*")]
    assert main(["train", "--resume", str(run), "-q", "trainer.max_steps=4"]) == 0
    assert json.loads((run / "scene.json").read_text())["left_out"] == {"train": [0, 17], "test": [4]}
    capsys.readouterr()

    empty(folder / "test" / "r_7.png")  # and what broke since is said, all of it
    truncate(folder / "test" / "r_9.png")
    assert main(["eval", str(run), "-q"]) == 65
    said = capsys.readouterr().err
    assert "test/r_7" in said and "test/r_9" in said


def test_more_than_one_in_twenty_is_too_many_to_leave_out(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for index in range(6):
        empty(folder / "train" / f"r_{index}.png")
    assert train(folder, tmp_path / "run", "--skip-bad-images") == 65
    said = capsys.readouterr().err
    assert said.count("is empty") == 6 and "6 of 100 images cannot be read, more than the 5%" in said


@pytest.mark.parametrize("damage", [truncate, empty, text])
def test_a_mask_that_cannot_be_read_takes_its_image_with_it(
    tmp_path: Path, damage, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, run = tmp_path / "scene", tmp_path / "run"
    folder.mkdir()
    write_transforms({"train": replace(toy_capture(40, masks=True), masks_mean="counted")}, folder)
    meta = json.loads((folder / "transforms.json").read_text())
    reason = damage(folder / meta["frames"][9]["mask_path"])
    damage(folder / meta["frames"][16]["file_path"])  # held out: it belongs to val and test
    assert train(folder, run) == 65
    said = capsys.readouterr().err
    assert f"its mask {reason}" in said or "its mask cannot be decoded" in said
    assert "2 of 40 images cannot be read" in said
    assert train(folder, run, "--skip-bad-images") == 0
    left = json.loads((run / "scene.json").read_text())["left_out"]
    assert {split: len(views) for split, views in left.items()} == {"train": 1, "val": 1, "test": 1}
    scene = open_run(run).scenes.get("train")
    assert scene.masks is not None and len(scene.masks) == len(scene.images) == len(scene.cameras)
    assert meta["frames"][9]["file_path"] not in scene.names and scene.masks.check() == []


def test_writing_a_format_from_data_with_bad_images_is_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truncate(folder / "test" / "r_3.png")
    assert main(["data", "convert", "transforms", str(folder), str(tmp_path / "copy"), "-q"]) == 65
    assert "image 3 of test, test/r_3" in capsys.readouterr().err and not (tmp_path / "copy").exists()


@pytest.mark.parametrize(("n", "n_bad", "fits"), [(20, 1, True), (19, 1, False), (40, 2, True), (39, 2, False)])
def test_the_share_counts_views_of_two_splits_once(n: int, n_bad: int, fits: bool) -> None:
    scene = toy_capture(n)
    found = [BadImage(split, i, scene.names[i], "is empty") for split in ("train", "test") for i in range(n_bad)]
    scenes = {"train": scene, "test": scene}
    allowed = SceneConfig(skip_bad_images=True)
    if fits:
        assert choose_left_out(found, scenes, allowed) == {split: list(range(n_bad)) for split in scenes}
    else:
        with pytest.raises(DatasetError, match=f"{n_bad} of {n} images"):
            choose_left_out(found, scenes, allowed)
    assert choose_left_out(
        found, scenes, SceneConfig(skip_bad_images=True, max_bad_share=0.06)
    )  # the share is an option
    with pytest.raises(DatasetError):
        choose_left_out(found, scenes, SceneConfig())
    assert choose_left_out([], scenes, SceneConfig()) == {}


def test_every_file_is_decoded_once_before_the_first_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "scene"
    folder.mkdir()
    write_transforms({"train": replace(toy_capture(9, masks=True), masks_mean="counted")}, folder)
    truncate(folder / "images" / "view_008.png")  # of all splits: nothing is trained
    decoded: list[Path] = []

    def counted(path: Path, channels: int) -> np.ndarray:
        decoded.append(path)
        return decode(path, channels)

    def counted_mask(path: Path) -> np.ndarray:
        decoded.append(path)
        return decode_mask(path)

    monkeypatch.setattr("radfield_core.data.images.decode", counted)
    monkeypatch.setattr("radfield_core.data.mask_files.decode_mask", counted_mask)
    assert train(folder, tmp_path / "run", "data.holdout=0") == 65
    assert sorted(decoded) == sorted(p for kind in ("images", "masks") for p in (folder / kind).iterdir())


@pytest.mark.parametrize("keep_mb", [None, 64])
@pytest.mark.parametrize("apply_mask", [False, True])
def test_a_mask_that_cannot_be_read_is_listed_once(tmp_path: Path, apply_mask: bool, keep_mb: int | None) -> None:
    write_dtu({"train": toy_capture(9, masks=True)}, tmp_path)
    truncate(tmp_path / "mask" / "003.png")
    scene = DtuParser(DtuConfig(root=str(tmp_path), apply_mask=apply_mask)).parse("train")
    (bad,) = find_bad_images(scene, "train", keep_mb, quiet=True)
    assert str(bad).startswith("image 3 of train, 003: its mask cannot be decoded")


def test_files_that_another_split_has_checked_are_not_decoded_again(tmp_path: Path, monkeypatch) -> None:
    paths = [tmp_path / f"{i}.png" for i in range(4)]
    for path in paths:
        Image.new("RGB", (4, 3)).save(path)
    empty(paths[1])
    seen: dict[Path, str] = {}
    scene = replace(toy_capture(4), images=FileImages(paths, 3))
    first = find_bad_images(scene.only([0, 1]), "train", None, quiet=True, seen=seen)
    assert seen == {paths[0]: "", paths[1]: "is empty"}
    decoded: list[Path] = []
    monkeypatch.setattr("radfield_core.data.images.decode", lambda path, n: (decoded.append(path), decode(path, n))[1])
    second = find_bad_images(scene.only([1, 2, 3]), "test", None, quiet=True, seen=seen)
    assert decoded == paths[2:] and [(bad.split, bad.view) for bad in (*first, *second)] == [("train", 1), ("test", 0)]


def test_images_in_memory_have_no_faults_and_no_progress(capsys: pytest.CaptureFixture[str]) -> None:
    assert find_bad_images(toy_capture(3, masks=True), "train", None, quiet=False) == []
    assert capsys.readouterr().out == ""


def test_a_long_list_of_bad_images_is_summarized(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for index in range(40):
        empty(folder / "train" / f"r_{index}.png")
    assert train(folder, tmp_path / "run") == 65
    said = capsys.readouterr().err
    assert said.count("is empty") == 21 and "error: 20 more: is empty" in said
    assert "40 of 100 images cannot be read" in said
    assert train(folder, tmp_path / "run", "--skip-bad-images", "scene.max_bad_share=0.4") == 0
    said = capsys.readouterr().err
    assert said.count("left out: ") == 21 and "left out: 20 more: is empty" in said
