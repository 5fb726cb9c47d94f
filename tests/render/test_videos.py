"""Videos read back: frames, sizes, loops, and files that are whole or those from before."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from PIL import Image

from radfield_core.errors import UsageError
from radfield_core.render import videos
from radfield_core.render.videos import FORMATS, check_format, write_video

VALUES = (30, 120, 220)
TOO_LARGE = """
import resource
import numpy as np
from pathlib import Path
from radfield_core.render.videos import write_video
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
noise = np.random.default_rng(0).integers(0, 256, (40, 64, 64, 3), dtype=np.uint8)
try:
    write_video(Path("v.FORMAT"), noise)
except OSError as error:
    print(error.strerror)
"""


def gray_frames(height: int, width: int) -> Iterator[np.ndarray]:
    """A frame for each of VALUES."""
    return (np.full((height, width, 3), value, dtype=np.uint8) for value in VALUES)


def read_frames(path: Path) -> list[np.ndarray]:
    """Frames [H, W, 3] of a video."""
    plugin = "pyav" if path.suffix == ".mp4" else "pillow"
    return [np.asarray(frame)[..., :3] for frame in iio.imiter(path, plugin=plugin)]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(("height", "width"), [(33, 50), (32, 51), (33, 51), (32, 50)])
def test_a_video_holds_the_frames_it_was_given(form: str, height: int, width: int, tmp_path: Path) -> None:
    path = write_video(tmp_path / "new" / f"v.{form}", gray_frames(height, width), fps=10)
    frames = read_frames(path)
    shape = (height // 2 * 2, width // 2 * 2, 3) if form == "mp4" else (height, width, 3)
    assert [frame.shape for frame in frames] == [shape] * len(VALUES)
    means = [float(frame.mean()) for frame in frames]
    assert means == pytest.approx(VALUES, abs=4)


@pytest.mark.parametrize("codec", ["h264", "mpeg4"])
def test_either_codec_keeps_a_smooth_picture(codec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(videos, "_MP4_CODECS", ("no-such-codec", codec))
    y, x = np.mgrid[:64, :64]
    picture = np.stack([4 * x, 4 * y, 2 * (x + y)], axis=-1).astype(np.uint8)
    frames = read_frames(write_video(tmp_path / "v.mp4", [picture] * 5))
    errors = [np.abs(frame.astype(int) - picture).mean() for frame in frames]
    assert len(errors) == 5 and max(errors) < 6


@pytest.mark.parametrize("form", ["gif", "webp"])
def test_an_animation_loops_without_end_at_its_pace(form: str, tmp_path: Path) -> None:
    with Image.open(write_video(tmp_path / f"v.{form}", gray_frames(16, 16), fps=10)) as image:
        assert image.n_frames == 3 and image.info["loop"] == 0
        image.seek(1)
        image.load()
        assert image.info["duration"] == 100


def test_an_mp4_has_its_frames_per_second(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", gray_frames(16, 16), fps=12)
    assert iio.immeta(path, plugin="pyav")["fps"] == 12


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("end", [KeyboardInterrupt, OSError])
def test_an_interrupted_video_leaves_the_one_before(end: type[BaseException], form: str, tmp_path: Path) -> None:
    def frames() -> Iterator[np.ndarray]:
        yield from np.zeros((2, 32, 32, 3), dtype=np.uint8)
        raise end

    path = write_video(tmp_path / f"v.{form}", gray_frames(32, 32))
    before = path.read_bytes()
    with pytest.raises(end):
        write_video(path, frames())
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("form", FORMATS)
def test_a_video_that_outgrows_the_limit_of_files_is_an_os_error(form: str, tmp_path: Path) -> None:
    program = [sys.executable, "-c", TOO_LARGE.replace("FORMAT", form)]
    done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "File too large\n", done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", FORMATS)
def test_the_smallest_video_has_two_pixels_each_way(form: str, tmp_path: Path) -> None:
    frames = read_frames(write_video(tmp_path / f"v.{form}", [np.zeros((2, 2, 3), dtype=np.uint8)]))
    assert [frame.shape for frame in frames] == [(2, 2, 3)]


def test_only_animations_are_limited_and_the_error_names_a_length_that_fits() -> None:
    check_format("mp4", 10**6, 1920, 1080)
    for form in ("gif", "webp"):
        check_format(form, 156, 800, 800)
        with pytest.raises(UsageError, match=f"{form.upper()} of 157 frames of 800 × 800") as caught:
            check_format(form, 157, 800, 800)
        assert "--frames 156" in caught.value.problems[0].hint


def test_an_unknown_format_is_refused_with_the_option() -> None:
    with pytest.raises(UsageError, match="avi") as caught:
        check_format("avi", 1, 8, 8)
    assert caught.value.problems[0].path == "--video"
