"""Images that are listed but do not exist: every format and every command does without them, and says so."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from radfield_blender.writer import write_blender
from radfield_colmap.writer import write as write_colmap
from radfield_transforms.writer import write as write_transforms

from radfield_core.cli.main import main
from radfield_core.data.missing_images import MissingImages, find_missing, missing_views
from radfield_core.errors import DatasetError
from radfield_core.runs.trained import open_run
from radfield_core.testing.captures import toy_capture

SMALL = [
    "trainer.max_steps=2", "trainer.n_rays=16", "field.width=8", "field.depth=3", "field.skip_layer=2",
    "sampler.n_samples=4", "trainer.device=cpu",
]  # fmt: skip


def _train(data: Path, out: Path, *more: str) -> int:
    return main(["train", "--method", "tiny-nerf", "--data", str(data), "--out", str(out), "-q", *SMALL, *more])


def _made(name: str, folder: Path) -> tuple[Path, list[Path]]:
    """Write a data set of ten training and two test views. Return its folder and the images of the training views."""
    whole = toy_capture(12, size=(16, 12))
    train, test = whole.only(range(10)), whole.only([10, 11])
    if name == "blender":
        write_blender({"train": train, "test": test}, folder)
        return folder, [folder / "train" / f"r_{i}.png" for i in range(10)]
    if name == "multiscale":
        write_blender({"train": train, "test": test}, folder / "full")
        main(["data", "convert", "multiscale", str(folder / "full"), str(folder / "multi"), "n_down=1", "-q"])
        return folder / "multi", [folder / "multi" / "images_train" / f"{i:03d}_d0.png" for i in range(10)]
    folder.mkdir()
    if name == "masked":
        masked = replace(toy_capture(12, size=(16, 12), masks=True), masks_mean="counted")
        write_transforms({"train": masked.only(range(10)), "test": masked.only([10, 11])}, folder)
    elif name == "transforms":
        write_transforms({"train": train, "test": test}, folder)
    else:
        write_colmap({"train": whole}, folder)
    every = sorted((folder / "images").iterdir())
    return folder, [path for i, path in enumerate(every) if i % 8] if name == "colmap" else every[:10]


FORMATS = ["blender", "multiscale", "transforms", "masked", "colmap"]


@pytest.mark.parametrize("name", FORMATS)
def test_missing_images_are_left_out_of_training_and_of_all_that_follows(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, images = _made(name, tmp_path / "scene")
    for path in images[2:5]:
        path.unlink()
    capsys.readouterr()
    run = tmp_path / "run"
    assert _train(data, run) == 0
    said = capsys.readouterr().err
    (line,) = [line for line in said.splitlines() if "missing" in line]
    assert "3 of 12 images are missing and are left out: " in line
    assert all(path.stem in line for path in images[2:5]), line
    assert json.loads((run / "scene.json").read_text())["left_out"] == {"train": [2, 3, 4]}
    shutil.copy(images[0], images[2])  # an image that appears later does not change the run
    assert len(open_run(run).scenes.get("train").images) == len(images) - 3
    assert main(["eval", str(run), "-q"]) == 0
    assert main(["train", "--resume", str(run), "-q", "trainer.max_steps=3"]) == 0
    assert json.loads((run / "scene.json").read_text())["left_out"] == {"train": [2, 3, 4]}


@pytest.mark.parametrize("name", ["blender", "masked", "colmap"])
def test_inspecting_and_converting_do_without_missing_images_too(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, images = _made(name, tmp_path / "scene")
    images[1].unlink()
    capsys.readouterr()
    assert main(["data", "inspect", str(data), "--out", str(tmp_path / "pictures"), "-q"]) == 0
    said = capsys.readouterr().out
    assert "1 of 10 images is missing and is left out: " in said and f"{len(images) - 1} images can be read" in said
    assert main(["data", "convert", "colmap", str(data), str(tmp_path / "copy"), "-q"]) == 0
    assert "warning: 1 of 12 images is missing and is left out: " in capsys.readouterr().err
    assert len(list((tmp_path / "copy" / "images").iterdir())) == 11


def test_the_size_does_not_depend_on_which_image_is_missing(tmp_path: Path) -> None:
    for name, missing in (("blender", 0), ("transforms", 0)):
        data, images = _made(name, tmp_path / name)
        images[missing].unlink()
        run = tmp_path / f"run-{name}"
        assert _train(data, run, "data.downscale=2") == 0
        assert open_run(run).scenes.get("train").cameras.sizes.tolist() == [[8, 6]] * 9


def test_if_most_images_are_missing_the_share_must_be_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, images = _made("transforms", tmp_path / "scene")
    for path in images[:7]:
        path.unlink()
    capsys.readouterr()
    assert _train(data, tmp_path / "run") == 65
    said = capsys.readouterr().err
    assert "7 of 12 images are missing, and at most 50% may be: images/view_000.png, " in said
    assert "Set scene.max_missing_share=0.59 to use the other images" in said
    assert _train(data, tmp_path / "run", "scene.max_missing_share=0.59") == 0
    for path in images[7:]:
        path.unlink()
    capsys.readouterr()
    assert _train(data, tmp_path / "other", "scene.max_missing_share=1") == 65
    assert "all 10 training images are missing: " in capsys.readouterr().err


def test_missing_and_unreadable_images_each_have_their_share(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, images = _made("blender", tmp_path / "scene")
    images[0].unlink()
    images[3].write_bytes(b"")
    capsys.readouterr()
    assert _train(data, tmp_path / "run") == 65
    assert "image 2 of train, train/r_3: is empty" in capsys.readouterr().err
    assert _train(data, tmp_path / "run", "--skip-bad-images") == 65  # 1 of 11 is more than 5 %
    assert "scene.max_bad_share=0.1 " in capsys.readouterr().err
    assert _train(data, tmp_path / "run", "--skip-bad-images", "scene.max_bad_share=0.1") == 0
    assert json.loads((tmp_path / "run" / "scene.json").read_text())["left_out"] == {"train": [0, 3]}


@pytest.mark.parametrize("name", ["blender", "masked"])
def test_a_held_out_split_without_any_image_counts_as_absent(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, images = _made(name, tmp_path / "scene")
    kept = {path.resolve() for path in images}
    for path in [*data.rglob("*.png")]:
        if path.resolve() not in kept and "masks" not in path.parts:
            path.unlink()
    capsys.readouterr()
    assert _train(data, tmp_path / "run") == 0
    said = capsys.readouterr().err
    assert said.count("the test split lists 2 images, none of which exists") == 1 and "are left out" not in said
    assert main(["data", "inspect", str(data), "--out", str(tmp_path / "pictures"), "-q"]) == 0
    assert "test: none (the test split lists 2 images, none of which exists)" in capsys.readouterr().out
    assert main(["eval", str(tmp_path / "run")]) == 65
    assert "the test split lists 2 images, none of which exists" in capsys.readouterr().err


def test_long_lists_are_summarized() -> None:
    names = [f"images/{i}.png" for i in range(1000)]
    missing = MissingImages({"train": list(range(1000))}, names, 2000)
    assert missing.warning.startswith("1000 of 2000 images are missing and are left out: images/0.png, images/1.png, ")
    assert missing.warning.endswith(" and 992 more")
    missing.check(0.5, 2000)
    with pytest.raises(DatasetError, match=r"at most 49% may be: .* and 992 more"):
        missing.check(0.49, 2000)


def test_only_files_can_be_missing_and_a_view_of_two_splits_counts_once() -> None:
    scene = toy_capture(3)
    assert missing_views(scene) == []
    assert find_missing({"val": scene, "test": scene}) == MissingImages({}, [], 3)


def test_views_left_out_before_are_found_again_if_other_views_are_chosen(tmp_path: Path) -> None:
    data, images = _made("blender", tmp_path / "scene")
    images[4].unlink()
    run = tmp_path / "run"
    assert _train(data, run) == 0
    resume = ["train", "--resume", str(run), "-q", "trainer.max_steps=3", "data.every=2", "--allow-config-change"]
    assert main(resume) == 0
    assert json.loads((run / "scene.json").read_text())["left_out"] == {"train": [2]}  # the third of views 0, 2, 4, …
    assert open_run(run).scenes.get("train").names == [f"train/r_{i}" for i in (0, 2, 6, 8)]
