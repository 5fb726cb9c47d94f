"""transforms.json: a DatasetError describes every fault, and no other error is raised."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from radfield_transforms.writer import write
from transforms_files import edit, faults, parse

from radfield_core import UsageError
from radfield_core.testing import toy_capture


def test_any_other_size_is_refused(folder):
    Image.new("RGB", (30, 24)).save(folder / "images" / "view_002.png")
    Image.new("RGB", (24, 32)).save(folder / "images" / "view_003.png")
    text = faults(folder)
    assert "view_002.png: the image is 30×24, but its camera is for 32×24" in text
    assert "Rotate the image back" in text


def test_a_missing_image_is_left_to_training_and_a_renamed_one_is_named(folder):
    (folder / "images" / "view_001.png").rename(folder / "images" / "view_001.PNG")
    (folder / "images" / "view_004.png").unlink()
    (folder / "images" / "view_005.png").rename(folder / "images" / "view_005.jpg")
    assert dict(parse(folder, holdout=0).images.check()) == {
        1: "there is no such file, but images/view_001.PNG exists",
        4: "there is no such file",
        5: "there is no such file, but images/view_005.jpg exists",
    }


def test_every_unreadable_image_is_named(folder):
    whole = (folder / "images" / "view_001.png").read_bytes()
    (folder / "images" / "view_001.png").write_bytes(b"")
    (folder / "images" / "view_002.png").write_text("no image")
    (folder / "images" / "view_003.png").write_bytes(whole[: len(whole) // 2])
    found = dict(parse(folder, holdout=0).images.check())
    assert list(found) == [1, 2, 3] and found[1] == "is empty" and "not a PNG" in found[2] and "truncated" in found[3]
    edit(folder, lambda meta: meta["frames"][5].pop("transform_matrix"))
    text = faults(folder)
    assert "view_005" in text and "view_001" not in text, "poses come first"
    for i in range(9):
        (folder / "images" / f"view_{i:03d}.png").write_bytes(b"")
    edit(folder, lambda meta: meta["frames"][5].update(transform_matrix=meta["frames"][4]["transform_matrix"]))
    assert faults(folder).count("is empty") == 9, "there is nothing to go on with"


def test_every_bad_pose_is_named(folder):
    def change(meta):
        matrices = [frame["transform_matrix"] for frame in meta["frames"]]
        matrices[1][0] = [-x for x in matrices[1][0]]
        matrices[2][3] = [0.0, 0.0, 0.0, 0.01]
        matrices[3][0][0] += 0.1
        meta["frames"][4]["transform_matrix"] = [[1, 2], [3, 4]]
        meta["frames"][5].pop("transform_matrix")

    edit(folder, change)
    text = faults(folder)
    assert "view_004" in text and "view_005" in text
    edit(folder, lambda meta: [meta["frames"].pop(i) for i in (5, 4)])
    text = faults(folder)
    assert "view_001" in text and "mirrored" in text and "last row" in text and "not rigid" in text


def test_masks_that_only_some_frames_have_are_refused(folder):
    edit(folder, lambda meta: meta["frames"][3].update(mask_path="masks/a.png"))
    assert "8 of 9 frames have no mask_path" in faults(folder)


@pytest.mark.parametrize("name", ["depth/3.png", "../outside.png", "x" * 5000, 7])
def test_depth_images_that_cannot_be_found_are_counted_and_no_error(folder, name):
    edit(folder, lambda meta: [meta["frames"][i].update(depth_file_path=name) for i in range(4)])
    assert any("4 depth images" in note and "4 of them cannot be found" in note for note in parse(folder).notes)


@pytest.mark.parametrize(
    ("depth", "more", "warning"),
    [
        (np.uint16(4000), {}, None),  # whole numbers are millimeters: 4 m
        (np.uint16(4000), {"integer_depth_scale": 1.0}, "in millimeters, the poses in meters"),
        (np.uint16(40000), {"integer_depth_scale": 1e-4}, None),
        (np.float32(4.0), {}, None),  # numbers with a point are taken as they are
        (np.float32(4000.0), {}, "in millimeters, the poses in meters"),
        (np.float32(0.004), {}, "in meters, the poses in millimeters"),
    ],
)
def test_depths_in_another_unit_than_the_poses_are_warned_of(folder, depth, more, warning):
    ending = "png" if depth.dtype == np.uint16 else "npy"
    (folder / "depth").mkdir()
    pixels = np.full((24, 32), depth)
    pixels[:9] = 0  # nothing was measured there
    for i in range(9):
        path = folder / "depth" / f"{i}.{ending}"
        Image.fromarray(pixels).save(path) if ending == "png" else np.save(path, pixels)
    edit(folder, lambda meta: meta.update(more) or [frame.update(depth_file_path=f"depth/{i}.{ending}")
                                                    for i, frame in enumerate(meta["frames"])])  # fmt: skip
    notes = [note for note in parse(folder).notes if "depth" in note]
    assert not notes if warning is None else len(notes) == 1 and warning in notes[0]


@pytest.mark.parametrize("name", ["OMNIDIRECTIONALSTEREO_L", "ORTHOPHOTO"])
def test_cameras_that_are_no_lens_here_are_refused_in_words(folder, name):
    edit(folder, lambda meta: meta.update(camera_model=name))
    text = faults(folder)
    assert f"camera_model '{name}' is not supported" in text and "OPENCV_FISHEYE" in text


def test_a_mask_of_another_size_is_refused(tmp_path):
    write({"train": replace(toy_capture(3, masks=True), masks_mean="counted")}, tmp_path)
    Image.new("L", (16, 12)).save(tmp_path / "masks" / "view_001.png")
    assert "the mask is 16×12, but its image is 32×24" in faults(tmp_path)


def test_unknown_keys_are_named_once(folder):
    edit(folder, lambda meta: (meta.update(lens_maker="Zeiss"), [frame.update(iso=1) for frame in meta["frames"]]))
    notes = [note for note in parse(folder).notes if "not understood" in note]
    assert len(notes) == 1 and "lens_maker" in notes[0] and "iso" in notes[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"camera_model": "EQUIRECTANGULAR", "k1": 0.1}, "a panorama has no lens parameter k1"),
        ({"camera_model": "EQUIRECTANGULAR", "fl_x": 8}, "over 720° × 135°, but there are only 360° × 180°"),
        ({"camera_model": "EQUIRECTANGULAR", "fl_y": -1}, "focal length is -1"),
        ({"camera_model": 7}, "not supported"),
        ({"camera_model": "OPENCV", "k4": 0.1}, "OPENCV has no parameter k4"),
        ({"camera_model": "PINHOLE", "k1": 0.1}, "PINHOLE has no parameter k1"),
        ({"fl_x": "wide"}, "not a usable number"),
        ({"fl_x": -3.0, "fl_y": 2.0}, "focal length is -3"),
        ({"w": 0}, "size is 0"),
        ({"aabb_scale": -1}, "aabb_scale: is -1"),
        ({"offset": [1, 2]}, "offset"),
        ({"applied_transform": [[1, 0, 0, 0], [0, 2, 0, 0], [0, 0, 1, 0]]}, "not a rotation"),
        (
            {"applied_transform": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 2]]},
            "last row of the pose is (0, 0, 0, 2)",
        ),
        ({"applied_scale": -1}, "applied_scale: is -1"),
        ({"applied_scale": "big"}, "not a usable number"),
        ({"train_filenames": ["nobody.png"], "val_filenames": []}, "nobody.png' is not the name of a frame"),
        ({"frames": {}}, "no list of frames"),
        ({"frames": [7]}, "not JSON objects"),
        ({"frames": [{"file_path": 7}]}, "not a file name"),
    ],
)
def test_a_nonsensical_value_is_named(folder, change, message):
    edit(folder, lambda meta: meta.update(change))
    assert message in faults(folder)


def test_a_name_that_leaves_the_folder_is_refused(folder):
    edit(folder, lambda meta: meta["frames"][0].update(file_path="../../etc/passwd"))
    assert "leads out of the folder" in faults(folder)


@pytest.mark.parametrize(
    "text",
    ["", "[1, 2", '{"frames": [NaN]}', '{"frames": [], "frames": []}', "[" * 100_000, '{"frames": 1e999}', "\xff"],
)
def test_broken_json_is_one_clear_error(folder, text):
    (folder / "transforms.json").write_bytes(text.encode("latin-1"))
    assert "transforms.json" in faults(folder)


def ascii_ply(rows: list[str]) -> str:
    properties = "".join(f"property double {axis}\n" for axis in "xyz")
    return f"ply\nformat ascii 1.0\nelement vertex {len(rows)}\n{properties}end_header\n" + "".join(
        f"{row}\n" for row in rows
    )


def binary_ply(points: np.ndarray, order: str) -> bytes:
    form = {"<": "little", ">": "big"}[order]
    properties = "property double x\nproperty float y\nproperty double z\n"
    record = np.zeros(len(points), [("x", f"{order}f8"), ("y", f"{order}f4"), ("z", f"{order}f8")])
    for i, axis in enumerate("xyz"):
        record[axis] = points[:, i]
    head = f"ply\nformat binary_{form}_endian 1.0\nelement vertex {len(points)}\n{properties}end_header\n"
    return head.encode() + record.tobytes()


@pytest.mark.parametrize("order", ["<", ">"])
def test_points_of_either_byte_order_are_read(folder, order):
    points = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32).astype(np.float64)
    (folder / "sparse_pc.ply").write_bytes(binary_ply(points, order))
    scene = parse(folder)
    np.testing.assert_allclose(scene.data_points(scene.points).numpy(), points, atol=1e-12)
    assert not [note for note in scene.notes if "points" in note]


@pytest.mark.parametrize(
    ("kind", "names", "values"),
    [
        ("uchar", "red green blue", "255 128 0"),
        ("float", "red green blue", "1.0 0.502 0"),
        ("ushort", "diffuse_red diffuse_green diffuse_blue", "65535 32896 0"),
        ("int", "r g b", "255 128 0"),
    ],
)
def test_colors_of_points_are_read_whatever_their_type(folder, kind, names, values):
    properties = "".join(f"property {kind} {name}\n" for name in names.split())
    text = ascii_ply([f"nan 0 0 {values}", *[f"{i} 2 3 {values}" for i in range(12)]])
    (folder / "sparse_pc.ply").write_text(text.replace("end_header", f"{properties}end_header"))
    scene = parse(folder)
    assert scene.point_colors.dtype == torch.uint8
    assert scene.point_colors.tolist() == [[255, 128, 0]] * 12


def test_points_without_colors_have_none(folder):
    (folder / "sparse_pc.ply").write_text(ascii_ply(["1 2 3"] * 12))
    assert parse(folder).points is not None and parse(folder).point_colors is None


@pytest.mark.parametrize("value", ["nan", "1.5", "-0.1", "inf"])
def test_points_with_impossible_colors_are_left_aside_with_a_warning(folder, value):
    properties = "".join(f"property float {name}\n" for name in ("red", "green", "blue"))
    text = ascii_ply([f"1 2 3 0 {value} 1"] * 12).replace("end_header", f"{properties}end_header")
    (folder / "sparse_pc.ply").write_text(text)
    scene = parse(folder)
    assert scene.points is None and any("has a color that is not between 0 and 1" in note for note in scene.notes)


def test_points_in_text_may_begin_with_a_byte_order_mark(folder):
    (folder / "sparse_pc.ply").write_bytes(b"\xef\xbb\xbf" + ascii_ply(["1 2 3"] * 12).encode())
    scene = parse(folder)
    assert scene.data_points(scene.points)[0].tolist() == pytest.approx([1.0, 2.0, 3.0])


def test_points_that_are_not_finite_or_too_far_are_left_out_with_a_warning(folder):
    good = [f"{i} 0 0" for i in range(20)]
    (folder / "sparse_pc.ply").write_text(ascii_ply(["nan 0 0", "0 inf 0", "0 0 -1e300", *good]))
    scene = parse(folder)
    assert scene.data_points(scene.points)[:, 0].tolist() == pytest.approx(list(range(20)), abs=1e-9)
    assert any("sparse_pc.ply: 3 points of 23 are not finite" in note for note in scene.notes)
    (folder / "sparse_pc.ply").write_text(ascii_ply(["nan 0 0"] * 20))
    assert parse(folder).points is None


@pytest.mark.parametrize("name", ["gone.ply", "../points.ply", "/points.ply", "images", 7, ""])
def test_points_that_are_not_there_are_left_aside_with_a_warning(folder, name):
    edit(folder, lambda meta: meta.update(ply_file_path=name))
    scene = parse(folder)
    assert scene.points is None and any("the known points are not used" in note for note in scene.notes)


def test_a_file_without_points_is_none_in_text_and_binary_alike(folder):
    text = ascii_ply([])
    (folder / "sparse_pc.ply").write_text(text)
    assert parse(folder).points is None
    (folder / "sparse_pc.ply").write_text(text.replace("ascii", "binary_little_endian"))
    assert parse(folder).points is None
    for form in ("ascii", "binary_little_endian"):
        (folder / "sparse_pc.ply").write_text(text.replace("ascii", form).replace("vertex 0", "vertex -3"))
        assert any("states -3 vertices" in note for note in parse(folder).notes)


def test_frames_listed_twice_are_named(folder):
    edit(folder, lambda meta: meta["frames"].append(meta["frames"][3]))
    assert faults(folder) == "images/view_003.png: is listed 2 times"


def test_a_lens_that_the_format_does_not_know_is_refused_when_writing(tmp_path):
    with pytest.raises(UsageError, match="lens fov"):
        write({"train": toy_capture(2, model="fov", distortion=(0.9,))}, tmp_path)
