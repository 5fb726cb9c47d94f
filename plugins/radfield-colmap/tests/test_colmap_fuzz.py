"""For any damage to the files of a real reconstruction, the result is a valid scene or a DatasetError."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from PIL import Image
from radfield_colmap.binary import read_cameras, read_images, read_points
from radfield_colmap.config import ColmapConfig
from radfield_colmap.dataparser import Colmap

from radfield_core import DatasetError
from radfield_core.testing import apply_byte_edits, assert_valid_scene, byte_edits

FUZZ = settings(
    deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
PARTS = ("cameras", "images", "points3D")


@pytest.fixture(scope="module")
def can(test_data, tmp_path_factory):
    """Three images of the real capture, with 40 observations each, as binary and as text files. The photographs are
    blank."""
    model = test_data / "colmap" / "can" / "sparse" / "0"
    cameras, images = read_cameras(model / "cameras.bin"), read_images(model / "images.bin")[:3]
    ids, points, _, errors = read_points(model / "points3D.bin")
    binary, text = {part: b"" for part in PARTS}, {part: "# by hand\n" for part in PARTS}
    for number, image in enumerate(images, start=1):
        camera = cameras[image.camera_id]
        numbers = (camera.intrinsics[0], *camera.intrinsics[2:], *camera.distortion)
        binary["cameras"] += struct.pack("<IiQQ4d", image.camera_id, 2, camera.width, camera.height, *numbers)
        words = " ".join(map(repr, numbers))
        text["cameras"] += f"{image.camera_id} SIMPLE_RADIAL {camera.width} {camera.height} {words}\n"
        pose = [*image.quaternion.tolist(), *image.translation.tolist()]
        seen = (image.point_ids >= 0).nonzero()[0][:40]
        binary["images"] += struct.pack("<I7dI", number, *pose, image.camera_id) + image.name.encode() + b"\0"
        binary["images"] += struct.pack("<Q", len(seen))
        text["images"] += f"{number} {' '.join(map(repr, pose))} {image.camera_id} {image.name}\n"
        for i in seen:
            binary["images"] += struct.pack("<ddq", *image.xy[i], image.point_ids[i])
            text["images"] += f"{image.xy[i, 0]} {image.xy[i, 1]} {image.point_ids[i]} "
        text["images"] += "\n"
    for number, point, error in zip(ids[:60], points[:60], errors[:60], strict=True):
        binary["points3D"] += struct.pack("<Q3d3BdQII", number, *point, 1, 2, 3, error, 1, 1, 0)
        text["points3D"] += f"{number} {point[0]} {point[1]} {point[2]} 1 2 3 {error} 1 0\n"
    counts = {"cameras": 3, "images": 3, "points3D": 60}
    folders = {}
    for suffix, tables in (("bin", binary), ("txt", text)):
        folder = folders[suffix] = tmp_path_factory.mktemp(suffix)
        (folder / "images").mkdir()
        (folder / "sparse" / "0").mkdir(parents=True)
        for image in images:
            Image.new("RGB", (720, 1280)).save(folder / "images" / image.name)
        for part, content in tables.items():
            whole = struct.pack("<Q", counts[part]) + content if isinstance(content, bytes) else content.encode()
            (folder / "sparse" / "0" / f"{part}.{suffix}").write_bytes(whole)
        assert_valid_scene(Colmap(ColmapConfig(root=str(folder), orientation="up")).parse("train"))
    return folders


def attempt(folder: Path, part: str, suffix: str, edits) -> None:
    path = folder / "sparse" / "0" / f"{part}.{suffix}"
    whole = path.read_bytes()
    path.write_bytes(apply_byte_edits(whole, edits))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            scene = Colmap(ColmapConfig(root=str(folder), orientation="up")).parse("train")
        assert_valid_scene(scene)
    except DatasetError:
        pass
    finally:
        path.write_bytes(whole)


@settings(FUZZ, max_examples=2200)
@given(part=st.sampled_from(PARTS), edits=byte_edits())
def test_any_bytes_in_any_place_of_the_binary_files(can, part, edits):
    attempt(can["bin"], part, "bin", edits)


@settings(FUZZ, max_examples=1300)
@given(part=st.sampled_from(PARTS), edits=byte_edits())
def test_any_bytes_in_any_place_of_the_text_files(can, part, edits):
    attempt(can["txt"], part, "txt", edits)
