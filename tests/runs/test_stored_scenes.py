"""Scenes without their images: what is stored is read back, and damage is noticed."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import pytest
import safetensors.torch
import torch

from radfield_core.cameras import Cameras
from radfield_core.data.images import MemoryImages
from radfield_core.data.scene import EstimatedUp, Scene
from radfield_core.errors import DatasetError
from radfield_core.ops.distortion import MODELS
from radfield_core.runs.stored_scenes import LaterImages, packed, unpacked
from radfield_core.testing.training import toy_scene
from radfield_core.types import SceneBox


def full_scene() -> Scene:
    """A scene that uses every attribute that is stored."""
    scene = toy_scene(3, size=8)
    plain, lens = scene.cameras, 0.01 * torch.rand(3, MODELS["opencv"], dtype=torch.float64)
    cameras = Cameras(plain.c2w, plain.intrinsics, plain.sizes, 0.0, "opencv", lens)
    return replace(
        scene, cameras=cameras, far=float("inf"), box=SceneBox(torch.tensor([1.0, 2.0, 3.0]), 0.75, "sphere", False),
        masks=MemoryImages(torch.zeros(3, 8, 8, 1, dtype=torch.uint8)), masks_mean="counted", limits_along="axis",
        to_data=torch.diag(torch.tensor([2.0, 2.0, 2.0, 1.0]).double()), unit="mm", up="-y",
        estimated_up=EstimatedUp((0.0, 0.6, -0.8), "the ground"),
        background=(0.25, 0.5, 1.0), points=torch.rand(5, 3),
        point_colors=torch.arange(15, dtype=torch.uint8).view(5, 3), names=["a", "b", "ü"], groups=["1", "1", "2"],
        loss_weights=torch.rand(3), render_path=torch.rand(2, 3, 4),
    )  # fmt: skip


def test_everything_but_images_is_stored_exactly() -> None:
    scene, plain = full_scene(), toy_scene(2)
    read = unpacked(packed({"train": scene, "test": plain}))
    assert list(read) == ["train", "test"]
    for name in (
        "near",
        "far",
        "masks_mean",
        "limits_along",
        "ndc",
        "unit",
        "up",
        "background",
        "names",
        "groups",
        "estimated_up",
    ):
        assert getattr(read["train"], name) == getattr(scene, name), name
        assert getattr(read["test"], name) == getattr(plain, name), name
    for name in ("to_data", "points", "point_colors", "loss_weights", "render_path"):
        assert torch.equal(getattr(read["train"], name), getattr(scene, name)), name
    for name in ("c2w", "intrinsics", "sizes", "distortion"):
        assert torch.equal(getattr(read["train"].cameras, name), getattr(scene.cameras, name)), name
    assert (read["train"].cameras.model, read["train"].cameras.pixel_center) == ("opencv", 0.0)
    box = read["train"].box
    assert (box.center.tolist(), box.radius, box.shape, box.measured) == ([1.0, 2.0, 3.0], 0.75, "sphere", False)
    assert read["train"].images.channels == 4 and torch.equal(read["train"].images.sizes, scene.images.sizes)
    assert read["train"].masks is not None and read["test"].masks is None and read["test"].points is None


def test_no_attribute_of_a_scene_is_forgotten() -> None:
    """Every attribute is stored, or read from the data when it is needed, or belongs to the training alone."""
    left_out = {"images", "masks", "depths", "normals", "ground_truth", "observations", "notes", "chosen"}
    scene = full_scene()
    (read,) = unpacked(packed({"train": scene})).values()
    default = Scene(scene.cameras, scene.images, 0.0, 1.0, scene.box)
    for name in {field.name for field in fields(Scene)} - left_out - {"ndc"}:
        value, plain = getattr(scene, name), getattr(default, name)
        if name not in ("cameras", "box"):
            assert type(value) is not type(plain) or repr(value) != repr(plain), f"full_scene leaves out {name}"
        assert repr(getattr(read, name)) == repr(value), name


def test_an_older_run_has_no_estimate_of_the_upward_direction() -> None:
    tensors = safetensors.torch.load(packed({"train": full_scene()}))
    values = json.loads(bytes(tensors["values"].numpy()))
    del values["train"]["estimated_up"]
    tensors["values"] = torch.frombuffer(bytearray(json.dumps(values).encode()), dtype=torch.uint8)
    assert unpacked(safetensors.torch.save(tensors))["train"].estimated_up is None


def _without_unit_length(tensors) -> None:
    text = bytes(tensors["values"].numpy()).replace(b"0.6", b"6e9")
    tensors["values"] = torch.frombuffer(bytearray(text), dtype=torch.uint8)


def test_images_are_read_when_they_are_first_used_and_only_if_they_are_the_same() -> None:
    scene, calls = toy_scene(4), []
    later = LaterImages(4, scene.images.sizes, lambda: (calls.append(1), scene.images)[1])
    some = later.only([3, 1])
    assert len(later) == 4 and len(some) == 2 and calls == []
    assert torch.equal(some[0], scene.images[3]) and torch.equal(some.only([1])[0], scene.images[1])
    other = LaterImages(4, scene.images.sizes, lambda: toy_scene(3).images)
    with pytest.raises(DatasetError, match="number or the sizes of the images have changed"):
        other[0]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda tensors: tensors.pop("train/c2w"),
        lambda tensors: tensors.pop("values"),
        lambda tensors: tensors["train/c2w"].fill_(float("nan")),
        lambda tensors: tensors.update({"train/intrinsics": torch.ones(2, 4)}),
        lambda tensors: tensors.update({"train/point_colors": torch.zeros(4, 3, dtype=torch.uint8)}),
        lambda tensors: tensors.pop("train/points"),
        lambda tensors: tensors.update({"train/sizes": torch.zeros(3, 2, dtype=torch.int64)}),
        lambda tensors: tensors.update({"train/distortion": torch.zeros(3, 1)}),
        lambda tensors: tensors.update({"values": torch.zeros(3, dtype=torch.uint8)}),
        lambda tensors: tensors.update({"train/render_path": torch.zeros(2, 3, 5)}),
        _without_unit_length,
    ],
)
def test_damage_is_noticed(spoil) -> None:
    tensors = safetensors.torch.load(packed({"train": full_scene()}))
    spoil(tensors)
    with pytest.raises((KeyError, TypeError, ValueError)):
        unpacked(safetensors.torch.save(tensors))
