"""poses_bounds.npy: written rays are read back. Also: the published recentering, NDC, paths, and all faults."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from radfield_llff.config import LlffConfig, capabilities
from radfield_llff.dataparser import Llff
from radfield_llff.sniff import sniff
from radfield_llff.writer import write

from radfield_core import DatasetError, UsageError, pixel_rays
from radfield_core.testing import ray_difference, toy_capture


def parse(root, split="train", **options):
    return Llff(LlffConfig(root=str(root), **options)).parse(split)


@pytest.fixture
def folder(tmp_path):
    write({"train": toy_capture(9, forward=True)}, tmp_path)
    return tmp_path


def rewrite(folder, change):
    table = np.load(folder / "poses_bounds.npy")
    np.save(folder / "poses_bounds.npy", change(table) if callable(change) else change)


def faults(folder, **options) -> str:
    with pytest.raises(DatasetError) as caught:
        parse(folder, **options)
    return str(caught.value)


@pytest.mark.parametrize("options", [{}, {"ndc": False}, {"spherify": True}, {"bound_factor": 1.0}])
@pytest.mark.parametrize("forward", [True, False])
def test_a_capture_written_and_read_has_the_same_rays_in_its_own_coordinates(tmp_path, options, forward):
    if options in ({}, {"bound_factor": 1.0}) and not forward:
        options = {**options, "ndc": False}
    scene = toy_capture(9, forward=forward)
    write({"train": scene}, tmp_path)
    back = parse(tmp_path, holdout=0, **options)
    for name, read_name in zip(scene.names, back.names, strict=True):
        assert ray_difference(scene, back, name, read_name) < 1e-5
    assert torch.equal(back.images[4], scene.images[4])


def test_columns_are_down_right_back(folder):
    table = np.load(folder / "poses_bounds.npy")
    scene = parse(folder, holdout=0)
    rotation = scene.to_data[:3, :3] @ scene.cameras.c2w[3, :, :3]
    rotation = (rotation / rotation.norm(dim=0)).numpy()
    down, right, back = table[3, :15].reshape(3, 5)[:, :3].T
    np.testing.assert_allclose(rotation, np.stack([right, -down, back], axis=1), atol=1e-12)


def test_the_mean_camera_is_the_identity_and_the_nearest_depth_four_thirds(folder):
    scene = parse(folder, holdout=0, ndc=False)
    c2w = scene.cameras.c2w
    torch.testing.assert_close(c2w[:, :, 3].mean(0), torch.zeros(3, dtype=torch.float64), atol=1e-12, rtol=0)
    back = c2w[:, :, 2].mean(0)
    torch.testing.assert_close(back / back.norm(), torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64))
    assert c2w[:, :, 1].mean(0)[0] == pytest.approx(0.0, abs=1e-9)  # the mean y lies in the plane x = 0
    assert scene.near / 0.9 == pytest.approx(4 / 3)
    assert scene.limits_along == "axis"


@pytest.mark.parametrize("options", [{}, {"ndc": False}, {"spherify": True}])
@pytest.mark.parametrize("center", [0.0, 0.5])
def test_rays_go_through_the_stated_place_of_a_pixel(folder, options, center):
    """get_rays of NeRF has the directions ((i − W/2)/f, −(j − H/2)/f, −1). Whole numbers i and j are corners of
    pixels."""
    scene = parse(folder, holdout=0, pixel_center=center, **options)
    column, row, f, w, h = 31, 7, 32.0, 32, 24
    rays = pixel_rays(scene, torch.tensor([4]), torch.tensor([row]), torch.tensor([column]), torch.float64)
    local = np.array([(column + center - w / 2) / f, -(row + center - h / 2) / f, -1.0])
    expected = scene.cameras.c2w[4, :, :3].numpy() @ local
    np.testing.assert_allclose(rays.viewdirs[0], expected / np.linalg.norm(expected), atol=1e-9)


def test_ndc_is_the_papers_formula(folder):
    scene = parse(folder, holdout=0)
    assert scene.ndc and (scene.near, scene.far) == (0.0, 1.0)
    rows, columns = torch.tensor([0, 7, 23]), torch.tensor([31, 3, 16])
    images = torch.tensor([0, 4, 8])
    rays = pixel_rays(scene, images, rows, columns, torch.float64)
    for i in range(3):
        c2w = scene.cameras.c2w[images[i]].numpy()
        f, w, h = 32.0, 32, 24
        d = c2w[:, :3] @ [(columns[i] + 0.5 - w / 2) / f, -(rows[i] + 0.5 - h / 2) / f, -1.0]
        o = c2w[:, 3] - (1.0 + c2w[2, 3]) / d[2] * d
        origin = [-2 * f / w * o[0] / o[2], -2 * f / h * o[1] / o[2], 1 + 2 / o[2]]
        direction = [
            -2 * f / w * (d[0] / d[2] - o[0] / o[2]), -2 * f / h * (d[1] / d[2] - o[1] / o[2]), -2 / o[2],
        ]  # fmt: skip
        np.testing.assert_allclose(rays.origins[i].numpy(), origin, atol=1e-6)
        length = np.linalg.norm(direction)
        np.testing.assert_allclose(rays.directions[i].numpy(), np.array(direction) / length, atol=1e-6)
        np.testing.assert_allclose(rays.viewdirs[i].numpy(), d / np.linalg.norm(d), atol=1e-6)
        assert rays.near[i] == 0.0 and rays.far[i].item() == pytest.approx(length)
        assert origin[2] == pytest.approx(-1.0)  # t = 0 is the near plane, and t = 1 is infinitely far:
        assert origin[2] + direction[2] == pytest.approx(1.0)


def test_the_box_under_ndc_holds_every_ray(folder):
    scene = parse(folder, holdout=0)
    n = len(scene.cameras)
    corners = [(0, 0), (0, 31), (23, 0), (23, 31)]
    for row, column in corners:
        rays = pixel_rays(scene, torch.arange(n), torch.full((n,), row), torch.full((n,), column))
        for t in (rays.near, rays.far):
            assert (rays.origins + t[:, None] * rays.directions).abs().max() <= scene.box.radius + 1e-5


def test_spherified_cameras_lie_about_the_unit_sphere_and_look_at_the_origin(tmp_path):
    write({"train": toy_capture(12)}, tmp_path)
    scene = parse(tmp_path, holdout=0, spherify=True)
    places = scene.cameras.c2w[:, :, 3]
    assert places.square().sum(-1).mean().item() == pytest.approx(1.0)
    assert not scene.ndc
    toward = -places / places.norm(dim=-1, keepdim=True)
    assert ((toward * -scene.cameras.c2w[:, :, 2]).sum(-1) > 0.99).all()
    mean_side = places.mean(0)
    torch.testing.assert_close(mean_side[:2], torch.zeros(2, dtype=torch.float64), atol=1e-9, rtol=0)
    assert mean_side[2] > 0


def test_the_images_folder_decides_the_focal_length(folder):
    (folder / "images_4").mkdir()
    for path in (folder / "images").iterdir():
        Image.open(path).resize((8, 6)).save(folder / "images_4" / path.name)
    quarter = parse(folder)
    assert quarter.cameras.intrinsics[0].tolist() == [8.0, 8.0, 4.0, 3.0]
    assert any("images_4" in note for note in quarter.notes) and not any("1/4" in note for note in quarter.notes)
    assert parse(folder, factor=1).cameras.intrinsics[0].tolist() == [32.0, 32.0, 16.0, 12.0]


def test_every_eighth_view_or_the_most_central_one_is_held_out(folder):
    assert parse(folder, "test").names == ["view_000.png", "view_008.png"]
    scene = parse(folder, holdout=0, ndc=False)
    distance = scene.cameras.c2w[:, :, 3].norm(dim=-1)
    assert parse(folder, "val", validation="central").names == [scene.names[int(distance.argmin())]]
    assert len(parse(folder, "train", validation="central").names) == 8


def test_the_spiral_stays_among_the_cameras_and_keeps_looking_forward(folder):
    scene = parse(folder, holdout=0)
    path = scene.render_path
    assert path.shape == (120, 3, 4)
    reach = torch.quantile(scene.cameras.c2w[:, :, 3].abs(), 0.9, dim=0)
    assert (path[:, :, 3].abs() <= reach + 1e-9).all()
    assert (path[:, 2, 2] > 0.8).all()
    torch.testing.assert_close(path[:, :, :3].mT @ path[:, :, :3], torch.eye(3, dtype=torch.float64).expand(120, 3, 3))


def test_every_camera_of_the_spiral_looks_at_the_depth_that_nerfs_code_computes(folder):
    scene = parse(folder, ndc=False)
    bounds = np.load(folder / "poses_bounds.npy")[:, 15:]
    close, infinite, share = bounds.min() * 0.9, bounds.max() * 5.0, 0.75  # load_llff.py, load_llff_data
    depth = 1.0 / ((1.0 - share) / close + share / infinite)
    scale = 1.0 / (0.75 * bounds.min())  # recentered scenes have their nearest depth at 4/3
    target = torch.tensor([0.0, 0.0, -depth * scale], dtype=torch.float64)  # the mean camera is the identity
    toward = torch.nn.functional.normalize(target - scene.render_path[:, :, 3], dim=-1)
    torch.testing.assert_close(-scene.render_path[:, :, 2], toward, atol=1e-6, rtol=0)


def test_the_circle_looks_at_the_origin_from_the_cameras_height(tmp_path):
    write({"train": toy_capture(12)}, tmp_path)
    scene = parse(tmp_path, holdout=0, spherify=True)
    path = scene.render_path
    torch.testing.assert_close(path[:, :, 3].norm(dim=-1), torch.ones(120, dtype=torch.float64))
    torch.testing.assert_close(path[:, 2, 3], scene.cameras.c2w[:, 2, 3].mean().expand(120))
    torch.testing.assert_close(path[:, :, 2], path[:, :, 3], atol=1e-9, rtol=0)
    assert (path[:, 2, 1] > 0).all()


def test_what_is_provided_follows_the_options():
    assert capabilities(LlffConfig(root="x"))[0] == {"images", "depths", "normals", "ndc"}
    assert capabilities(LlffConfig(root="x", spherify=True))[0] == {"images", "depths", "normals"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t[:8], "has 9 images, but poses_bounds.npy has 8 rows"),
        (lambda t: t[:, :16], "rows of 17 numbers"),
        (lambda t: t[:0], "rows of 17 numbers"),
        (lambda t: np.where(np.arange(17) == 3, np.nan, t), "row 0 holds NaN"),
        (lambda t: np.where(np.arange(17) == 15, -1.0, t), "near is -1"),
        (lambda t: np.where(np.arange(17) == 14, 0.0, t), "focal length 0"),
        (lambda t: np.where(np.arange(17) == 0, -t, t), "view_000.png"),
        (lambda t: t.astype("U8"), "rows of 17 numbers"),
    ],
)
def test_a_bad_table_is_named(folder, change, message):
    rewrite(folder, change)
    assert message in faults(folder)


def test_every_bad_row_is_named(folder):
    def change(table):
        table[2, 16], table[5, 14] = 0.0, -1.0
        return table

    rewrite(folder, change)
    text = faults(folder)
    assert "row 2" in text and "row 5" in text


def test_pickled_objects_are_never_loaded(folder):
    np.save(folder / "poses_bounds.npy", np.array([{}], dtype=object), allow_pickle=True)
    assert "Python objects" in faults(folder)


def test_a_missing_folder_of_images_is_named_with_what_is_there(folder):
    text = faults(folder, factor=8)
    assert "no folder images_8" in text and "images" in text


def test_ndc_needs_cameras_that_face_forward(tmp_path):
    write({"train": toy_capture(9)}, tmp_path)
    assert "data.ndc=false" in faults(tmp_path, ndc=True)
    assert "spherify and ndc exclude each other" in faults(tmp_path, ndc=True, spherify=True)


def test_unreadable_and_odd_sized_images_are_named(folder):
    (folder / "images" / "view_001.png").write_bytes(b"")
    Image.new("RGB", (31, 24)).save(folder / "images" / "view_002.png")
    text = faults(folder)
    assert "view_001.png: is empty" in text and "view_002.png: the image is 31×24" in text


def test_one_image_is_allowed_with_a_remark(tmp_path):
    write({"train": toy_capture(1, forward=True)}, tmp_path)
    scene = parse(tmp_path, "test")
    assert len(scene.cameras) == 1 and any("do not show the quality for new views" in note for note in scene.notes)


def test_a_folder_is_recognized_by_its_file(folder, tmp_path_factory):
    fit = sniff(folder)
    assert (fit, fit.over) == ("it holds poses_bounds.npy of cameras that face forward", {"colmap"})
    assert sniff(tmp_path_factory.mktemp("empty")) is None


def test_a_lens_that_the_format_does_not_know_is_refused_when_writing(tmp_path):
    with pytest.raises(UsageError, match="pinholes"):
        write({"train": toy_capture(2, model="radial", distortion=(0.1, 0.0))}, tmp_path)


@pytest.mark.parametrize(("name", "n", "focal"), [("fern", 20, 407.5658), ("horns", 62, 421.103)])
def test_real_captures_are_read_whole(test_data, name, n, focal):
    scenes = [parse(test_data / "llff" / name, split) for split in ("train", "test")]
    assert sum(len(scene.cameras) for scene in scenes) == n
    assert len(scenes[1].cameras) == -(-n // 8)
    assert scenes[0].cameras.sizes[0].tolist() == [504, 378]
    assert scenes[0].cameras.intrinsics[0, 0].item() == pytest.approx(focal, abs=1e-3)
    assert not scenes[1].images.check()


def test_rows_belong_to_names_in_alphabetical_order_which_is_said_where_numbers_have_another(tmp_path):
    write({"train": toy_capture(12, forward=True)}, tmp_path)
    expected = parse(tmp_path, holdout=0)
    assert not any("alphabetical" in note for note in expected.notes)
    by_name = sorted(f"IMG_{i}.png" for i in range(12))
    for path, name in zip(sorted((tmp_path / "images").iterdir()), by_name, strict=True):
        path.rename(path.with_name(name))
    scene = parse(tmp_path, holdout=0)
    assert scene.names == by_name and torch.equal(scene.cameras.c2w, expected.cameras.c2w)
    (note,) = (note for note in scene.notes if "alphabetical" in note)
    assert "row 1 to IMG_1.png" in note and "leading zeros" in note


def test_a_smaller_copy_that_is_missing_cannot_shift_the_others(folder):
    (folder / "images_2").mkdir()
    for i, path in enumerate(sorted((folder / "images").iterdir())):
        Image.open(path).resize((16, 12)).save(folder / "images_2" / f"image{i:03d}.png")
    assert len(parse(folder, holdout=0, factor=2).cameras) == 9, "copies may have names of their own"
    for path in (folder / "images_2").iterdir():
        path.rename(path.with_name(path.name.replace("image", "view_")))
    assert len(parse(folder, holdout=0, factor=2).cameras) == 9
    (folder / "images_2" / "view_003.png").rename(folder / "images_2" / "view_009.png")
    assert "images_2: images/ has no image with the name of view_009.png" in faults(folder, factor=2)
