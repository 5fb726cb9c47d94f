"""What a run knows of its data: a change of cameras, region or files is noticed, and nothing else is."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from radfield_core.data.images import FileImages
from radfield_core.data.masks import WithAlpha
from radfield_core.data.scene import Scene
from radfield_core.files.pictures import write_picture
from radfield_core.runs.folder import RunFolder
from radfield_core.runs.known_data import KnownData, files_of
from radfield_core.runs.stored_scenes import packed, unpacked
from radfield_core.testing.training import toy_scene
from radfield_core.types import SceneBox


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with four pictures and four masks."""
    for index in range(4):
        write_picture(tmp_path / "data" / f"{index}.png", np.full((16, 16, 3), 40 * index, dtype=np.uint8))
        write_picture(tmp_path / "data" / "masks" / f"{index}.png", np.full((16, 16), 255, dtype=np.uint8))
    return tmp_path / "data"


def scene_of(root: Path, numbers: list[int], *, alpha: bool = False) -> Scene:
    """A scene with the pictures and masks of these numbers."""
    scene = replace(toy_scene(4), names=["v0", "v1", "v2", "v3"]).only(numbers)
    images = FileImages([root / f"{index}.png" for index in numbers], 3)
    masks = FileImages([root / "masks" / f"{index}.png" for index in numbers], 1)
    return replace(scene, images=WithAlpha(images, masks) if alpha else images, masks=None if alpha else masks)


def known(scene: Scene, root: Path) -> KnownData:
    return KnownData(unpacked(packed({"train": scene})), {"train": files_of(scene, root)})


@pytest.mark.parametrize("alpha", [False, True])
def test_the_files_are_those_of_images_and_masks_with_sizes_and_times(root: Path, alpha: bool) -> None:
    files = files_of(scene_of(root, [0, 2], alpha=alpha), root)
    assert sorted(files) == ["0.png", "2.png", "masks/0.png", "masks/2.png"]
    status = (root / "masks" / "2.png").stat()
    assert files["masks/2.png"] == [status.st_size, status.st_mtime_ns]
    assert files_of(toy_scene(2), None) == {}, "images that come from no files"


def test_the_same_data_are_no_change_wherever_they_lie(root: Path) -> None:
    before = known(scene_of(root, [0, 1, 2]), root)
    moved = root.rename(root.with_name("moved"))
    assert before.changes("train", scene_of(moved, [0, 1, 2]), moved) == ([], [])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda root: write_picture(root / "1.png", np.zeros((16, 16, 4), dtype=np.uint8)),
            "1 file (1.png) has changed",
        ),
        (lambda root: os.utime(root / "1.png", (1, 1)), "1 file (1.png) was written since"),
        (
            lambda root: [os.utime(path, (1, 1)) for path in root.rglob("*.png")],
            "all files have other modification times than when the run was trained, as after a copy",
        ),
        (lambda root: (root / "masks" / "2.png").unlink(), "1 file (masks/2.png) has changed"),
    ],
)
def test_changed_files_are_named(root: Path, change: Callable[[Path], object], says: str) -> None:
    before = known(scene_of(root, [0, 1, 2]), root)
    change(root)
    geometry, (line,) = before.changes("train", scene_of(root, [0, 1, 2]), root)
    assert geometry == [] and line.startswith("train: ") and says in line


def test_views_that_come_and_go_are_named_with_their_files(root: Path) -> None:
    before = known(scene_of(root, [0, 1, 2]), root)
    geometry, lines = before.changes("train", scene_of(root, [1, 2, 3]), root)
    assert geometry == [] and lines == [
        "train: 1 view (v0) is no longer in the data", "train: 1 view (v3) is new in the data",
        "train: 2 files (0.png, masks/0.png) are no longer part of the data",
        "train: 2 files (3.png, masks/3.png) are new in the data",
    ]  # fmt: skip


def turned(scene: Scene) -> Scene:
    c2w = scene.cameras.c2w.clone()
    c2w[1, :, 1:3] *= -1
    return replace(scene, cameras=replace(scene.cameras, c2w=c2w))


def zoomed(scene: Scene) -> Scene:
    return replace(scene, cameras=replace(scene.cameras, intrinsics=scene.cameras.intrinsics * 1.01))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (turned, "1 camera (v1) is not as when the run was trained"),
        (zoomed, "3 cameras (v0, v1, v2) are not as when"),
        (lambda scene: replace(scene, names=["x", "y", "z"]), "3 cameras (x, y, z) are not as"),
        (lambda scene: replace(scene, near=0.5), "other coordinates, near and far limits"),
        (lambda scene: replace(scene, box=SceneBox(torch.ones(3), 1.5)), "other coordinates, near and far limits"),
        (lambda scene: replace(scene, to_data=2 * scene.to_data), "other coordinates, near and far limits"),
    ],
)  # fmt: skip
def test_other_cameras_and_another_region_are_changes_that_matter(root: Path, change, says: str) -> None:
    scene = scene_of(root, [0, 1, 2])
    (line,), files = known(scene, root).changes("train", change(scene), root)
    assert says in line and files == []


def test_rounding_is_no_change(root: Path) -> None:
    scene = scene_of(root, [0, 1, 2])
    noisy = replace(scene, cameras=replace(scene.cameras, c2w=scene.cameras.c2w * (1 + 1e-9)))
    assert known(scene, root).changes("train", noisy, root) == ([], [])


def test_a_run_without_records_knows_nothing_and_damaged_ones_are_reported(
    root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = RunFolder(tmp_path)
    assert KnownData.read(folder) == KnownData() and caplog.messages == []
    folder.cameras.write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00{}      ")
    folder.data.write_text("[]")
    assert KnownData.read(folder) == KnownData()
    assert "cameras.safetensors is damaged" in caplog.text and "data.json is damaged" in caplog.text
    assert KnownData().changes("train", scene_of(root, [0]), root) == ([], [])


def test_images_and_masks_of_a_stored_scene_come_from_the_data(root: Path) -> None:
    scene, loaded = scene_of(root, [0, 2]), []
    stored = known(scene, root).scene("train", lambda: (loaded.append(1), scene)[1])
    assert stored is not None and loaded == [] and stored.masks is not None
    assert torch.equal(stored.images[1], scene.images[1]) and torch.equal(stored.masks[0], scene.masks[0])  # type: ignore[index]
    assert known(scene, root).scene("test", lambda: scene) is None
