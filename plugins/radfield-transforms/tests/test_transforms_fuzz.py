"""For any damage to a real transforms.json, the result is a valid scene or a DatasetError."""

from __future__ import annotations

import json
import warnings

import pytest
from hypothesis import HealthCheck, given, settings
from PIL import Image
from radfield_transforms.config import TransformsConfig
from radfield_transforms.dataparser import Transforms

from radfield_core import DatasetError
from radfield_core.testing import apply_byte_edits, apply_value_edits, assert_valid_scene, byte_edits, value_edits

FUZZ = settings(
    deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture(scope="module")
def fox(test_data, tmp_path_factory):
    """Three frames of the real capture, with blank photographs, points, masks and all keys that the parser reads."""
    folder = tmp_path_factory.mktemp("fox")
    (folder / "images").mkdir()
    meta = json.loads((test_data / "instant_ngp" / "fox" / "transforms.json").read_text())
    meta["frames"] = meta["frames"][:3]
    for frame in meta["frames"]:
        Image.new("RGB", (540, 960)).save(folder / frame["file_path"])
        Image.new("L", (540, 960)).save(folder / "images" / "mask.png")
        frame["mask_path"] = "images/mask.png"
    names = [frame["file_path"] for frame in meta["frames"]]
    meta |= {"scale": 0.33, "offset": [0.5, 0.5, 0.5], "train_filenames": names[1:], "val_filenames": names[:1]}
    meta |= {"applied_transform": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]], "ply_file_path": "points.ply"}
    rows = "\n".join(f"{0.1 * i} {0.2 * i} {-0.1 * i}" for i in range(20))
    properties = "property float x\nproperty float y\nproperty float z"
    points = f"ply\nformat ascii 1.0\nelement vertex 20\n{properties}\nend_header\n{rows}\n"
    return folder, meta, points.encode()


def attempt(folder) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            scene = Transforms(TransformsConfig(root=str(folder))).parse("train")
    except DatasetError:
        return
    assert_valid_scene(scene)


@settings(FUZZ, max_examples=1700)
@given(edits=value_edits())
def test_any_value_in_any_place(fox, edits):
    folder, meta, points = fox
    (folder / "points.ply").write_bytes(points)
    (folder / "transforms.json").write_text(json.dumps(apply_value_edits(meta, edits)))
    attempt(folder)


@settings(FUZZ, max_examples=1200)
@given(edits=byte_edits())
def test_any_bytes_in_any_place(fox, edits):
    folder, meta, points = fox
    (folder / "points.ply").write_bytes(points)
    (folder / "transforms.json").write_bytes(apply_byte_edits(json.dumps(meta).encode(), edits))
    attempt(folder)


@settings(FUZZ, max_examples=600)
@given(edits=byte_edits())
def test_any_bytes_in_the_points(fox, edits):
    folder, meta, points = fox
    (folder / "points.ply").write_bytes(apply_byte_edits(points, edits))
    (folder / "transforms.json").write_text(
        json.dumps({key: meta[key] for key in meta if key not in ("aabb_scale", "scale", "offset")})
    )
    attempt(folder)
