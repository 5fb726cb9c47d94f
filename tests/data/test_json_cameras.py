"""Cameras in JSON: a frame's keys override those of its file, and every fault is reported once."""

from __future__ import annotations

import math

import pytest
from PIL import Image

from radfield_core.data.json_cameras import present_in_all, read_json_cameras, unknown_key_notes, unknown_keys
from radfield_core.errors import Problems


@pytest.fixture
def read(tmp_path):
    """Reads cameras of some images of the given sizes. A size of None is an image that cannot be read."""

    def run(meta, *frames, sizes=((20, 10), (20, 10))):
        paths = []
        for i, size in enumerate(sizes):
            paths.append(tmp_path / f"{i}.png")
            paths[-1].write_bytes(b"") if size is None else Image.new("L", size).save(paths[-1])
        tables = [(meta, frame) for frame in frames or [{}] * len(sizes)]
        problems = Problems()
        names = [f"frame {i}" for i in range(len(sizes))]
        return read_json_cameras(tables, paths, names, "file.json", tmp_path, problems), problems

    return run


def test_focal_lengths_come_from_pixels_then_from_angles_then_from_the_other_axis(read):
    tan = math.tan(0.25)
    for keys, expected in [
        ({"fl_x": 7.0, "fl_y": 8.0, "camera_angle_x": 0.5}, (7.0, 8.0)),
        ({"camera_angle_x": 0.5, "camera_angle_y": 0.5}, (10 / tan, 5 / tan)),
        ({"fl_x": 7.0, "camera_angle_y": 0.5}, (7.0, 5 / tan)),
        ({"fl_y": 8.0}, (8.0, 8.0)),
    ]:
        cameras, problems = read(keys)
        assert not problems and cameras.intrinsics[1].tolist() == pytest.approx([*expected, 10.0, 5.0])


def test_the_keys_of_a_frame_override_those_of_the_file(read):
    cameras, problems = read({"fl_x": 7.0, "cx": 9.0, "camera_model": "OPENCV", "k1": 0.1}, {}, {"cx": 8.0, "k1": 0.2})
    assert not problems and cameras.intrinsics[:, 2].tolist() == [9.0, 8.0]
    assert cameras.model == "opencv" and cameras.distortion[:, 0].tolist() == [0.1, 0.2]


def test_without_a_size_it_is_that_of_the_first_image_that_can_be_read(read):
    sizes = (None, (20, 10), (21, 10))
    assert read({"fl_x": 7.0}, sizes=sizes)[0].sizes.tolist() == [[20, 10]] * 3
    assert read({"fl_x": 7.0, "w": 40, "h": 20}, sizes=sizes)[0].sizes.tolist() == [[40, 20]] * 3
    own = read({}, *[{"fl_x": 7.0}] * 3, sizes=sizes)[0]
    assert own.sizes.tolist() == [[20, 10], [20, 10], [21, 10]], "each frame describes its own image"


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"fl_x": "wide"}, "fl_x is 'wide'"),
        ({"fl_x": True}, "fl_x is True"),
        ({"fl_x": -1.0}, "focal length is -1"),
        ({"camera_angle_x": 40.0}, "camera_angle_x is 40; an angle in radians"),
        ({"camera_angle_y": 0.0}, "camera_angle_y is 0"),
        ({}, "there is no focal length"),
        ({"fl_x": 7.0, "cx": "left"}, "cx is 'left'"),
        ({"fl_x": 7.0, "w": 20}, "the size is 20×None"),
        ({"fl_x": 7.0, "w": 20, "h": 10.5}, "the size is 20×10.5"),
        ({"fl_x": 7.0, "k1": []}, None),
        ({"fl_x": 7.0, "camera_model": "OPENCV", "k1": "much"}, "k1 is 'much'"),
        ({"fl_x": 7.0, "camera_model": "PINHOLE", "k1": 0.1}, "PINHOLE has no parameter k1"),
    ],
)
def test_faults_are_reported_once_for_the_file_and_for_each_frame_of_its_own(read, keys, message):
    for frames, expected in (((), ["file.json"]), ((keys, keys), ["frame 0", "frame 1"])):
        _, problems = read({} if frames else keys, *frames)
        if message is None:
            assert not problems
            continue
        found = [problem.path for problem in problems.found if message in problem.message]
        assert found == (expected if keys else expected[:1] if not frames else ["file.json"])


def test_lenses_that_no_single_model_can_express_are_a_problem(read):
    fisheye = {"fl_x": 7.0, "is_fisheye": True, "k1": 0.1}
    _, problems = read({}, {"fl_x": 7.0, "k1": 0.1}, fisheye)
    assert "no single lens model" in str(problems.found[0])


def test_what_only_some_frames_have_and_what_is_unknown_is_named():
    problems = Problems()
    assert not present_in_all([{"a": 1}, {}], "a", ["one", "two"], problems)
    assert problems.found[0].path == "two" and not present_in_all([{}, {}], "a", ["one", "two"], Problems())
    assert unknown_keys([{"w": 1, "iso": 2}, {"dof": 3}], {"w"}) == ["dof", "iso"]
    assert unknown_key_notes([]) == []
