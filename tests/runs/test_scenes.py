"""The splits of a run's data: read once, normalized like the training split, without the views left out."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import attrs
import pytest
import torch

from radfield_core.config.run import SceneConfig
from radfield_core.data.scene import Scene
from radfield_core.errors import NoSuchSplit, UsageError
from radfield_core.runs.scenes import Scenes
from radfield_core.testing.training import toy_scene


class Parser:
    """Training views in a ring, validation views that stand elsewhere, and no test views."""

    splits = ("train", "val", "test")

    def __init__(self, config: object):
        self.parsed: list[str] = []

    def parse(self, split: str) -> Scene:
        self.parsed.append(split)
        scene = toy_scene(5 if split == "train" else 4)
        if split == "val":
            cameras = dataclasses.replace(scene.cameras, c2w=scene.cameras.c2w + torch.tensor([0.0, 0.0, 0.0, 2.0]))
            return dataclasses.replace(scene, cameras=cameras)
        return scene.only([]) if split == "test" else scene


def scenes_of(left_out: dict[str, list[int]] | None = None, **options: object) -> Scenes:
    data = SimpleNamespace(load=lambda: Parser, config=attrs.make_class("Options", [])(), name="toy")
    return Scenes(SimpleNamespace(scene=SceneConfig(**options), data=data), left_out)  # type: ignore[arg-type]


def test_every_split_is_normalized_like_the_training_split() -> None:
    scenes = scenes_of(normalize="unit_sphere")
    train, val = scenes.get("train"), scenes.get("val")
    torch.testing.assert_close(train.to_data, val.to_data)
    in_data = val.data_points(val.cameras.c2w[:, :, 3])
    torch.testing.assert_close(in_data, Parser(None).parse("val").cameras.c2w[:, :, 3], check_dtype=False)


def test_each_split_is_parsed_once() -> None:
    scenes = scenes_of()
    for split in ("train", "val", "train", "val"):
        scenes.get(split)
    assert sorted(scenes._parser._parser.parsed) == ["train", "val"]  # type: ignore[attr-defined]


def test_views_left_out_are_numbered_as_in_the_data() -> None:
    scenes = scenes_of({"train": [0]})
    scenes.get("train")
    scenes.leave_out({"train": [2, 0], "val": [3]})
    assert scenes.left_out == {"train": [0, 2], "val": [3]}
    kept = toy_scene(5).cameras.c2w[[1, 3, 4]]
    torch.testing.assert_close(scenes.get("train").cameras.c2w, kept)
    assert len(scenes.get("val").cameras) == 3


def test_an_unknown_split_and_an_empty_one_are_different_errors() -> None:
    scenes = scenes_of()
    with pytest.raises(UsageError, match="'tset'") as caught:
        scenes.get("tset")
    assert "--split val" in caught.value.problems[0].hint
    with pytest.raises(NoSuchSplit, match="'test'"):
        scenes.get("test")
