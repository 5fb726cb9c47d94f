"""COLMAP reconstructions: written rays are read back for every camera model, in text and binary, and errors report
every fault."""

from __future__ import annotations

import math
import shutil
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from radfield_colmap import binary, text
from radfield_colmap.config import ColmapConfig
from radfield_colmap.dataparser import Colmap, visible_distances
from radfield_colmap.model import MODEL_NAMES, N_PARAMETERS, count_images, world_to_camera
from radfield_colmap.reading import read_model
from radfield_colmap.sniff import sniff
from radfield_colmap.writer import write

from radfield_core import DatasetError, project
from radfield_core.data import rotation_quaternion
from radfield_core.inspection.axes import viewing_axes
from radfield_core.testing import ray_difference, toy_capture
from radfield_core.testing.captures import pixel_difference

LENSES = {
    "pinhole": (),
    "simple_radial": (-0.05,),
    "opencv": (-0.1, 0.03, 0.002, -0.001),
    "full_opencv": (0.1, -0.05, 0.002, -0.001, 0.01, 0.05, 0.01, 0.002),
    "fisheye": (),
    "opencv_fisheye": (-0.03, 0.01, -0.004, 0.001),
    "thin_prism_fisheye": (-0.03, 0.01, 0.002, -0.001, 0.003, -0.001, 0.001, -0.002),
    "fov": (0.9,),
    "division": (-0.15,),
    "eucm": (0.6, 1.1),
}


def parse(root, split="train", **options):
    return Colmap(ColmapConfig(root=str(root), **options)).parse(split)


@pytest.fixture
def folder(tmp_path):
    write({"train": toy_capture(9)}, tmp_path)
    return tmp_path


def faults(folder, split="train", **options) -> str:
    with pytest.raises(DatasetError) as caught:
        parse(folder, split, **options)
    return str(caught.value)


def as_text(folder: Path) -> None:
    """Convert sparse/0 to text files without COLMAP."""
    sparse = folder / "sparse" / "0"
    model = read_model(sparse)
    lines = ["# cameras"]
    for number, camera in model.cameras.items():
        assert camera.lens == "pinhole"
        lines.append(f"{number} PINHOLE {camera.width} {camera.height} {' '.join(map(repr, camera.intrinsics))}")
    (sparse / "cameras.txt").write_text("\n".join(lines) + "\n")
    lines = ["# images"]
    for number, image in enumerate(model.images, start=1):
        pose = " ".join(repr(float(x)) for x in [*image.quaternion, *image.translation])
        lines.append(f"{number} {pose} {image.camera_id} {image.name}")
        seen = zip(image.xy.tolist(), image.point_ids.tolist(), strict=True)
        lines.append(" ".join(f"{x!r} {y!r} {point}" for (x, y), point in seen))
    (sparse / "images.txt").write_text("\n".join(lines) + "\n")
    rows = zip(model.point_ids.tolist(), model.points.tolist(), model.colors.tolist(), strict=True)
    (sparse / "points3D.txt").write_text(
        "".join(f"{point} {x!r} {y!r} {z!r} {r} {g} {b} 0.5 1 0 2 1\n" for point, (x, y, z), (r, g, b) in rows)
    )
    for path in sparse.glob("*.bin"):
        path.unlink()


@pytest.mark.parametrize("model", LENSES)
def test_a_capture_written_and_read_has_the_same_rays_in_its_own_coordinates(tmp_path, model):
    scene = replace(toy_capture(9, model=model, distortion=LENSES[model], masks=True), masks_mean="counted")
    write({"train": scene}, tmp_path)
    back = parse(tmp_path, holdout=0)
    for name, read_name in zip(scene.names, back.names, strict=True):
        assert ray_difference(scene, back, name, read_name) < 1e-5
        assert pixel_difference(scene, back, name, read_name) < 1e-4
    assert torch.equal(back.images[4], scene.images[4])
    assert back.masks is not None and torch.equal(back.masks[4], scene.masks[4])


def test_text_and_binary_say_the_same(folder):
    expected = parse(folder)
    as_text(folder)
    found = parse(folder)
    torch.testing.assert_close(found.cameras.c2w, expected.cameras.c2w)
    assert (found.near, found.far) == pytest.approx((expected.near, expected.far))
    torch.testing.assert_close(found.points, expected.points)
    assert torch.equal(found.point_colors, expected.point_colors)


def test_points_written_and_read_keep_their_colors(tmp_path):
    scene = toy_capture(9)
    rgb = (torch.arange(len(scene.points) * 3) % 256).view(-1, 3).to(torch.uint8)
    write({"train": replace(scene, point_colors=rgb)}, tmp_path)
    back = parse(tmp_path, holdout=0)
    nearest = torch.cdist(back.data_points(back.points), scene.points.double()).argmin(1)
    assert len(nearest.unique()) > 50 and torch.equal(back.point_colors, rgb[nearest])


@pytest.mark.parametrize("color", ["256 0 0", "-1 0 0", "red 0 0"])
def test_points_with_impossible_colors_are_left_aside_with_a_warning(folder, color):
    as_text(folder)
    path = folder / "sparse" / "0" / "points3D.txt"
    path.write_text(path.read_text() + f"99999 1 2 3 {color} 0.5 1 0 2 1\n")
    scene = parse(folder, holdout=0)
    assert scene.points is None and any("not used" in note and "points3D.txt: line" in note for note in scene.notes)


def test_every_camera_model_of_the_format_is_read(tmp_path):
    for number, name in enumerate(MODEL_NAMES):
        parameters = [500.0, 320.0, 240.0, *[0.01] * 20][: N_PARAMETERS[number]]
        head = struct.pack("<QIiQQ", 1, 7, number, 640, 480)
        (tmp_path / "cameras.bin").write_bytes(head + struct.pack(f"<{len(parameters)}d", *parameters))
        words = " ".join(map(str, parameters))
        (tmp_path / "cameras.txt").write_text(f"7 {name} 640 480 {words}\n")
        camera = binary.read_cameras(tmp_path / "cameras.bin")[7]
        assert camera == text.read_cameras(tmp_path / "cameras.txt")[7]
        focal = 500.0 / (2 * math.pi) if name == "EQUIRECTANGULAR" else 500.0  # pixels in a turn
        assert camera.intrinsics[0] == focal and (camera.width, camera.height) == (640, 480)


def test_newer_files_beside_the_model_change_nothing(folder):
    expected = parse(folder)
    for name in ("rigs.bin", "frames.bin"):
        (folder / "sparse" / "0" / name).write_bytes(b"\1" * 100)
    assert torch.equal(parse(folder).cameras.c2w, expected.cameras.c2w)


def test_near_and_far_hold_the_points_that_were_seen(folder):
    scene = parse(folder, holdout=0)
    distances = torch.cdist(scene.cameras.c2w[:, :, 3], scene.points)
    assert scene.near < distances.min() and distances.max() < scene.far
    assert scene.near > 0.5 * distances.min() and scene.far < 2 * distances.max()
    inside = (scene.points - scene.box.center).abs().amax(-1) <= scene.box.radius
    assert inside.float().mean() > 0.9 and scene.box.measured


def test_distances_are_those_of_a_nested_loop(folder):
    model = read_model(folder / "sparse" / "0")
    places = dict(zip(model.point_ids.tolist(), model.points.tolist(), strict=True))
    expected = []
    scene = toy_capture(9)
    for i, image in enumerate(model.images):
        stand = scene.cameras.c2w[i, :, 3].numpy()
        for point in image.point_ids.tolist():
            expected.append(float(np.linalg.norm(np.array(places[point]) - stand)))
    np.testing.assert_allclose(np.sort(visible_distances(model)), np.sort(expected), atol=1e-9)


def test_the_ground_becomes_level(tmp_path):
    scene = toy_capture(9)
    draw = np.random.default_rng(1)
    normal = np.array([0.1, 0.9, 0.2]) / np.linalg.norm([0.1, 0.9, 0.2])
    ground = draw.normal(size=(400, 3))
    ground -= np.outer(ground @ normal, normal) - np.array([1.0, 0.0, 3.0])
    points = torch.from_numpy(np.concatenate([ground, scene.points.numpy()]))
    write({"train": type(scene)(**{**vars(scene), "points": points})}, tmp_path)
    back = parse(tmp_path, orientation="ground")
    up_in_data = back.to_data[:3, :3].numpy() @ [0.0, 0.0, 1.0]
    np.testing.assert_allclose(up_in_data / np.linalg.norm(up_in_data), normal, atol=1e-3)


def test_the_largest_model_is_taken_and_said(folder):
    small = folder / "sparse" / "1"
    shutil.copytree(folder / "sparse" / "0", small)
    shutil.copytree(small, folder / "sparse" / "2")
    write({"train": toy_capture(4)}, folder / "other")
    for name in ("cameras", "images", "points3D"):
        shutil.copy(folder / "other" / "sparse" / "0" / f"{name}.bin", folder / "sparse" / "0" / f"{name}.bin")
    scene = parse(folder, holdout=0)
    assert len(scene.cameras) == 9
    assert any("sparse/1, the largest model (9 images), not sparse/0 (4)" in note for note in scene.notes)
    assert len(parse(folder, holdout=0, model="sparse/0").cameras) == 4


def test_cameras_of_different_models_are_written_as_one(folder):
    sparse = folder / "sparse" / "0"
    model = read_model(sparse)
    opencv = struct.pack("<IiQQ8d", 2, 4, 32, 24, 30.0, 31.0, 16.0, 12.0, 0.1, 0.01, 0.001, 0.002)
    radial = struct.pack("<IiQQ4d", 1, 2, 32, 24, 32.0, 16.0, 12.0, 0.05)
    (sparse / "cameras.bin").write_bytes(struct.pack("<Q", 2) + opencv + radial)
    data = bytearray((sparse / "images.bin").read_bytes())
    at = data.index(model.images[0].name.encode()) - 4
    data[at : at + 4] = struct.pack("<I", 2)
    (sparse / "images.bin").write_bytes(bytes(data))
    cameras = parse(folder, holdout=0).cameras
    assert cameras.model == "opencv"
    assert cameras.distortion[:2].tolist() == [[0.1, 0.01, 0.001, 0.002], [0.05, 0.0, 0.0, 0.0]]


def test_a_fisheye_among_perspective_cameras_is_refused(folder):
    sparse = folder / "sparse" / "0"
    two = struct.pack("<QIiQQ4d", 2, 1, 2, 32, 24, 32.0, 16.0, 12.0, 0.05)
    two += struct.pack("<IiQQ4d", 2, 8, 32, 24, 32.0, 16.0, 12.0, 0.05)
    (sparse / "cameras.bin").write_bytes(two)
    data = bytearray((sparse / "images.bin").read_bytes())
    at = data.index(b"view_000.png") - 4
    data[at : at + 4] = struct.pack("<I", 2)
    (sparse / "images.bin").write_bytes(bytes(data))
    assert "simple_radial, simple_radial_fisheye" in faults(folder)


def test_a_shrunken_folder_of_images_may_be_named(folder):
    (folder / "images_2").mkdir()
    for path in (folder / "images").iterdir():
        Image.open(path).resize((16, 12)).save(folder / "images_2" / path.name)
    scene = parse(folder, images="images_2")
    assert scene.cameras.intrinsics[0].tolist() == [16.0, 16.0, 8.0, 6.0]
    assert not any("1/2" in note for note in scene.notes), "the folder says so"
    (folder / "images_2").rename(folder / "small")
    assert any("1/2" in note for note in parse(folder, images="small").notes)


def test_masks_are_for_all_images_or_none(tmp_path):
    write({"train": replace(toy_capture(4, masks=True), masks_mean="counted")}, tmp_path)
    (tmp_path / "masks" / "view_001.png.png").rename(tmp_path / "masks" / "view_001.png")
    assert parse(tmp_path).masks is not None
    (tmp_path / "masks" / "view_002.png.png").unlink()
    assert "view_002.png: this image has no mask" in faults(tmp_path)
    (tmp_path / "images" / "view_002.png").unlink()  # where the image is missing too, its mask is not needed
    assert parse(tmp_path, holdout=0).masks is not None


def test_a_missing_image_is_left_to_training_and_a_renamed_one_is_named(folder):
    (folder / "images" / "view_001.png").unlink()
    (folder / "images" / "view_004.png").rename(folder / "images" / "View_004.png")
    assert dict(parse(folder, holdout=0).images.check()) == {
        1: "there is no such file",
        4: "there is no such file, but images/View_004.png exists",
    }


def test_an_image_that_leaves_the_folder_is_refused(folder):
    path = folder / "sparse" / "0" / "images.bin"
    path.write_bytes(path.read_bytes().replace(b"view_000.png", b"../../../etc"))
    assert "leads out of the folder" in faults(folder)


@pytest.mark.parametrize("name", ["cameras.bin", "images.bin"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_file_that_is_cut_off_is_one_clear_error(folder, name, share):
    path = folder / "sparse" / "0" / name
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    assert name in faults(folder)


@pytest.mark.parametrize("name", ["cameras.bin", "images.bin"])
def test_a_count_beyond_the_file_is_refused_before_memory_is_asked_for(folder, name):
    path = folder / "sparse" / "0" / name
    path.write_bytes(struct.pack("<Q", 2**63) + path.read_bytes()[8:])
    assert "states 9223372036854775808 entries" in faults(folder)


@pytest.mark.parametrize("as_words", [False, True])
@pytest.mark.parametrize(
    "damage",
    [lambda data: b"", lambda data: data[:40], lambda data: b"\xff" * 8 + data[8:], lambda data: b"\xff" + data[1:]],
)
def test_points_that_cannot_be_read_are_left_aside_with_a_warning(folder, damage, as_words):
    if as_words:
        as_text(folder)
    path = folder / "sparse" / "0" / f"points3D.{'txt' if as_words else 'bin'}"
    path.write_bytes(damage(path.read_bytes()))
    scene = parse(folder, holdout=0)
    assert scene.points is None and not scene.box.measured and len(scene.cameras) == 9
    empty_text = as_words and not path.read_bytes()  # a text file without lines has no points, which is no fault
    assert empty_text or any("points3D" in note and "not used" in note for note in scene.notes)


@pytest.mark.parametrize("as_words", [False, True])
def test_points_that_are_not_finite_are_left_out_and_the_others_used(folder, as_words):
    before = parse(folder, holdout=0, orientation="up")
    model = read_model(folder / "sparse" / "0")
    if as_words:
        as_text(folder)
        path = folder / "sparse" / "0" / "points3D.txt"
        lines = path.read_text().splitlines()
        words = lines[3].split()
        path.write_text("\n".join([*lines[:3], " ".join([words[0], "nan", *words[2:]]), *lines[4:]]) + "\n")
    else:
        path = folder / "sparse" / "0" / "points3D.bin"
        path.write_bytes(path.read_bytes().replace(struct.pack("<d", model.points[3, 0]), struct.pack("<d", np.nan)))
    scene = parse(folder, holdout=0, orientation="up")
    torch.testing.assert_close(scene.points, torch.cat([before.points[:3], before.points[4:]]))
    assert any(f"1 point of {len(before.points)} is not finite" in note for note in scene.notes)


def test_text_files_may_begin_with_a_byte_order_mark(folder):
    as_text(folder)
    expected = parse(folder)
    for path in (folder / "sparse" / "0").iterdir():
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    scene = parse(folder)
    assert torch.equal(scene.cameras.c2w, expected.cameras.c2w) and torch.equal(scene.points, expected.points)
    assert count_images(folder / "sparse" / "0") == 9


@pytest.mark.parametrize(
    ("offset", "packed", "message"),
    [
        (4, struct.pack("<d", float("nan")), "NaN"),
        (4, struct.pack("<d", 3.0), "quaternion of length"),
        (36, struct.pack("<d", 1e12), "from the origin"),
        (60, struct.pack("<I", 99), "camera 99, which is not in the cameras file"),
    ],
)
def test_a_nonsensical_pose_is_named(folder, offset, packed, message):
    path = folder / "sparse" / "0" / "images.bin"
    data = bytearray(path.read_bytes())
    data[8 + offset : 8 + offset + len(packed)] = packed
    path.write_bytes(bytes(data))
    assert message in faults(folder) and "view_000.png" in faults(folder)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1 PINHOL 32 24 1 2 3 4", "line 1: unknown camera model"),
        ("1 PINHOLE 32 24 1 2 3", "line 1: has 3 parameters"),
        ("1 PINHOLE 32 24 nan 2 3 4", "line 1: has a parameter that is not finite"),
        ("1 PINHOLE 0 24 1 2 3 4", "line 1: has the size"),
        ("1 EQUIRECTANGULAR 32 24 0 24", "line 1: has the parameters 0 and 24, which must be positive"),
        ("x PINHOLE 32 24 1 2 3 4", "line 1: invalid literal"),
        ("1 PINHOLE", "line 1: expected"),
    ],
)
def test_a_bad_line_of_text_is_named(folder, line, message):
    as_text(folder)
    (folder / "sparse" / "0" / "cameras.txt").write_text(line + "\n")
    assert message in faults(folder)


def test_a_folder_is_recognized_by_its_model(folder, tmp_path_factory):
    assert sniff(folder) == "it holds sparse/0/images.bin"
    empty = tmp_path_factory.mktemp("empty")
    assert sniff(empty) is None
    assert "radfield data process" in faults(empty)


@pytest.mark.parametrize(
    "place", [".", "0", "sparse", "sparse/1", "colmap", "colmap/0", "colmap/sparse", "colmap/sparse/3"]
)
def test_a_model_is_recognized_wherever_it_is_read_from(folder, place):
    (folder / "sparse" / "0").rename(folder / "model")
    (folder / "sparse").rmdir()
    (folder / place).mkdir(parents=True, exist_ok=True)
    for path in (folder / "model").iterdir():
        path.rename(folder / place / path.name)
    assert sniff(folder) == f"it holds {'' if place == '.' else f'{place}/'}images.bin"
    assert len(parse(folder, holdout=0).cameras) == 9


def test_masks_of_which_none_is_named_as_an_image_are_said(tmp_path):
    write({"train": replace(toy_capture(4, masks=True), masks_mean="counted")}, tmp_path)
    for i, path in enumerate(sorted((tmp_path / "masks").iterdir())):
        path.rename(path.with_name(f"mask_{i}.png"))
    scene = parse(tmp_path)
    (note,) = (note for note in scene.notes if "masks" in note)
    assert scene.masks is None and "view_000.png.png" in note
    for path in (tmp_path / "masks").iterdir():
        path.rename(path.with_suffix(".txt"))
    assert not [note for note in parse(tmp_path).notes if "masks" in note]


def test_one_image_is_allowed_with_a_remark_and_none_is_not(tmp_path):
    write({"train": toy_capture(1)}, tmp_path)
    assert any("do not show the quality for new views" in note for note in parse(tmp_path, "test").notes)
    (tmp_path / "sparse" / "0" / "images.bin").write_bytes(struct.pack("<Q", 0))
    assert "no views" in faults(tmp_path)


def test_can_is_read_whole_and_its_points_fall_where_they_were_seen(test_data):
    root = test_data / "colmap" / "can"
    scenes = [parse(root, split) for split in ("train", "test")]
    assert sum(len(scene.cameras) for scene in scenes) == 71
    model = read_model(root / "sparse" / "0")
    images = {image.name: image for image in model.images}
    order = np.argsort(model.point_ids)
    errors = []
    for scene in scenes:
        for i, name in enumerate(scene.names):
            image = images[name]
            seen = image.point_ids >= 0
            rows = order[np.searchsorted(model.point_ids[order], image.point_ids[seen])]
            pixels, depths = project(scene.cameras.view(i), scene.points[torch.from_numpy(rows)])
            assert (depths > 0).all()
            errors.append(np.linalg.norm(pixels.numpy() + 0.5 - image.xy[seen], axis=-1))
    median = np.median(np.concatenate(errors))
    print(f"\ncan: points fall {median:.2f} px (median) from where they were seen")
    assert median <= 1.5
    assert not scenes[1].images.check()


def test_the_can_stands_upright_as_the_photographer_held_the_phone(test_data):
    """Most points lie on the can. The direction perpendicular to the x axes of all images does not depend on them."""
    c2w = parse(test_data / "colmap" / "can").cameras.c2w.numpy()
    vertical = np.linalg.svd(c2w[:, :, 0])[2][-1]
    assert abs(vertical[2]) > np.cos(np.radians(5.0)) and (c2w[:, 2, 1] > 0).all()


@pytest.mark.parametrize(
    ("wrong", "cause"),
    [(lambda w2c: np.linalg.inv(w2c), "camera-to-world and world-to-camera"),
     (lambda w2c: np.diag([1.0, -1.0, -1.0, 1.0]) @ w2c, "OpenGL and OpenCV axes")],
)  # fmt: skip
@pytest.mark.parametrize("points", [False, True])
def test_poses_of_another_meaning_are_told_by_the_direction_of_view(folder, wrong, cause, points):
    as_text(folder)
    assert viewing_axes(parse(folder, holdout=0), ColmapConfig(root="")) == []
    path = folder / "sparse" / "0" / "images.txt"
    lines = path.read_text().splitlines()
    model = read_model(folder / "sparse" / "0")
    for i, image in enumerate(model.images):
        w2c = wrong(np.concatenate([world_to_camera(image), [[0, 0, 0, 1]]]))
        words = lines[1 + 2 * i].split()
        pose = [*rotation_quaternion(w2c[:3, :3]), *w2c[:3, 3]]
        lines[1 + 2 * i] = " ".join([words[0], *(repr(float(x)) for x in pose), *words[8:]])
    path.write_text("\n".join(lines) + "\n")
    if not points:
        (folder / "sparse" / "0" / "points3D.txt").unlink()
    (warning,) = viewing_axes(parse(folder, holdout=0), ColmapConfig(root=""))
    assert f"look as if {cause} were exchanged" in warning and "data." not in warning


def test_images_are_in_the_natural_order_of_their_names(tmp_path):
    (tmp_path / "cameras.txt").write_text("1 PINHOLE 40 30 30 30 20 15\n")
    names = ["10.jpg", "9.jpg", "100.jpg", "b2/1.jpg", "b10/1.jpg"]
    lines = [f"{i} 1 0 0 0 0 0 0 1 {name}\n\n" for i, name in enumerate(names, 1)]
    (tmp_path / "images.txt").write_text("".join(lines))
    found = [image.name for image in read_model(tmp_path).images]
    assert found == ["9.jpg", "10.jpg", "100.jpg", "b2/1.jpg", "b10/1.jpg"]


def test_the_estimate_of_up_is_the_direction_that_became_z(test_data):
    """In COLMAP's own coordinates, whatever the parser and the preparation did with the scene."""
    scene = parse(test_data / "colmap" / "toy")
    up = scene.to_data[:3, 2] / scene.to_data[:3, 2].norm()
    assert scene.estimated_up is not None and scene.up is None
    np.testing.assert_allclose(scene.estimated_up.direction, up.numpy(), atol=1e-9)
    assert scene.estimated_up.how.startswith("the plane of the ground, on which 8")
    assert parse(test_data / "colmap" / "toy", orientation="none").estimated_up is None
