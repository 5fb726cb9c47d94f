"""Frames of a video: the sharpest of each interval, upright, and a clear error for what is no video."""

from __future__ import annotations

import av
import numpy as np
import pytest
from PIL import Image, ImageFilter
from radfield_colmap import video
from radfield_colmap.video import cut, sharpness

from radfield_core import DatasetError
from radfield_core.render.videos import write_video


def frame(index: int, blur: float) -> np.ndarray:
    """A picture of blocks, brighter the later it is in the video."""
    blocks = np.random.default_rng(0).integers(0, 2, (12, 16)).repeat(8, 0).repeat(8, 1)
    gray = (blocks * 120 + 4 * index).astype(np.uint8)
    return np.asarray(Image.fromarray(gray).convert("RGB").filter(ImageFilter.GaussianBlur(blur)))


@pytest.fixture
def clip(tmp_path):
    """20 frames, of which the frames 2, 7, 11 and 19 are sharp."""
    frames = [frame(index, 0.0 if index in (2, 7, 11, 19) else 3.0) for index in range(20)]
    return write_video(tmp_path / "clip.mp4", frames, fps=10)


def test_the_sharpest_frame_of_each_interval_is_written(clip, tmp_path):
    steps = []
    names, remarks = cut(clip, tmp_path, 4, lambda *step: steps.append(step))
    assert names == ["frame-000002.jpg", "frame-000007.jpg", "frame-000011.jpg", "frame-000019.jpg"]
    assert remarks == ["took 4 frames of 20 from the video, the sharpest of each interval"]
    assert steps[0] == (0, 20) and steps[-1] == (20, 20) and steps == sorted(steps)
    for name, index in zip(names, (2, 7, 11, 19), strict=True):
        found = np.asarray(Image.open(tmp_path / name)).astype(int)
        assert np.abs(found - frame(index, 0.0)).mean() < 5  # the video's and the JPEG's own losses


@pytest.mark.parametrize(("n", "expected"), [(20, 20), (500, 20), (3, 3), (7, 7)])
def test_there_are_as_many_frames_as_asked_for_but_no_more_than_the_video_has(clip, tmp_path, n, expected):
    names, _ = cut(clip, tmp_path, n, lambda *_: None)
    assert len(set(names)) == expected and names == sorted(names)


def test_a_frame_is_written_as_the_video_says_that_it_is_to_be_rotated(clip, tmp_path, monkeypatch):
    """FFmpeg states the angle counterclockwise, between −180° and 180°."""
    (upright,), _ = cut(clip, tmp_path, 1, lambda *_: None)
    picture = np.asarray(Image.open(tmp_path / upright)).astype(int)
    with av.open(str(clip)) as container:
        first = next(container.decode(video=0))

    class Turned:
        def __init__(self, rotation: int) -> None:
            self.rotation = rotation

        def to_ndarray(self, format: str) -> np.ndarray:
            return first.to_ndarray(format=format)

    for rotation, turns in ((90, 1), (-90, -1), (180, 2), (-180, 2), (0, 0)):
        name = video._write((0.0, rotation + 180, Turned(rotation)), tmp_path)
        found = np.asarray(Image.open(tmp_path / name)).astype(int)
        expected = np.rot90(first.to_ndarray(format="rgb24").astype(int), turns)
        assert found.shape == expected.shape and np.abs(found - expected).mean() < 3
    assert picture.shape == (96, 128, 3)


@pytest.mark.parametrize("content", [b"", b"no video", b"\0\0\0\x18ftypmp42" + b"\0" * 64, b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_video_is_one_clear_error(content, tmp_path):
    (tmp_path / "clip.mp4").write_bytes(content)
    with pytest.raises(DatasetError, match=r"this file cannot be read as a video: [^\[]") as caught:
        cut(tmp_path / "clip.mp4", tmp_path, 4, lambda *_: None)
    assert "video that plays" in caught.value.problems[0].hint
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


def test_sound_alone_is_no_video(tmp_path):
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), format="fltp", layout="mono")
        sound.sample_rate = 8000
        container.mux([*stream.encode(sound), *stream.encode(None)])
    with pytest.raises(DatasetError, match="it has no pictures"):
        cut(path, tmp_path, 4, lambda *_: None)


def test_a_frame_that_is_too_large_is_refused_before_it_is_decoded(clip, tmp_path, monkeypatch):
    monkeypatch.setattr(video, "MAX_IMAGE_PIXELS", 128 * 96 - 1)
    with pytest.raises(DatasetError, match="frames have 128×96 pixels"):
        cut(clip, tmp_path, 4, lambda *_: None)


def test_a_video_that_breaks_off_gives_the_frames_before(clip, tmp_path):
    content, torn = clip.read_bytes(), tmp_path / "torn.mp4"
    frames, table = content.index(b"mdat") + 4, content.index(b"moov") - 4
    assert frames + 3000 < table
    torn.write_bytes(content[: frames + 3000] + b"\xff" * (table - frames - 3000) + content[table:])
    names, remarks = cut(torn, tmp_path, 20, lambda *_: None)
    assert 1 <= len(names) < 20 and len(remarks) == 2
    assert remarks[1].startswith("the video breaks off: frame ")


def test_a_sharper_picture_has_the_larger_value_and_a_flat_one_none():
    gray = [frame(3, blur)[..., 0].astype(np.float32) for blur in (0.0, 1.0, 3.0)]
    values = [sharpness(each) for each in gray]
    assert values[0] > 2 * values[1] > 4 * values[2] > 0
    assert sharpness(np.full((9, 9), 7, np.float32)) == 0 and sharpness(np.ones((2, 9), np.float32)) == 0
    step = np.repeat(np.array([[0, 0, 0, 9, 9, 9]], np.float32), 5, axis=0)  # Laplacian 0, 9, −9, 0 in each row
    assert sharpness(step) == pytest.approx(81 / 2)
