"""`radfield render`: pictures and videos of a run, in the format that was chosen, and mistakes before any work."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from PIL import Image

from radfield_core.cli.main import main
from radfield_core.runs import time_needed


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one step on tiny pictures."""
    out = tmp_path_factory.mktemp("runs") / "run"
    data = ["--data", "synthetic", "data.resolution=17", "data.n_train=3", "data.n_val=2", "data.n_test=2"]
    small = ["trainer.max_steps=1", "trainer.n_rays=8", "field.width=16", "sampler.n_samples=8"]
    assert main(["train", "--quiet", "--method", "tiny-nerf", "--out", str(out), *data, *small]) == 0
    return out


@pytest.mark.parametrize(("form", "side"), [("mp4", 16), ("gif", 17), ("webp", 17)])
def test_a_video_has_the_frames_and_the_size_that_were_asked_for(
    form: str, side: int, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--views", "0", "--video", form, "--frames", "5", "--path", "turntable", "--out", str(tmp_path), "-q"]
    assert main(["render", str(run), *words]) == 0
    path = tmp_path / f"turntable.{form}"
    assert capsys.readouterr().out == f"{path}\n" and list(tmp_path.iterdir()) == [path]
    frames = list(iio.imiter(path, plugin="pyav" if form == "mp4" else "pillow"))
    assert [np.asarray(frame).shape[:2] for frame in frames] == [(side, side)] * 5


def test_without_a_video_only_pictures_are_written(run: Path, tmp_path: Path) -> None:
    words = ["--views", "1,", "--video", "none", "--scale", "2", "--out", str(tmp_path), "-q"]
    assert main(["render", str(run), *words]) == 0
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {f"test-001_{kind}.png" for kind in ("rgb", "depth", "opacity")}
    assert {Image.open(path).size for path in tmp_path.iterdir()} == {(34, 34)}


def test_panoramas_are_written_beside_the_other_pictures(run: Path, tmp_path: Path) -> None:
    words = ["--camera", "equirectangular", "--views", "1,", "--frames", "2", "--video", "gif", "--path", "turntable"]
    assert main(["render", str(run), *words, "--width", "32", "--out", str(tmp_path), "-q"]) == 0
    kinds = [f"test-001-equirectangular_{kind}.png" for kind in ("rgb", "depth", "opacity")]
    assert {path.name for path in tmp_path.iterdir()} == {*kinds, "turntable-equirectangular.gif"}
    assert {Image.open(path).size for path in tmp_path.iterdir()} == {(32, 16)}


@pytest.mark.parametrize(
    ("words", "says", "hint"),
    [
        (["--frames", "0"], "at least 1 frame", "--video none"),
        (["--scale", "0"], "but it is 0", "--scale 1"),
        (["--scale", "17"], "but it is 17", "--scale 1"),
        (["--views", "0", "--video", "none"], "neither views nor a video", "--views 4"),
        (["--camera", "360"], "'360'", "--camera data"),
        (["--path", "loop"], "'loop'", "--path auto"),
        (["--views", "0,9"], "9", "--views"),
        (["--video", "gif", "--frames", "100000", "--scale", "16", "--views", "0"], "million pixels", "--frames 1351"),
    ],
)
def test_a_mistake_is_refused_before_anything_is_rendered(
    words: list[str], says: str, hint: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["render", str(run), *words, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert says in error and "Traceback" not in error and not (tmp_path / "out").exists()
    if hint != "--views":
        assert hint in error.partition("try: ")[2]


def test_a_path_that_is_no_run_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", str(tmp_path / "nothing")]) in (2, 74)
    error = capsys.readouterr().err
    assert str(tmp_path / "nothing") in error and "try: " in error and "Traceback" not in error


def sizes_and_channels(folder: Path) -> set[tuple[int, ...]]:
    return {iio.imread(path).shape for path in folder.glob("*_rgb.png")}


def test_width_crop_and_background_shape_the_pictures(run: Path, tmp_path: Path) -> None:
    still = ["--views", "1", "--video", "none", "-q"]
    for name, words, shape in [
        ("wide", ["--width", "40"], (40, 40, 3)),
        ("window", ["--width", "40", "--crop", "5,10,25,40"], (30, 20, 3)),
        ("clear", ["--background", "transparent"], (17, 17, 4)),
        ("box", ["--crop", "-0.01,-0.01,50,0.01,0.01,51", "--background", "1,0,0"], (17, 17, 3)),
        ("path", ["--path", "none", "--video", "mp4"], (17, 17, 3)),
    ]:
        assert main(["render", str(run), *still, *words, "--out", str(tmp_path / name)]) == 0
        assert sizes_and_channels(tmp_path / name) == {shape}
        assert not list((tmp_path / name).glob("*.mp4"))
    (picture,) = (tmp_path / "box").glob("*_rgb.png")
    assert np.unique(iio.imread(picture).reshape(-1, 3), axis=0).tolist() == [[255, 0, 0]], "an empty box: only red"


def test_a_video_has_the_width_that_was_asked_for(run: Path, tmp_path: Path) -> None:
    words = ["--views", "0", "--video", "gif", "--frames", "2", "--width", "30", "--background", "#0000ff", "-q"]
    assert main(["render", str(run), *words, "--path", "turntable", "--out", str(tmp_path)]) == 0
    assert np.asarray(iio.imread(tmp_path / "turntable.gif")).shape[-3:-1] == (30, 30)


def test_views_beyond_the_split_are_refused_but_the_default_fits_any_split(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["render", str(run), "--views", "99", "--video", "none", "--out", str(tmp_path / "x")]) == 2
    error = capsys.readouterr().err
    assert "99 views are asked for, but the split has 2" in error and "--views all" in error
    assert main(["render", str(run), "--video", "none", "--out", str(tmp_path / "y"), "-q"]) == 0
    assert len(list((tmp_path / "y").glob("*_rgb.png"))) == 2


def test_all_mistakes_in_the_look_are_named_at_once(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--width", "0", "--scale", "2", "--background", "transparent", "--video", "mp4", "--crop", "1,2,3"]
    assert main(["render", str(run), *words]) == 2
    error = capsys.readouterr().err
    for said in ("at least 1 pixel", "exclude each other", "a video cannot be transparent", "four nor six"):
        assert said in error


def test_before_it_starts_it_says_what_it_renders_and_how_long_that_takes(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--frames", "3", "--views", "1", "--out", str(tmp_path)]
    assert main(["render", str(run), *words]) == 0
    first, *files = capsys.readouterr().out.splitlines()
    said = r"renders 1 view of 17×17 and a video of 3 frames of 17×17 \(about \d+ s\)"
    assert re.fullmatch(said, first) and files[-1] == str(tmp_path / "turntable.mp4")


def test_a_video_is_small_unless_a_size_is_set(run: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(time_needed, "VIDEO_SIDE", 8)
    words = ["--frames", "2", "--views", "0", "--video", "gif", "--out", str(tmp_path)]
    for more, side in (([], 8), (["--scale", "1"], 17), (["--width", "12"], 12)):
        assert main(["render", str(run), *words, *more]) == 0
        assert f"2 frames of {side}×{side} " in capsys.readouterr().out
        assert np.asarray(iio.imread(tmp_path / "turntable.gif")).shape[-3:-1] == (side, side)


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one step on photographs of a place."""
    folder = tmp_path_factory.mktemp("capture")
    data = ["data.resolution=12", "data.n_train=4", "data.n_val=1", "data.n_test=2"]
    assert main(["data", "make", "-q", str(folder / "data"), "--format", "colmap", *data]) == 0
    small = ["trainer.max_steps=1", "trainer.n_rays=8", "field.width=16", "sampler.n_samples=8", "trainer.eval_views=0"]
    words = ["--method", "tiny-nerf", "--data", str(folder / "data"), "--out", str(folder / "run")]
    assert main(["train", "-q", *words, *small]) == 0
    return folder / "run"


def test_of_a_capture_no_video_is_rendered_unless_it_is_asked_for(capture: Path, tmp_path: Path, capsys) -> None:
    assert main(["render", str(capture), "--out", str(tmp_path / "a")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"renders \d views? of 12×12 \(about \d+ s\)", lines[0])
    offer = r"to render a video of 60 frames of 12×12 \(about \d+ s\): (radfield render .* --video mp4)"
    found = re.fullmatch(offer, lines[1])
    assert found and not list((tmp_path / "a").glob("*.mp4"))
    words = shlex.split(found[1])[1:]
    assert main([*words, "--frames", "2", "-q", "--out", str(tmp_path / "b")]) == 0
    assert [path.suffix for path in (tmp_path / "b").iterdir()] == [".mp4"]
    assert main(["render", str(capture), "--frames", "2", "--views", "0", "-q", "--out", str(tmp_path / "c")]) == 0
    assert [path.suffix for path in (tmp_path / "c").iterdir()] == [".mp4"], "whoever sets --frames wants a video"


def test_a_video_follows_a_path_in_a_file(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = {"camera_to_world": [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 4, 0, 0, 0, 1], "fov": 50}
    path = tmp_path / "tour.json"
    table = {"camera_path": [frame] * 3, "render_width": 24, "render_height": 12, "seconds": 1}
    path.write_text(json.dumps(table))
    words = ["--views", "0", "--video", "gif", "--path", str(path), "--out", str(tmp_path)]
    assert main(["render", str(run), *words, "-q"]) == 2
    error = capsys.readouterr().err
    assert "dataparser_transforms.json" in error and "try: --path-transform" in error
    assert main(["render", str(run), *words, "--path-transform", "none"]) == 0
    assert "a video of 3 frames of 24×12" in capsys.readouterr().out
    assert np.asarray(iio.imread(tmp_path / "tour.gif")).shape[-3:-1] == (12, 24)


def test_a_video_moves_between_two_images(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--views", "0", "--video", "gif", "--frames", "2", "-q", "--out", str(tmp_path)]
    assert main(["render", str(run), *words, "--between", "train-000", "test/r_1"]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'between.gif'}\n"
    assert main(["render", str(run), *words, "--between", "train-00", "test/r_1"]) == 2
    assert "no image has the name 'train-00'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says", "hint"),
    [
        (["--path", "camera"], "'camera'", "--path cameras"),
        (["--path", "nothing.json"], "nothing.json", ""),
        (["--path", "spiral", "--between", "a", "b"], "exclude each other", "Leave one"),
        (["--path-transform", "none"], "only a path of nerfstudio", "--path camera_path.json"),
    ],
)
def test_a_mistaken_path_is_refused(words: list[str], says: str, hint: str, run: Path, tmp_path: Path, capsys) -> None:
    assert main(["render", str(run), *words, "--out", str(tmp_path / "out")]) in (2, 65)
    error = capsys.readouterr().err
    assert says in error and hint in error.partition("try: ")[2] and "Traceback" not in error
