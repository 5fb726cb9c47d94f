"""Blender folders: real ones are read as published, one error reports all faults, and damaged bytes do not crash the
parser."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings, strategies as st
from PIL import Image
from radfield_blender import sniff
from radfield_blender.blender import BlenderParser
from radfield_blender.config import BlenderConfig, MultiscaleConversionConfig
from radfield_blender.convert_multiscale import MultiscaleConverter
from radfield_blender.writer import write_blender

from radfield_core import Cameras, DatasetError, NoSuchSplit, Scene, SceneBox, UsageError, project, view_rays
from radfield_core.data import MemoryImages
from radfield_core.render.backgrounds import on_background

POSE = [[0.0, -0.6, 0.8, 3.2], [1.0, 0.0, 0.0, 0.0], [0.0, 0.8, 0.6, 2.4], [0.0, 0.0, 0.0, 1.0]]


def _parse(root, split="train", **options):
    return BlenderParser(BlenderConfig(root=str(root), **options)).parse(split)


def _write(root, frames=None, n=3, size=(20, 10), angle=0.7, split="train"):
    (root / split).mkdir(parents=True, exist_ok=True)
    for i in range(n):
        Image.new("RGBA", size, (10 * i, 20, 30, 128)).save(root / split / f"r_{i}.png")
    if frames is None:
        frames = [{"file_path": f"./{split}/r_{i}", "transform_matrix": POSE} for i in range(n)]
    (root / f"transforms_{split}.json").write_text(json.dumps({"camera_angle_x": angle, "frames": frames}))
    return root


def test_the_real_lego_has_its_views_and_its_camera(test_data):
    root = test_data / "blender" / "lego"
    assert "camera_angle_x" in sniff.blender(root)
    for split, n in (("train", 100), ("val", 13), ("test", 50)):
        scene = _parse(root, split)
        meta = json.loads((root / f"transforms_{split}.json").read_text())
        assert len(scene.cameras) == len(scene.images) == len(scene.names) == n
        assert (scene.near, scene.far, scene.limits_along, scene.notes) == (2.0, 6.0, "axis", ())
        poses = np.array([frame["transform_matrix"] for frame in meta["frames"]])
        assert np.abs(scene.cameras.c2w.numpy() - poses[:, :3]).max() < 1e-6
        focal = 200 / math.tan(meta["camera_angle_x"] / 2)
        assert torch.allclose(scene.cameras.intrinsics, torch.tensor([focal, focal, 200.0, 200.0]).double())


def test_the_real_lego_on_white_is_the_paper_s_compositing(test_data):
    scene = _parse(test_data / "blender" / "lego")
    image = scene.images[7]
    raw = np.asarray(Image.open(test_data / "blender/lego/train/r_7.png")).astype(np.float64) / 255
    expected = raw[..., :3] * raw[..., 3:] + (1 - raw[..., 3:])
    got = on_background(image.reshape(-1, 4), torch.ones(image.shape[0] * image.shape[1], 3))
    assert np.abs(got.numpy().reshape(expected.shape) - expected).max() < 1e-6
    partly = (raw[..., 3] > 0.1) & (raw[..., 3] < 0.9)
    assert partly.sum() > 100, "there are pixels that are partly transparent"
    assert got.reshape(400, 400, 3)[0, 0].tolist() == [1.0, 1.0, 1.0]


def test_project_finds_the_pixel_of_points_on_its_ray_for_the_real_cameras(test_data):
    generator = torch.Generator().manual_seed(0)
    for center in (0.5, 0.0):
        scene = _parse(test_data / "blender" / "lego", pixel_center=center)
        for i in range(0, 100, 9):
            view = scene.cameras.view(i)
            pixels = torch.rand(50, 2, generator=generator, dtype=torch.float64) * 400
            depths = 2 + 4 * torch.rand(50, generator=generator, dtype=torch.float64)
            camera = view.camera
            right = (pixels[:, 0] + center - camera.cx) / camera.fx
            down = (pixels[:, 1] + center - camera.cy) / camera.fy
            local = torch.stack([right, -down, -torch.ones(50, dtype=torch.float64)], -1) * depths[:, None]
            back, axis = project(view, local @ view.c2w[:, :3].T + view.c2w[:, 3])
            assert (back - pixels).abs().max() < 1e-4 and (axis - depths).abs().max() < 1e-9


def test_rays_are_the_published_formula(test_data):
    """The official code has the pixel center 0. Its directions are rotated ((i − W/2)/f, −(j − H/2)/f, −1), with t from
    2 to 6."""
    scene = _parse(test_data / "blender" / "lego", pixel_center=0.0)
    rays = view_rays(scene, scene.cameras.view(5))
    focal, c2w = float(scene.cameras.intrinsics[5, 0]), scene.cameras.c2w[5].numpy()
    for row, column in ((0, 0), (399, 399), (17, 230)):
        direction = c2w[:, :3] @ np.array([(column - 200) / focal, -(row - 200) / focal, -1.0])
        k = row * 400 + column
        start = rays.origins[k] + rays.near[k] * rays.directions[k]
        end = rays.origins[k] + rays.far[k] * rays.directions[k]
        assert np.abs(start.numpy() - (c2w[:, 3] + 2 * direction)).max() < 1e-5
        assert np.abs(end.numpy() - (c2w[:, 3] + 6 * direction)).max() < 1e-5


def test_skip_takes_every_nth_frame(tmp_path):
    _write(tmp_path, n=7)
    assert _parse(tmp_path, train_skip=3).names == ["train/r_0", "train/r_3", "train/r_6"]


def test_images_without_alpha_are_read_as_they_are(tmp_path):
    _write(tmp_path)
    for i in range(3):
        Image.new("RGB", (20, 10), (9, 8, 7)).save(tmp_path / "train" / f"r_{i}.png")
    assert _parse(tmp_path).images[1][3, 4].tolist() == [9, 8, 7]


def test_every_fault_of_the_frames_is_named_at_once(tmp_path):
    bad = [list(row) for row in POSE]
    bad[0][0] = 9.0
    scaled = [[0.01 * x for x in row] for row in POSE[:3]] + [[0, 0, 0, 0.01]]
    frames = [
        {"file_path": "./train/R_0", "transform_matrix": POSE},
        {"file_path": "../../etc/passwd", "transform_matrix": POSE},
        {"file_path": 7, "transform_matrix": POSE},
        {"file_path": "./train/r_1", "transform_matrix": [[1, 2], [3, 4]]},
        {"file_path": "./train/r_9", "transform_matrix": POSE},
        "frame",
        {"transform_matrix": POSE},
    ]
    _write(tmp_path, frames)
    with pytest.raises(DatasetError) as caught:
        _parse(tmp_path)
    text = str(caught.value)
    assert len(caught.value.problems) == 6  # a missing image is no fault: training leaves it out
    assert "train/R_0.png: there is no such file, but train/r_0.png exists" in text
    assert "leads out of the folder" in text and "train/r_9.png" not in text
    frames = [{"file_path": f"./train/r_{i}", "transform_matrix": pose} for i, pose in enumerate((bad, scaled, POSE))]
    _write(tmp_path, frames)
    Image.new("RGBA", (21, 10)).save(tmp_path / "train" / "r_1.png")
    (tmp_path / "train" / "r_2.png").write_bytes(b"no image")
    with pytest.raises(DatasetError) as caught:
        _parse(tmp_path)
    text = str(caught.value)
    assert "not rigid" in text and "last row" in text and "21×10" in text and "r_2.png" in text
    assert len(caught.value.problems) == 4


def test_a_missing_image_hides_no_bad_pose_and_no_odd_size(tmp_path):
    bad = [list(row) for row in POSE]
    bad[0][0] = 9.0
    frames = [
        {"file_path": f"./train/r_{i}", "transform_matrix": pose}
        for i, pose in enumerate((POSE, bad, POSE, "none", POSE))
    ]
    frames.append({"file_path": 7, "transform_matrix": bad})
    _write(tmp_path, frames, n=5)
    Image.new("RGBA", (21, 10)).save(tmp_path / "train" / "r_2.png")
    (tmp_path / "train" / "r_4.png").write_bytes(b"no image")
    (tmp_path / "train" / "r_1.png").unlink()
    with pytest.raises(DatasetError) as caught:
        _parse(tmp_path)
    found = sorted((problem.path, problem.message.partition(":")[0]) for problem in caught.value.problems)
    assert found == [
        ("train/r_1", "the pose is not rigid"),
        ("train/r_2.png", "the image is 21×10, but its camera is for 20×10"),
        ("train/r_4.png", "is not a PNG, JPEG, WebP or TIFF image"),
        ("transforms_train.json frame 5", "file_path is 7, not a file name"),
        ("transforms_train.json frame 5", "the pose is not rigid"),
        ("transforms_train.json train/r_3", "the pose is not a list of 4 rows"),
    ]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ('{"frames": []}', "empty"),
        ('{"camera_angle_x": 0.7, "frames": []}', "empty"),
        ('{"camera_angle_x": 0.7}', "no list of frames"),
        ('{"camera_angle_x": 4.0, "frames": 3}', "no list of frames"),
        ('{"camera_angle_x": 4.0, "frames": [{"file_path": "a"}]}', "camera_angle_x is 4; an angle in radians"),
        ('{"camera_angle_x": "wide", "frames": [{"file_path": "a"}]}', "camera_angle_x is 'wide'"),
        ('{"frames": [{"file_path": "a"}]}', "there is no focal length"),
        ('{"camera_angle_x": NaN, "frames": []}', "NaN"),
    ],
)
def test_a_file_that_is_none_says_why(tmp_path, content, says):
    (tmp_path / "transforms_train.json").write_text(content)
    with pytest.raises(DatasetError, match=says):
        _parse(tmp_path)


def _with_size(root, **size):
    meta = json.loads((root / "transforms_train.json").read_text())
    (root / "transforms_train.json").write_text(json.dumps(meta | size))
    return root


@pytest.mark.parametrize(("w", "h", "factor"), [(20, 10, 1), (40, 20, 2), (80, 40, 4), (41, 21, 2)])
def test_images_an_integer_factor_smaller_than_stated_get_a_shorter_focal_length_and_it_is_said(tmp_path, w, h, factor):
    scene = _parse(_with_size(_write(tmp_path), w=w, h=h))
    assert scene.cameras.sizes[0].tolist() == [20, 10]
    fx, fy, cx, cy = scene.cameras.intrinsics[0].tolist()
    focal = 0.5 * w / math.tan(0.35)
    assert (fx, fy) == pytest.approx((focal * 20 / w, focal * 10 / h)) and (cx, cy) == pytest.approx((10, 5))
    assert bool(scene.notes) == (factor > 1) and all(f"1/{factor} of the size" in note for note in scene.notes)


@pytest.mark.parametrize("size", [{"w": 30, "h": 15}, {"w": 10, "h": 5}, {"w": 10, "h": 20}, {"w": 40, "h": 10}])
def test_images_of_any_other_size_than_stated_are_refused(tmp_path, size):
    with pytest.raises(DatasetError, match=f"the image is 20×10, but its camera is for {size['w']}×{size['h']}"):
        _parse(_with_size(_write(tmp_path), **size))


def _change(root, change, frame=None):
    meta = json.loads((root / "transforms_train.json").read_text())
    (meta if frame is None else meta["frames"][frame]).update(change)
    (root / "transforms_train.json").write_text(json.dumps(meta))
    return root


def _focal(angle, length):
    return 0.5 * length / math.tan(0.5 * angle)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, [_focal(0.7, 20), _focal(0.7, 20), 10.0, 5.0]),
        ({"cx": 8.0, "cy": 6.5}, [_focal(0.7, 20), _focal(0.7, 20), 8.0, 6.5]),
        ({"camera_angle_y": 0.2}, [_focal(0.7, 20), _focal(0.2, 10), 10.0, 5.0]),
        ({"fl_x": 30.0}, [30.0, 30.0, 10.0, 5.0]),
        ({"fl_x": 30.0, "fl_y": 31.0}, [30.0, 31.0, 10.0, 5.0]),
        ({"camera_angle_x": None, "camera_angle_y": 0.3}, [_focal(0.3, 10), _focal(0.3, 10), 10.0, 5.0]),
        ({"w": 40, "h": 20, "cx": 18.0, "cy": 11.0}, [_focal(0.7, 20), _focal(0.7, 20), 9.0, 5.5]),
    ],
)
def test_every_key_of_the_camera_is_used(tmp_path, change, expected):
    cameras = _parse(_change(_write(tmp_path), change)).cameras
    assert cameras.intrinsics.tolist() == pytest.approx(np.array([expected] * 3))
    assert cameras.model == "pinhole" and cameras.distortion is None


def test_a_frame_may_have_a_camera_of_its_own(tmp_path):
    _change(_write(tmp_path), {"camera_angle_x": 0.5, "cx": 7.0}, frame=1)
    _change(tmp_path, {"fl_x": 44.0, "k1": 0.1}, frame=2)
    cameras = _parse(tmp_path).cameras
    expected = [_focal(0.7, 20), _focal(0.5, 20), 44.0]
    assert cameras.intrinsics[:, 0].tolist() == pytest.approx(expected) == cameras.intrinsics[:, 1].tolist()
    assert cameras.intrinsics[:, 2].tolist() == [10.0, 7.0, 10.0]
    assert cameras.model == "opencv" and cameras.distortion.tolist() == [[0.0] * 4, [0.0] * 4, [0.1, 0.0, 0.0, 0.0]]


def test_images_of_several_sizes_are_read_if_the_frames_state_them(tmp_path):
    _write(tmp_path)
    Image.new("RGBA", (16, 12)).save(tmp_path / "train" / "r_1.png")
    for frame, (w, h) in enumerate([(20, 10), (16, 12), (20, 10)]):
        _change(tmp_path, {"w": w, "h": h}, frame=frame)
    cameras = _parse(tmp_path).cameras
    assert cameras.sizes.tolist() == [[20, 10], [16, 12], [20, 10]]
    assert cameras.intrinsics[1].tolist() == pytest.approx([_focal(0.7, 16), _focal(0.7, 16), 8.0, 6.0])


@pytest.mark.parametrize(
    ("keys", "model"),
    [({"k1": -0.3}, "opencv"), ({"k1": 0.1, "k2": 0.02, "p1": 0.001, "p2": 0.002}, "opencv"),
     ({"k3": 0.1}, "full_opencv"), ({"camera_model": "OPENCV_FISHEYE", "k4": 0.1}, "opencv_fisheye"),
     ({"is_fisheye": True, "k1": 0.1}, "opencv_fisheye")],
)  # fmt: skip
def test_lens_distortion_is_used(tmp_path, keys, model):
    scene = _parse(_change(_write(tmp_path), keys), pixel_center=0.0)
    assert scene.cameras.model == model and scene.cameras.pixel_center == 0.0
    given = [value for value in keys.values() if type(value) is float]
    assert [value for value in scene.cameras.distortion[2].tolist() if value] == pytest.approx(given)
    with pytest.raises(DatasetError, match=f"the lens {model} cannot be written"):
        MultiscaleConverter(MultiscaleConversionConfig(n_down=2)).convert(tmp_path, tmp_path / "target")


def test_a_focal_length_that_contradicts_the_field_of_view_is_said(tmp_path):
    _change(_write(tmp_path), {"fl_x": _focal(0.7, 20) * 1.005})
    assert _parse(tmp_path).notes == ()
    (note,) = _parse(_change(tmp_path, {"fl_x": 30.0})).notes
    assert "fl_x is 30, but camera_angle_x means 27.3951 pixels; fl_x is used" in note


def test_masks_say_which_pixels_count(tmp_path):
    _write(tmp_path)
    for i in range(3):
        Image.fromarray(np.tile(np.uint8([0, 1]), (10, 10))).save(tmp_path / f"mask_{i}.png")
        _change(tmp_path, {"mask_path": f"mask_{i}.png"}, frame=i)
    scene = _parse(tmp_path)
    assert scene.masks is not None and scene.masks_mean == "counted"
    assert scene.masks[1][0, :, 0].tolist() == [0, 255] * 10
    _change(tmp_path, {"mask_path": None}, frame=1)
    with pytest.raises(DatasetError, match="1 of 3 frames have no mask_path"):
        _parse(tmp_path)


def test_keys_that_are_not_understood_are_named_once(tmp_path):
    _change(_change(_write(tmp_path), {"aabb_scale": 4}), {"iso": 100, "rotation": 0.01}, frame=1)
    assert _parse(tmp_path).notes == ("keys that are not understood are ignored: aabb_scale, iso",)


@pytest.mark.parametrize("size", [{"w": 20}, {"w": "20", "h": 10}, {"w": 20.5, "h": 10}, {"w": 0, "h": 10}])
def test_a_size_that_is_none_is_refused(tmp_path, size):
    with pytest.raises(DatasetError, match="both in whole pixels"):
        _parse(_with_size(_write(tmp_path), **size))


def test_a_turned_photograph_is_not_turned_and_said(tmp_path):
    _write(tmp_path)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (20, 10)).save(tmp_path / "train" / "r_1.png", exif=exif)
    assert "1 image carries an EXIF rotation" in _parse(tmp_path).notes[0]


def test_a_training_split_needs_frames_and_the_others_may_have_none(tmp_path):
    _write(tmp_path)
    for split in ("val", "test"):
        (tmp_path / f"transforms_{split}.json").write_text('{"camera_angle_x": 0.7, "frames": []}')
        with pytest.raises(NoSuchSplit, match="the split is empty"):
            _parse(tmp_path, split)
    (tmp_path / "transforms_train.json").write_text('{"camera_angle_x": 0.7, "frames": []}')
    with pytest.raises(DatasetError, match="the split is empty") as caught:
        _parse(tmp_path)
    assert not isinstance(caught.value, NoSuchSplit)


def test_the_first_image_may_be_the_one_that_cannot_be_read(tmp_path):
    _write(tmp_path)
    (tmp_path / "train" / "r_0.png").write_bytes(b"")
    scene = _parse(tmp_path)
    assert scene.images.check() == [(0, "is empty")] and scene.cameras.sizes[0].tolist() == [20, 10]
    for i in (1, 2):
        (tmp_path / "train" / f"r_{i}.png").write_bytes(b"")
    with pytest.raises(DatasetError) as caught:
        _parse(tmp_path)
    assert [problem.message for problem in caught.value.problems] == ["is empty"] * 3


def test_a_folder_that_is_none_points_at_what_is_there(tmp_path):
    _write(tmp_path / "scenes" / "lego")
    with pytest.raises(DatasetError) as caught:
        _parse(tmp_path / "scenes")
    assert "lego" in caught.value.problems[0].hint
    with pytest.raises(DatasetError) as caught:
        _parse(tmp_path / "scenes" / "legos")
    assert "folder lego" in caught.value.problems[0].hint
    with pytest.raises(NoSuchSplit):
        _parse(tmp_path / "scenes" / "lego", "test")
    with pytest.raises(DatasetError, match="train, val, test"):
        _parse(tmp_path / "scenes" / "lego", "trian")


def test_links_out_of_the_folder_are_refused(tmp_path):
    root = _write(tmp_path / "scene")
    Image.new("RGBA", (20, 10)).save(tmp_path / "outside.png")
    (root / "train" / "r_1.png").unlink()
    (root / "train" / "r_1.png").symlink_to(tmp_path / "outside.png")
    with pytest.raises(DatasetError, match="leads out of the folder"):
        _parse(root)


def test_tiny_drift_is_mended_and_said(tmp_path):
    drifted = (np.array(POSE) + 1e-4 * np.array([[1, -1, 1, 0]] * 3 + [[0] * 4])).tolist()
    _write(tmp_path, [{"file_path": "./train/r_0", "transform_matrix": drifted}])
    scene = _parse(tmp_path)
    rotation = scene.cameras.c2w[0, :, :3]
    assert (rotation.T @ rotation - torch.eye(3, dtype=torch.float64)).abs().max() < 1e-12
    assert any("not quite rigid" in note for note in scene.notes)


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12))
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner), max_leaves=8
)


@pytest.fixture(scope="module")
def fuzz_root(tmp_path_factory):
    return _write(tmp_path_factory.mktemp("fuzz"))


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_change_to_the_json_parses_or_is_a_dataset_error(fuzz_root, data):
    meta = {
        "camera_angle_x": 0.7,
        "frames": [{"file_path": "./train/r_0", "transform_matrix": [list(r) for r in POSE]}],
    }
    places = [(meta, "camera_angle_x"), (meta, "frames"), (meta["frames"], 0), (meta["frames"][0], "file_path")]
    places += [(meta["frames"][0], "transform_matrix"), (meta["frames"][0]["transform_matrix"], 2)]
    places += [(meta["frames"][0]["transform_matrix"][1], 2)]
    for _ in range(data.draw(st.integers(1, 2))):
        holder, key = data.draw(st.sampled_from(places))
        holder[key] = data.draw(VALUES)
    (fuzz_root / "transforms_train.json").write_text(json.dumps(meta), encoding="utf-8", errors="surrogatepass")
    try:
        scene = _parse(fuzz_root)
    except DatasetError:
        return
    assert len(scene.cameras) >= 1 and bool(scene.cameras.c2w.isfinite().all())


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_change_to_the_bytes_parses_or_is_a_dataset_error(fuzz_root, data):
    content = bytearray(
        json.dumps({"camera_angle_x": 0.7, "frames": [{"file_path": "./train/r_0", "transform_matrix": POSE}]}).encode()
    )
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (fuzz_root / "transforms_train.json").write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        _parse(fuzz_root)
    except DatasetError:
        return


def _scene(**changes):
    c2w = torch.tensor(POSE, dtype=torch.float64)[:3].expand(2, 3, 4).clone()
    given = {"c2w": c2w, "focal": 30.0, "width": 20, "height": 12, **changes}
    images = MemoryImages(torch.randint(0, 256, (2, 12, 20, 4), dtype=torch.uint8))
    return Scene(Cameras.pinhole(**given), images, 2.0, 6.0, SceneBox(torch.zeros(3), 1.5))


def test_what_is_written_is_read_back(tmp_path):
    for center in (0.5, 0.0):
        scene = _scene(pixel_center=center)
        if center == 0.0:
            scene.cameras.intrinsics[:, 2:] -= 0.5
        files = write_blender({"train": scene}, tmp_path)
        assert all(file.is_file() for file in files) and len(files) == 3
        back = _parse(tmp_path)
        assert torch.allclose(back.cameras.c2w, scene.cameras.c2w)
        ours, theirs = view_rays(scene, scene.cameras.view(1)), view_rays(back, back.cameras.view(1))
        assert (ours.directions - theirs.directions).abs().max() < 1e-6
        assert all(torch.equal(back.images[i], scene.images[i]) for i in range(2))


@pytest.mark.parametrize("spoil", ["focal", "center", "size", "lens"])
def test_cameras_that_the_format_cannot_hold_are_refused(tmp_path, spoil):
    scene = _scene()
    if spoil == "focal":
        scene.cameras.intrinsics[1, :2] += 1
    elif spoil == "center":
        scene.cameras.intrinsics[:, 2] += 1
    elif spoil == "size":
        scene.cameras.sizes[1] += 1
    else:
        object.__setattr__(scene.cameras, "model", "opencv")
    with pytest.raises(UsageError, match="centered principal point"):
        write_blender({"train": scene}, tmp_path)
