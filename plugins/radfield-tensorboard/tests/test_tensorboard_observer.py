"""observer:tensorboard: event files, read back with TensorBoard's own reader."""

from __future__ import annotations

import io
import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from radfield_tensorboard.observer import tag_of
from tensorboard.backend.event_processing.event_accumulator import IMAGES, SCALARS, TENSORS, EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from radfield_core import UsageError, compose, get_registry, open_run, train_run
from radfield_core.testing import conformance, part_under_test

test_conforms = conformance("observer:tensorboard")

WORDS = [
    "data.type=synthetic", "data.resolution=16", "data.n_train=3", "data.n_val=2", "data.n_test=1",
    "field.width=8", "field.depth=2", "field.skip_layer=none", "sampler.n_samples=8", "sampler.n_importance=8",
    "trainer.max_steps=6", "trainer.n_rays=16", "trainer.log_every=1", "trainer.eval_every=2", "trainer.save_every=2",
    "trainer.eval_share=none",
]  # fmt: skip


def train(folder, *words, resume=None):
    run = compose(get_registry(), method="nerf-small", overrides=[*WORDS, "observers.tb=tensorboard", *words]).run
    return train_run(run, out=None if resume else folder, resume=resume, quiet=True).folder


def started(folder):
    """An observer of a run in the folder that has just begun."""
    observer = part_under_test("observer:tensorboard").build()
    observer.started(SimpleNamespace(folder=folder, step=0, hyperparameters={"lr": 0.1}))
    return observer


def events(folder):
    """What TensorBoard reads in a folder."""
    return EventAccumulator(str(folder), size_guidance={SCALARS: 0, IMAGES: 0, TENSORS: 0}).Reload()


def values(found, tag):
    return [(event.step, event.value) for event in found.Scalars(tag)]


def logged(folder):
    """The entries of metrics.jsonl: tag -> (step, value) of each entry."""
    tags = {}
    for line in (folder / "metrics.jsonl").read_text().splitlines():
        entry = json.loads(line)
        named = {f"{entry['split']}/{k}": v for k, v in entry["eval"].items()} if "eval" in entry else {
            f"train/{k}": v for k, v in entry.items() if k != "step"
        }  # fmt: skip
        for tag, value in named.items():
            tags.setdefault(tag, []).append((entry["step"], value))
    return tags


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    return train(tmp_path_factory.mktemp("runs") / "run")


def assert_as_logged(folder):
    found, expected = events(folder / "tensorboard"), logged(folder)
    assert set(found.Tags()["scalars"]) == set(expected)
    for tag, entries in expected.items():
        assert values(found, tag) == [(step, pytest.approx(value, rel=1e-6)) for step, value in entries], tag


def test_scalars_are_those_of_the_log(run_folder):
    assert_as_logged(run_folder)
    assert {"train/loss", "train/lr", "train/psnr", "val/psnr"} <= set(logged(run_folder))


def test_pictures_of_validation_views_are_written(run_folder):
    images = [tag for tag in events(run_folder / "tensorboard").Tags()["images"] if tag.startswith("val/")]
    assert {tag.rpartition("/")[2] for tag in images} == {"rendered", "truth", "error", "depth"}  # no normals
    assert len({tag.rpartition("/")[0] for tag in images}) == 2


def test_a_picture_is_read_back_as_it_was_given(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (7, 5, 3)).astype(np.uint8)
    observer = started(tmp_path)
    observer.evaluated(4, "val", {"psnr": 20.0}, {"val/r_0": {"truth": picture, "unknown": picture}})
    observer.finished(4, "max_steps")
    found = events(tmp_path / "tensorboard")
    (image,) = found.Images("val/r_0/truth")
    assert image.step == 4 and found.Tags()["images"] == ["val/r_0/truth"]
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(image.encoded_image_string))), picture)


def test_hyperparameters_are_the_options_of_the_run(run_folder):
    found = events(run_folder / "tensorboard")
    start = HParamsPluginData.FromString(found.SummaryMetadata("_hparams_/session_start_info").plugin_data.content)
    stored = {name: value for name, value in start.session_start_info.hparams.items()}
    assert stored["field.width"].number_value == 8 and stored["method.type"].string_value == "nerf-small"
    assert stored["trainer.max_steps"].number_value == 6
    assert b"max_steps" in found.Tensors("end/text_summary")[0].tensor_proto.string_val[0]
    assert b"field.width = 8" in found.Tensors("options/text_summary")[0].tensor_proto.string_val[0]


def test_after_a_resume_no_step_is_there_twice(run_folder, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(run_folder, folder)
    shutil.rmtree(folder / "checkpoints" / "step-000000006")
    first = values(events(folder / "tensorboard"), "train/loss")
    train(folder, resume=open_run(folder).folder)
    assert len(list((folder / "tensorboard").glob("events.*"))) == 2
    assert_as_logged(folder)
    again = values(events(folder / "tensorboard"), "train/loss")
    assert again == first and [step for step, _ in again] == [1, 2, 3, 4, 5, 6]


def test_a_rollback_drops_the_steps_that_are_repeated(tmp_path):
    observer = started(tmp_path)
    for step, loss in ((1, 1.0), (2, 2.0), (3, 3.0)):
        observer.step_ended(step, {"loss": loss})
    observer.rolled_back(1)
    observer.step_ended(2, {"loss": 0.5})
    observer.finished(2, "max_steps")
    assert values(events(tmp_path / "tensorboard"), "train/loss") == [(1, 1.0), (2, 0.5)]


def test_pictures_can_be_limited_or_left_out(tmp_path):
    few = train(tmp_path / "few", "observers.tb.views=1", "observers.tb.every=2", 'observers.tb.pictures=["error"]')
    found = events(few / "tensorboard")
    (tag,) = [tag for tag in found.Tags()["images"] if tag.startswith("val/")]
    assert tag.endswith("/error") and [image.step for image in found.Images(tag)] == [2, 6]
    none = part_under_test("observer:tensorboard", options={"pictures": []}).build()
    assert not none.wants_pictures


@pytest.mark.parametrize("folder", ["../elsewhere", "/tmp/elsewhere", "a/../../b"])
def test_a_folder_outside_the_run_is_refused_before_training(tmp_path, folder):
    with pytest.raises(UsageError, match="is not inside the run's folder"):
        train(tmp_path / "run", f"observers.tb.folder={folder}")
    assert not (tmp_path / "run").exists()


def test_tags_have_only_letters_that_tensorboard_accepts():
    assert tag_of("test", "test/r_0", "rgb") == "test/r_0/rgb"
    assert tag_of("val", "a b/ü.png", "depth") == "val/a_b__/depth"
