"""transforms.json: written captures are read back, and keys have their meaning in nerfstudio and instant-ngp."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from radfield_transforms.sniff import sniff
from radfield_transforms.writer import write
from transforms_files import edit, faults, parse

from radfield_core import DatasetError
from radfield_core.testing import ray_difference, toy_capture
from radfield_core.testing.captures import pixel_difference

LENSES = {
    "pinhole": (),
    "opencv": (-0.1, 0.03, 0.002, -0.001),
    "full_opencv": (0.1, -0.05, 0.002, -0.001, 0.01, 0.05, 0.01, 0.002),
    "opencv_fisheye": (-0.03, 0.01, -0.004, 0.001),
}


@pytest.mark.parametrize("model", LENSES)
@pytest.mark.parametrize("options", [{}, {"orientation": "pca", "center": "poses", "auto_scale": True}])
def test_a_capture_written_and_read_has_the_same_rays_in_its_own_coordinates(tmp_path, model, options):
    scene = replace(toy_capture(9, model=model, distortion=LENSES[model], masks=True), masks_mean="counted")
    rgb = (torch.arange(len(scene.points) * 3) % 256).view(-1, 3).to(torch.uint8)
    scene = replace(scene, point_colors=rgb)
    write({"train": scene}, tmp_path)
    back = parse(tmp_path, holdout=0, **options)
    assert torch.equal(back.point_colors, rgb)
    assert len(back.cameras) == 9
    for name, read_name in zip(scene.names, back.names, strict=True):
        assert ray_difference(scene, back, name, read_name) < 1e-5
        assert pixel_difference(scene, back, name, read_name) < 1e-4
    assert torch.equal(back.images[4], scene.images[4])
    assert back.masks is not None and torch.equal(back.masks[4], scene.masks[4])
    torch.testing.assert_close(back.data_points(back.points), scene.points)


def test_instant_ngps_box_is_where_its_unit_cube_maps_to(folder):
    edit(folder, lambda meta: meta.update(aabb_scale=4, scale=0.25, offset=[0.5, 0.25, 0.75]))
    scene = parse(folder)
    assert scene.box.center.tolist() == [0.0, 1.0, -1.0]
    assert scene.box.radius == 8.0 and scene.box.measured
    assert scene.near == pytest.approx(0.4)
    assert torch.equal(scene.to_data, torch.eye(4, dtype=torch.float64))
    assert scene.box.usual_radius == pytest.approx(0.5 * 4 / 0.33), "that of a file with the usual scale"
    assert parse(folder, auto_scale=True).box.usual_radius is None


def test_without_a_box_the_scene_is_upright_centered_and_scaled(folder):
    edit(folder, lambda meta: [meta.pop(key) for key in ("aabb_scale", "scale", "offset")])
    scene = parse(folder, holdout=0)
    assert float(scene.cameras.c2w[:, :, 3].abs().max()) == pytest.approx(1.0)
    up = scene.cameras.c2w[:, :, 1].mean(0)
    torch.testing.assert_close(up / up.norm(), torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64))
    looked_at = scene.data_points(torch.zeros(1, 3, dtype=torch.float64))[0]
    torch.testing.assert_close(looked_at, torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64), atol=0.2, rtol=0)
    assert scene.box.measured  # by the points
    assert 0 < scene.near < scene.far


def test_the_original_coordinates_are_those_before_the_applied_transform(folder):
    before = parse(folder)
    turn = [[0.0, 1.0, 0.0, 5.0], [-1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 2.0]]
    edit(folder, lambda meta: meta.update(applied_transform=turn))
    after = parse(folder)
    point = torch.tensor([[0.3, 0.2, 0.1]], dtype=torch.float64)
    in_file = before.data_points(point)
    matrix = torch.tensor(turn, dtype=torch.float64)
    torch.testing.assert_close(after.data_points(point) @ matrix[:, :3].T + matrix[:, 3], in_file)


def test_a_scale_that_was_applied_counts_with_a_transform_and_alone(folder):
    before = parse(folder)
    point = torch.tensor([[0.3, 0.2, 0.1]], dtype=torch.float64)
    turn = [[0.0, 1.0, 0.0, 5.0], [-1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 2.0]]
    edit(folder, lambda meta: meta.update(applied_transform=turn, applied_scale=0.1))
    matrix = torch.tensor(turn, dtype=torch.float64)
    found = parse(folder).data_points(point)
    torch.testing.assert_close(0.1 * (found @ matrix[:, :3].T + matrix[:, 3]), before.data_points(point))
    edit(folder, lambda meta: meta.pop("applied_transform"))
    torch.testing.assert_close(0.1 * parse(folder).data_points(point), before.data_points(point))


def test_focal_lengths_may_be_given_as_angles(folder):
    def change(meta):
        meta.update(camera_angle_x=2 * math.atan(0.5), camera_angle_y=2 * math.atan(0.25))
        for key in ("fl_x", "fl_y", "cx", "cy"):
            meta.pop(key)

    edit(folder, change)
    assert parse(folder).cameras.intrinsics[0].tolist() == pytest.approx([32.0, 48.0, 16.0, 12.0])


def test_every_eighth_frame_by_name_is_held_out(folder):
    assert parse(folder, "test").names == ["images/view_000.png", "images/view_008.png"]
    assert len(parse(folder, "train").names) == 7
    assert parse(folder, "val").names == parse(folder, "test").names


def test_lists_of_names_make_the_splits(folder):
    lists = {"train_filenames": ["images/view_003.png"], "val_filenames": ["./images/view_001.png"]}
    edit(folder, lambda meta: meta.update(lists, test_filenames=["images\\view_002.png"]))
    assert [parse(folder, split).names for split in ("train", "val", "test")] == [
        ["images/view_003.png"], ["images/view_001.png"], ["images/view_002.png"],
    ]  # fmt: skip


def test_one_file_per_split_is_read(tmp_path):
    for split, seed in (("train", 1), ("test", 2)):
        write({split: toy_capture(4, seed=seed)}, tmp_path / "part")
        meta = json.loads((tmp_path / "part" / "transforms.json").read_text())
        meta.pop("ply_file_path")
        for frame in meta["frames"]:
            frame["file_path"] = f"{split}/{frame['file_path']}"
        shutil.copytree(tmp_path / "part" / "images", tmp_path / "all" / split / "images")
        (tmp_path / "all" / f"transforms_{split}.json").write_text(json.dumps(meta))
    assert sniff(tmp_path / "all")
    assert parse(tmp_path / "all", "test").names == [f"test/images/view_{i:03d}.png" for i in range(4)]
    assert len(parse(tmp_path / "all", "train").names) == 4


def test_frames_may_each_have_their_own_lens(folder):
    def change(meta):
        shared = {key: meta.pop(key) for key in ("camera_model", "w", "h", "fl_x", "fl_y", "cx", "cy")}
        for i, frame in enumerate(meta["frames"]):
            frame.update(shared, fl_x=30.0 + i)
        meta["frames"][1].update(camera_model="OPENCV", k1=0.1, k2=0.0, p1=0.01, p2=0.0)

    edit(folder, change)
    cameras = parse(folder, holdout=0).cameras
    assert cameras.intrinsics[:, 0].tolist() == [30.0 + i for i in range(9)]
    assert cameras.model == "opencv"
    assert cameras.distortion[:3].tolist() == [[0.0] * 4, [0.1, 0.0, 0.01, 0.0], [0.0] * 4]


def test_lens_keys_without_a_model_mean_opencv_and_is_fisheye_means_fisheye(folder):
    edit(folder, lambda meta: (meta.pop("camera_model"), meta.update(k1=0.1)))
    assert parse(folder).cameras.model == "opencv"
    edit(folder, lambda meta: meta.update(is_fisheye=True))
    assert parse(folder).cameras.model == "opencv_fisheye"


@pytest.mark.parametrize("keys", [{"camera_model": "EQUIRECTANGULAR"}, {"latlong": True}])
def test_a_panorama_is_read_with_or_without_its_focal_length(folder, keys):
    """nerfstudio writes fl_x = w / 2 and fl_y = h, and instant-ngp calls the projection latlong."""

    def change(meta):
        for key in ("camera_model", "fl_x", "fl_y", "cx", "cy"):
            del meta[key]
        meta.update(keys)

    edit(folder, change)
    cameras = parse(folder).cameras
    assert cameras.model == "equirectangular" and cameras.distortion is None
    expected = [32 / (2 * math.pi), 24 / math.pi, 16.0, 12.0]
    assert cameras.intrinsics[0].tolist() == pytest.approx(expected)
    edit(folder, lambda meta: meta.update(fl_x=16.0, fl_y=24.0, cx=16.0, cy=12.0))
    assert parse(folder).cameras.intrinsics[0].tolist() == pytest.approx(expected)


def test_the_equal_area_projection_of_instant_ngp_is_not_taken_for_a_panorama(folder):
    edit(folder, lambda meta: (meta.pop("camera_model"), meta.update(equirectangular=True)))
    with pytest.raises(DatasetError, match="equal-area cylinder in instant-ngp"):
        parse(folder)


def test_a_third_radial_coefficient_alone_makes_opencv_a_full_opencv_lens(folder):
    edit(folder, lambda meta: meta.update(camera_model="OPENCV", k1=0.1, k2=0.02, p1=0.003, p2=0.004, k3=0.05))
    cameras = parse(folder).cameras
    assert cameras.model == "full_opencv"
    assert cameras.distortion[0].tolist() == [0.1, 0.02, 0.003, 0.004, 0.05, 0.0, 0.0, 0.0]


def test_a_copy_at_an_integer_fraction_rescales_intrinsics_and_says_so(folder):
    for path in (folder / "images").iterdir():
        Image.open(path).resize((16, 12)).save(path)
    scene = parse(folder)
    assert scene.cameras.intrinsics[0].tolist() == [16.0, 16.0, 8.0, 6.0]
    assert any("1/2" in note for note in scene.notes)


def test_names_without_an_ending_and_with_backslashes_are_found(folder):
    edit(folder, lambda meta: meta["frames"][0].update(file_path="images\\view_000"))
    assert len(parse(folder, holdout=0).cameras) == 9


def test_a_rotated_photograph_is_not_turned_and_said(folder):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = folder / "images" / "view_002.png"
    Image.open(path).save(path, exif=exif)
    scene = parse(folder)
    assert any("EXIF" in note for note in scene.notes)
    assert scene.cameras.sizes[0].tolist() == [32, 24]


def test_tiny_drift_is_mended_and_said(folder):
    def change(meta):
        meta["frames"][1]["transform_matrix"][0][0] += 2e-4

    edit(folder, change)
    scene = parse(folder, holdout=0)
    rotation = scene.cameras.c2w[1, :, :3]
    torch.testing.assert_close(rotation @ rotation.T, torch.eye(3, dtype=torch.float64))
    assert any("repaired" in note for note in scene.notes)


def test_no_frames_one_frame_and_an_empty_split(folder):
    edit(folder, lambda meta: meta.update(train_filenames=["images/view_001.png"], val_filenames=[], test_filenames=[]))
    assert "the test split is empty" in faults(folder, "test")
    edit(folder, lambda meta: [meta.pop(f"{split}_filenames") for split in ("train", "val", "test")])
    edit(folder, lambda meta: meta.update(frames=meta["frames"][:1]))
    scene = parse(folder, "test")
    assert len(scene.cameras) == 1 and any("do not show the quality for new views" in note for note in scene.notes)
    edit(folder, lambda meta: meta.update(frames=[]))
    assert "no views" in faults(folder)


def test_points_are_read_in_text_and_binary(folder):
    expected = parse(folder).points
    file = folder / "sparse_pc.ply"
    points = np.frombuffer(file.read_bytes().split(b"end_header\n")[1], "<f8").reshape(-1, 3)
    rows = "\n".join(f"{x} {y} {z} 255 0 0" for x, y, z in points)
    properties = (
        "\n".join(f"property float {axis}" for axis in "xyz")
        + "\n"
        + "\n".join(f"property uchar {name}" for name in ("red", "green", "blue"))
    )
    header = f"ply\nformat ascii 1.0\ncomment by hand\nelement vertex {len(points)}\n{properties}\nend_header\n"
    file.write_text(header + rows + "\n")
    torch.testing.assert_close(parse(folder).points, expected)


def test_a_folder_is_recognized_by_its_file(folder, tmp_path_factory):
    assert sniff(folder) == "it holds transforms.json"
    assert sniff(folder / "transforms.json")
    assert parse(folder / "transforms.json").names == parse(folder).names
    assert sniff(tmp_path_factory.mktemp("empty")) is None


def test_fox_is_read_whole(test_data):
    scenes = [parse(test_data / "instant_ngp" / "fox", split) for split in ("train", "test")]
    assert sum(len(scene.cameras) for scene in scenes) == 50
    scene = scenes[0]
    assert scene.cameras.model == "opencv" and scene.cameras.sizes[0].tolist() == [540, 960]
    assert scene.cameras.intrinsics[0].tolist() == [687.76, 687.245, 277.279, 482.634]
    assert scene.box.radius == pytest.approx(2 / 0.33) and not scene.notes
    assert not scene.images.check()
