"""Opening data for training: empty splits, bad images, and the views that training evaluates."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import attrs
import pytest

from radfield_core.config.run import EvalConfig, SceneConfig, TrainerConfig
from radfield_core.data import bad_images
from radfield_core.data.scene import Scene
from radfield_core.errors import DatasetError, NoSuchSplit
from radfield_core.testing.training import ToyMethod, toy_scene
from radfield_core.train.open_data import open_data, quick_evaluation


def run_of(views: dict[str, int], **scene_options: object) -> SimpleNamespace:
    """A run whose splits have so many views."""

    class Parser:
        splits = ("train", "val", "test")

        def __init__(self, config: object):
            pass

        def parse(self, split: str) -> Scene:
            scene = toy_scene(max(views.get(split, 0), 1))
            scene = dataclasses.replace(scene, names=[f"{split}/{i}" for i in range(len(scene.cameras))])
            return scene if views.get(split) else scene.only([])

    data = SimpleNamespace(load=lambda: Parser, config=attrs.make_class("Options", [])(), name="toy")
    return SimpleNamespace(
        scene=SceneConfig(**scene_options), data=data, trainer=TrainerConfig(eval_views=2), eval=EvalConfig()
    )


@pytest.fixture
def spoiled(monkeypatch: pytest.MonkeyPatch) -> list[bad_images.BadImage]:
    """Images that are found to be bad; tests fill the list."""
    found: list[bad_images.BadImage] = []
    monkeypatch.setattr(
        bad_images, "find_bad_images", lambda scene, split, *_, **__: [each for each in found if each.split == split]
    )
    return found


def test_sound_data_opens_without_a_warning() -> None:
    scenes, warnings = open_data(run_of({"train": 3, "val": 2, "test": 2}), ToyMethod(), {}, quiet=True)
    assert warnings == [] and len(scenes.get("train").cameras) == 3


def test_splits_that_are_missing_or_too_small_are_warned_of() -> None:
    _, warnings = open_data(run_of({"train": 1}), ToyMethod(), {}, quiet=True)
    assert len(warnings) == 2 and "evaluated" in warnings[0] and "single training view" in warnings[1]


def test_an_empty_training_split_is_an_error() -> None:
    with pytest.raises(NoSuchSplit, match="train"):
        open_data(run_of({"test": 3}), ToyMethod(), {}, quiet=True)


def test_every_bad_image_of_every_split_is_named(spoiled: list[bad_images.BadImage]) -> None:
    spoiled += [bad_images.BadImage("train", 1, "train/1", "empty"), bad_images.BadImage("test", 0, "test/0", "cut")]
    with pytest.raises(DatasetError) as caught:
        open_data(run_of({"train": 3, "test": 2}), ToyMethod(), {}, quiet=True)
    assert "train/1: empty" in str(caught.value) and "test/0: cut" in str(caught.value)


def test_bad_images_and_earlier_ones_are_left_out(spoiled: list[bad_images.BadImage]) -> None:
    spoiled.append(bad_images.BadImage("train", 5, "train/5", "empty"))
    run = run_of({"train": 30, "val": 10}, skip_bad_images=True)
    scenes, warnings = open_data(run, ToyMethod(), {"train": [7]}, quiet=True)
    assert scenes.left_out == {"train": [5, 7]}
    names = scenes.get("train").names
    assert len(names) == 28 and not {"train/5", "train/7"} & set(names)
    assert any("train/5" in warning for warning in warnings)


@pytest.mark.parametrize(
    ("views", "split"), [({"val": 5, "test": 5}, "val"), ({"test": 5}, "test"), ({}, None)], ids=str
)
def test_validation_views_are_evaluated_else_test_views(views: dict[str, int], split: str | None) -> None:
    run = run_of({"train": 2, **views})
    scenes, _ = open_data(run, ToyMethod(), {}, quiet=True)
    evaluation = quick_evaluation(run, ToyMethod(), scenes)
    assert (None if evaluation is None else evaluation.split) == split


def test_the_data_is_not_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    open_data(run_of({"train": 2, "val": 1}), ToyMethod(), {}, quiet=True)
    assert list(tmp_path.iterdir()) == []
