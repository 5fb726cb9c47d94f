"""A run remembers which views it was trained on and at which size, and every verb after training follows it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from radfield_core.cli.main import main
from radfield_core.runs.trained import open_run

SCENE = ["data.resolution=48", "data.n_train=6", "data.n_val=2", "data.n_test=4", "data.supersample=1"]
TINY = ["trainer.n_rays=32", "field.width=16", "sampler.n_samples=8", "trainer.max_steps=2"]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RADFIELD_CACHE", str(tmp_path_factory.mktemp("cache")))
        folder = tmp_path_factory.mktemp("data") / "scene"
        assert main(["data", "make", str(folder), "--format", "dtu", *SCENE, "-q"]) == 0
    return folder


def _train(scene: Path, out: Path, *more: str) -> list[str]:
    return ["train", "--method", "tiny-nerf", "--data", str(scene), "--out", str(out), "-q", *TINY, *more]


def test_every_verb_uses_the_views_and_the_size_that_the_run_was_trained_with(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    chosen = ["data.hold_every=3", "data.every=2", "data.downscale=1.5", "scene.normalize=unit_sphere"]
    assert main(_train(scene, run, *chosen)) == 0
    assert main(["eval", str(run), "-q"]) == 0
    results = json.loads((run / "results.json").read_text())
    assert [view["name"] for view in results["per_image"]] == ["000", "006"]  # every second of 0, 3, 6 and 9
    assert main(["render", str(run), "--views", "0", "--video", "gif", "--frames", "1", "-q"]) == 0
    assert main(["render", str(run), "--views", "1", "--video", "none", "-q"]) == 0
    for picture in (run / "images").glob("*.png"):
        assert Image.open(picture).size == (32, 32), picture
    assert main(["train", "--resume", str(run), "-q"]) == 0  # nothing differs from the stored options
    capsys.readouterr()
    opened = open_run(run)
    train = opened.scenes.get("train")
    assert train.names == ["001", "004", "007", "010"]
    assert train.masks is not None and train.masks.sizes.tolist() == train.cameras.sizes.tolist() == [[32, 32]] * 4


def test_a_view_that_does_not_exist_is_a_usage_error_and_leaves_no_run(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(_train(scene, tmp_path / "run", "data.views=r_9,0-2")) == 2
    assert "data.views: no training view is named 'r_9'; names are like 000" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
