"""Views to store: each once, in the data's coordinates, under a portable name, with its own file where there is one."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

from radfield_core.data.images import FileImages
from radfield_core.data.normalize import normalized
from radfield_core.data.stored_views import views_to_store
from radfield_core.errors import UsageError
from radfield_core.testing.captures import toy_capture


def test_views_of_two_splits_are_stored_once_sorted_by_name():
    scene = toy_capture(4)
    views = views_to_store({"train": scene.only([3, 1]), "val": scene.only([1]), "test": scene.only([0, 1])})
    assert [(view.file_name, view.splits) for view in views] == [
        ("view_000.png", ("test",)), ("view_001.png", ("train", "val", "test")), ("view_003.png", ("train",)),
    ]  # fmt: skip


def test_poses_are_in_the_datas_coordinates_whatever_the_scenes_are():
    scene = toy_capture(3)
    moved = normalized(scene, torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64), 2.5)
    for before, after in zip(views_to_store({"train": scene}), views_to_store({"train": moved}), strict=True):
        np.testing.assert_allclose(after.c2w, before.c2w, atol=1e-12)
        np.testing.assert_allclose(before.c2w, scene.cameras.c2w[before.index].numpy(), atol=1e-12)


def test_the_pixel_center_becomes_one_half_and_rays_stay():
    scene = toy_capture(1)
    shifted = dataclasses.replace(scene, cameras=dataclasses.replace(scene.cameras, pixel_center=0.0))
    (view,) = views_to_store({"train": shifted})
    assert view.camera.pixel_center == 0.5
    original = shifted.cameras.camera(0)
    column = 7
    assert (column + 0.5 - view.camera.cx) / view.camera.fx == (column + 0.0 - original.cx) / original.fx


def test_different_views_of_one_name_are_refused():
    one, other = toy_capture(2), toy_capture(2, seed=1)
    with pytest.raises(UsageError, match=r"stored as view_000\.png") as caught:
        views_to_store({"train": one, "test": other})
    assert caught.value.problems[0].hint.startswith("Rename")


@pytest.mark.parametrize(
    ("name", "stored"),
    [("a.png", "a.png"), ("train/r_1.jpg", "train_r_1.png"), ("my photo", "my_photo.png"), ("x.tar", "x.tar.png"),
     ("../é", "é.png")],
)  # fmt: skip
def test_names_become_portable_file_names(name, stored):
    scene = dataclasses.replace(toy_capture(1), names=[name])
    assert views_to_store({"train": scene})[0].file_name == stored


def test_views_without_names_are_numbered_by_split():
    scene = dataclasses.replace(toy_capture(2), names=[])
    names = [view.file_name for view in views_to_store({"train": scene, "test": scene})]
    assert names == ["test_00000.png", "test_00001.png", "train_00000.png", "train_00001.png"]


def test_a_file_is_copied_as_it_is_and_pixels_are_encoded(tmp_path):
    scene = toy_capture(1, masks=True)
    Image.fromarray(scene.images[0].numpy()).save(tmp_path / "photo.jpg", quality=50)
    from_file = dataclasses.replace(scene, images=FileImages([tmp_path / "photo.jpg"], 3))
    (view,) = views_to_store({"train": from_file})
    view.write_image(tmp_path / "new" / view.file_name)
    assert (tmp_path / "new" / "view_000.jpg").read_bytes() == (tmp_path / "photo.jpg").read_bytes()
    view.write_image(tmp_path / "new" / "other.png")
    with Image.open(tmp_path / "new" / "other.png") as image:
        assert (np.asarray(image) == from_file.images[0].numpy()).all()
    view.write_mask(tmp_path / "masks" / "m.png")
    with Image.open(tmp_path / "masks" / "m.png") as mask:
        assert mask.mode == "L" and (np.asarray(mask) == scene.masks[0][..., 0].numpy()).all()


def test_depth_is_that_of_the_view():
    depths = [torch.full((24, 32), float(i)) for i in range(3)]
    views = views_to_store({"train": dataclasses.replace(toy_capture(3), depths=depths)})
    assert [float(view.view_depth[0, 0]) for view in views] == [0.0, 1.0, 2.0]
    assert views_to_store({"train": toy_capture(1)})[0].view_depth is None
