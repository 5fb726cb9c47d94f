"""Photographs become a capture, and our lens models equal those of COLMAP."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pycolmap
import pytest
import torch
from PIL import Image, ImageFilter
from radfield_colmap.config import ColmapConfig, PhotographsConfig
from radfield_colmap.dataparser import Colmap
from radfield_colmap.model import LENS_OF, MODEL_NAMES, N_PARAMETERS, camera, camera_to_world
from radfield_colmap.process import Photographs, Registered, process, summary
from radfield_colmap.reading import read_model
from radfield_colmap.solver import quiet
from radfield_colmap.writer import write

from radfield_core import DatasetError, UsageError, main
from radfield_core.ops.distortion import distort, undistort
from radfield_core.render.videos import write_video
from radfield_core.testing import toy_capture

CONFIG = PhotographsConfig()
LENSES = {
    "SIMPLE_RADIAL": [-0.05],
    "RADIAL": [-0.1, 0.03],
    "OPENCV": [-0.1, 0.03, 0.002, -0.001],
    "FULL_OPENCV": [0.1, -0.05, 0.002, -0.001, 0.01, 0.05, 0.01, 0.002],
    "SIMPLE_RADIAL_FISHEYE": [-0.03],
    "RADIAL_FISHEYE": [-0.03, 0.01],
    "OPENCV_FISHEYE": [-0.03, 0.01, -0.004, 0.001],
    "THIN_PRISM_FISHEYE": [-0.03, 0.01, 0.002, -0.001, 0.003, -0.001, 0.001, -0.002],
    "RAD_TAN_THIN_PRISM_FISHEYE": [
        -0.02, 0.01, -0.003, 0.002, -0.001, 0.0002, 0.001, -0.002, 0.001, 0.0005, -0.001, 0.0003,
    ],
    "FOV": [0.9],
    "SIMPLE_DIVISION": [-0.15],
    "DIVISION": [-0.15],
    "EUCM": [0.6, 1.1],
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(MODEL_NAMES))
def test_every_lens_projects_as_colmap_does(name):
    number, rest = MODEL_NAMES.index(name), LENSES.get(name, [])
    focal = [500.0] if N_PARAMETERS[number] - len(rest) == 3 else [500.0, 490.0]
    parameters = [*focal, 318.0, 243.0, *rest] if name != "EQUIRECTANGULAR" else [640.0, 480.0]
    ours = camera(number, 640, 480, tuple(parameters))
    theirs = pycolmap.Camera(model=name, width=640, height=480, params=parameters)
    fx, fy, cx, cy = ours.intrinsics
    lens = torch.tensor(ours.distortion, dtype=torch.float64)
    columns, rows = np.meshgrid(np.linspace(1, 639, 41), np.linspace(1, 479, 31))
    pixels = np.stack([columns.ravel(), rows.ravel()], axis=-1)
    directions = undistort(ours.lens, torch.from_numpy((pixels - [cx, cy]) / [fx, fy]), lens).numpy()
    np.testing.assert_allclose(theirs.img_from_cam(directions), pixels, atol=1e-4)
    points = np.random.default_rng(0).normal(size=(500, 3)) * [0.4, 0.4, 0.2] + [0, 0, 1.5]
    projected = distort(ours.lens, torch.from_numpy(points), lens).numpy() * [fx, fy] + [cx, cy]
    np.testing.assert_allclose(projected, theirs.img_from_cam(points), atol=1e-4)
    assert ours.lens == LENS_OF.get(name, name.lower())


@pytest.mark.parametrize("lens", [{"model": "opencv", "distortion": (-0.1, 0.03, 0.002, -0.001)},
                                  {"model": "equirectangular"}])  # fmt: skip
def test_colmap_reads_what_is_written_here(lens, tmp_path):
    scene = toy_capture(9, **lens)
    write({"train": scene}, tmp_path)
    theirs = pycolmap.Reconstruction(tmp_path / "sparse" / "0")
    assert theirs.num_reg_images() == 9
    for number, image in theirs.images.items():
        w2c = image.cam_from_world().matrix()
        np.testing.assert_allclose(-w2c[:, :3].T @ w2c[:, 3], scene.cameras.c2w[number - 1, :, 3].numpy(), atol=1e-9)
    theirs.update_point_3d_errors()
    assert theirs.compute_mean_reprojection_error() < 1e-6


@pytest.fixture(scope="module")
def photographs(test_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("photographs")
    for path in sorted((test_data / "colmap" / "can" / "images").iterdir())[:8]:
        image = Image.open(path)
        image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS).save(
            folder / path.name, quality=95
        )
    return folder


def test_photographs_become_a_capture_with_the_published_cameras_turns(photographs, test_data, tmp_path):
    stages = []
    converter = Photographs(CONFIG)
    shown = lambda *counts: stages.append((converter.stage, *counts))  # noqa: E731
    files = converter.convert(photographs, tmp_path / "capture", shown)
    assert len([path for path in files if path.suffix == ".jpg"]) == 8
    assert converter.remarks[0].startswith("registered 8 of 8 photographs")
    words = converter.remarks[0].split()
    assert len(converter.remarks) == 1 and int(words[5]) > 100 and float(words[-2]) < 1.0  # points; pixels
    assert list(dict.fromkeys(stage for stage, *_ in stages)) == [
        "photographs",
        "features",
        "matches",
        "cameras",
        "lens",
    ]
    ends = {stage: (done, of) for stage, done, of in stages}
    assert ends == {"photographs": (8, 8), "features": (8, 8), "matches": (28, 28), "cameras": (8, 8), "lens": (2, 2)}
    found = read_model(tmp_path / "capture" / "sparse" / "0")
    published = {image.name: image for image in read_model(test_data / "colmap" / "can" / "sparse" / "0").images}
    turns = [camera_to_world(image)[:, :3] @ camera_to_world(published[image.name])[:, :3].T for image in found.images]
    for turn in turns[1:]:  # the same rotation for every view, but for what two solutions differ by
        angle = np.degrees(np.arccos(np.clip((np.trace(turns[0].T @ turn) - 1) / 2, -1, 1)))
        assert angle < 2.0
    scene = Colmap(ColmapConfig(root=str(tmp_path / "capture"), holdout=0)).parse("train")
    assert scene.names == sorted(path.name for path in photographs.iterdir())
    assert scene.cameras.intrinsics[0, 0].item() == pytest.approx(1105.13 / 2, rel=0.1)


def test_photographs_in_subfolders_have_a_camera_for_each_and_the_rest_is_named(photographs, tmp_path, capsys):
    for index, path in enumerate(sorted(photographs.iterdir())):
        folder = tmp_path / "trip" / ("day one" if index < 4 else "day two")
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / path.name)
    (tmp_path / "trip" / "day one" / "diary.txt").write_text("rain")
    (tmp_path / "trip" / "day two" / "cut off.jpg").write_bytes(path.read_bytes()[:5000])
    command = ["data", "process", str(tmp_path / "trip"), str(tmp_path / "capture")]
    assert main(command) == 65
    assert "cut off.jpg: cannot be decoded: " in capsys.readouterr().err and not (tmp_path / "capture").exists()
    assert main([*command, "skip_bad_images=true"]) == 0
    output = capsys.readouterr().out
    assert (
        "registered 8 of 8 photographs" in output and "photographs of each subfolder: day one: 4, day two: 4" in output
    )
    assert "not read: 1 file (no images): day one/diary.txt\n" in output
    assert "not read: 1 file (photographs that cannot be decoded): day two/cut off.jpg cannot be decoded: " in output
    model = read_model(tmp_path / "capture" / "sparse" / "0")
    assert {(Path(image.name).parent.name, image.camera_id) for image in model.images} == {
        ("day one", 1),
        ("day two", 2),
    }
    scene = Colmap(ColmapConfig(root=str(tmp_path / "capture"), holdout=0)).parse("train")
    assert len(scene.names) == 8 and scene.images[7].shape[2] == 3


def test_the_sharpest_frame_of_each_interval_of_a_video_is_solved(photographs, tmp_path, capsys, monkeypatch):
    """Every third frame of the video is a photograph, the others are copies of it, blurred."""
    frames = []
    for path in sorted(photographs.iterdir()):
        image = Image.open(path)
        blurred = image.filter(ImageFilter.GaussianBlur(4))
        frames += [np.asarray(each) for each in (blurred, image, blurred)]
    monkeypatch.chdir(write_video(tmp_path / "clip.mp4", frames, fps=10).parent)
    assert main(["data", "process", "clip.mp4", "capture", "--frames", "8"]) == 0
    output = capsys.readouterr().out
    assert "took 8 frames of 24 from the video" in output
    assert sorted(path.name for path in Path("capture/images").iterdir()) == [
        f"frame-{index:06d}.jpg" for index in range(1, 24, 3)
    ]
    assert int(output.split("registered ")[1].split()[0]) >= 7


def test_a_number_of_frames_needs_a_video(photographs, tmp_path, capsys):
    assert main(["data", "process", str(photographs), str(tmp_path / "capture"), "--frames", "8"]) == 2
    assert capsys.readouterr().err.startswith(f"error: --frames: applies to a video, and {photographs} is a folder")
    assert main(["data", "process", str(photographs), str(tmp_path / "capture"), "--frames", "many"]) == 2
    assert "frames" in capsys.readouterr().err


def test_one_photograph_is_answered_with_its_folder(photographs, tmp_path, capsys):
    photograph = min(photographs.iterdir())
    assert main(["data", "process", str(photograph), str(tmp_path / "capture")]) == 65
    error = capsys.readouterr().err
    assert "is one photograph" in error and f"try: radfield data process {photographs} DIR\n" in error


def test_photographs_of_nothing_are_one_clear_error_and_leave_nothing(tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    for i in range(3):
        Image.new("RGB", (64, 48), (80 * i, 0, 0)).save(tmp_path / "photos" / f"{i}.png")
    assert main(["data", "process", str(tmp_path / "photos"), str(tmp_path / "capture")]) == 65
    error = capsys.readouterr().err
    assert "no two photographs could be matched" in error and "try: " in error
    assert not (tmp_path / "capture").exists()


STOPPED = """
import os, signal, sys
from pathlib import Path
from radfield_colmap.config import PhotographsConfig
from radfield_colmap.process import Photographs

signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
stop = lambda done, of: os.kill(os.getpid(), signal.SIGTERM)
Photographs(PhotographsConfig()).convert(Path(sys.argv[1]), Path(sys.argv[2]), stop)
"""


def test_a_signal_ends_the_work_without_a_word_of_the_librarys_and_leaves_nothing(photographs, tmp_path):
    (tmp_path / "temporary").mkdir()
    command = [sys.executable, "-c", STOPPED, photographs, tmp_path / "capture"]
    environ = {**os.environ, "TMPDIR": str(tmp_path / "temporary")}
    done = subprocess.run(list(map(str, command)), env=environ, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (143, "", "")
    assert [path.name for path in tmp_path.rglob("*")] == ["temporary"]


def test_the_librarys_own_log_is_silent_while_it_works_and_as_it_was_afterwards(capfd):
    before = pycolmap.logging.minloglevel
    with quiet(pycolmap):
        pycolmap.logging.error("Stopping thread...")
    assert capfd.readouterr().err == "" and pycolmap.logging.minloglevel == before


def test_what_is_no_photograph_is_named_and_too_few_are_refused(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    with pytest.raises(DatasetError, match="holds 0 photographs"):
        process(photos, tmp_path / "capture", CONFIG, lambda *_: None)
    for i in range(4):
        (photos / f"{i}.jpg").write_text("no image")
    with pytest.raises(DatasetError) as caught:
        process(photos, tmp_path / "capture", CONFIG, lambda *_: None)
    *unreadable, last = caught.value.problems
    assert len(unreadable) == 4 and all("is not a PNG, JPEG, WebP or TIFF" in one.message for one in unreadable)
    assert "holds 0 photographs" in last.message and "camera again" in last.hint


def test_a_folder_in_use_is_not_overwritten(photographs, tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(UsageError, match="not an empty folder"):
        process(photographs, tmp_path, CONFIG, lambda *_: None)


def test_too_few_registered_are_named_with_what_to_try():
    lines = summary(
        Registered(("a.jpg",), tuple(f"{i}.jpg" for i in range(7)), 50, 0.4321, ("Take sharper photographs",))
    )
    assert lines == [
        "registered 1 of 8 photographs, 50 points, mean reprojection error 0.43 px",
        "not registered: 0.jpg, 1.jpg, 2.jpg, 3.jpg, 4.jpg …",
        "  try: Take sharper photographs",
    ]
