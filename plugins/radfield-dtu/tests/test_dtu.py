"""DTU scenes: the decomposition is compared with scipy's. Also: real scans, the transform to millimeters, and all
faults."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings, strategies as st
from PIL import Image
from radfield_dtu.config import DtuConfig
from radfield_dtu.dataparser import DtuParser
from radfield_dtu.projection import compose, decompose
from radfield_dtu.sniff import sniff
from radfield_dtu.writer import MILLIMETRES, PLACE, write
from scipy.linalg import rq
from scipy.spatial.transform import Rotation

from radfield_core import Cameras, DatasetError, Mesh, RadfieldError, Scene, SceneBox, pixel_rays, project
from radfield_core.data import MemoryImages, transform_points
from radfield_core.inspection.axes import viewing_axes
from radfield_core.testing import ray_difference, toy_capture


@settings(max_examples=200, deadline=None)
@given(
    turn=st.tuples(*[st.floats(-3, 3)] * 3),
    place=st.tuples(*[st.floats(-50, 50)] * 3),
    k=st.tuples(
        st.floats(50, 5000), st.floats(50, 5000), st.floats(-100, 2000), st.floats(-100, 2000), st.floats(-5, 5)
    ),
    multiple=st.sampled_from([1.0, -1.0, 0.003, -77.0]),
)
def test_decomposition_undoes_composition_and_agrees_with_an_rq_decomposition(turn, place, k, multiple) -> None:
    fx, fy, cx, cy, skew = k
    intrinsics = np.array([[fx, skew, cx], [0, fy, cy], [0, 0, 1]])
    c2w = np.concatenate([Rotation.from_rotvec(turn).as_matrix(), np.array(place)[:, None]], axis=1)
    projection = compose(intrinsics, c2w) * multiple
    found_k, found_c2w = decompose(projection)
    np.testing.assert_allclose(found_k, intrinsics, rtol=1e-7, atol=1e-6)
    np.testing.assert_allclose(found_c2w, c2w, rtol=1e-7, atol=1e-6)
    upper, _ = rq(projection[:, :3] * np.sign(multiple))
    upper = upper @ np.diag(np.sign(np.diag(upper)))
    np.testing.assert_allclose(found_k, upper / upper[2, 2], rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize(("scan", "size"), [("scan65", (800, 600)), ("scan37", (400, 300))])
def test_a_real_scan_projects_its_reference_points_into_its_masks(test_data: Path, scan: str, size: tuple) -> None:
    import trimesh

    root = test_data / "dtu" / scan
    scene = DtuParser(DtuConfig(root=str(root))).parse("train")
    assert len(scene.cameras) == 49 and (scene.cameras.sizes == torch.tensor(size)).all()
    points = np.asarray(trimesh.load(root / "reference_points.ply").vertices)
    to_scene = np.linalg.inv(scene.to_data.numpy())
    inside = torch.from_numpy(points @ to_scene[:3, :3].T + to_scene[:3, 3])
    assert inside.norm(dim=-1).max() <= 1.001
    torch.testing.assert_close(scene.data_points(inside), torch.from_numpy(points), atol=1e-6, rtol=0)
    arrays = np.load(root / "cameras_sphere.npz")
    for view in (0, 20, 48):
        uv, depth = project(scene.cameras.view(view), inside)
        assert (depth > 0).all()
        world = arrays[f"world_mat_{view}"].astype(np.float64)[:3]
        direct = points @ world[:, :3].T + world[:, 3]
        np.testing.assert_allclose(uv.numpy(), direct[:, :2] / direct[:, 2:], atol=2e-2)


def test_masks_become_alpha_only_when_asked_for(test_data: Path) -> None:
    root = str(test_data / "dtu" / "scan37")
    plain = DtuParser(DtuConfig(root=root)).parse("train")
    masked = DtuParser(DtuConfig(root=root, apply_mask=True)).parse("train")
    assert plain.images[3].shape == (300, 400, 3) and plain.masks is not None
    image, mask = masked.images[3], plain.masks[3]
    assert image.shape == (300, 400, 4) and torch.equal(image[..., 3:], mask)
    where = torch.tensor([3, 3]), torch.tensor([10, 150]), torch.tensor([20, 200])
    assert torch.equal(masked.images.gather(*where), torch.stack([image[10, 20], image[150, 200]]))


def test_every_eighth_view_is_held_out_on_request(test_data: Path) -> None:
    parser = DtuParser(DtuConfig(root=str(test_data / "dtu" / "scan37"), hold_every=8))
    assert len(parser.parse("train").cameras) == 42 and len(parser.parse("test").cameras) == 7
    assert not set(parser.parse("train").names) & set(parser.parse("test").names)


@pytest.fixture
def small(test_data: Path, tmp_path: Path) -> Path:
    """A copy of the first three views of a scan."""
    source, root = test_data / "dtu" / "scan37", tmp_path / "scan"
    for kind in ("image", "mask"):
        (root / kind).mkdir(parents=True)
        for path in sorted((source / kind).glob("*.png"))[:3]:
            shutil.copy(path, root / kind)
    arrays = np.load(source / "cameras_sphere.npz")
    np.savez(root / "cameras_sphere.npz", **{k: arrays[k] for k in arrays if k.rsplit("_", 1)[1] in ("0", "1", "2")})
    return root


def damage_nan(root: Path, arrays: dict) -> str:
    arrays["world_mat_1"][0, 0] = np.nan
    return "world_mat_1"


def damage_shape(root: Path, arrays: dict) -> str:
    arrays["scale_mat_2"] = np.eye(3, dtype=np.float32)
    return "scale_mat_2"


def damage_singular(root: Path, arrays: dict) -> str:
    arrays["world_mat_0"][:] = 0
    return "cannot be inverted"


def damage_stretch(root: Path, arrays: dict) -> str:
    arrays["scale_mat_0"][1, 1] *= 2
    return "uniform scale"


def damage_one_sphere(root: Path, arrays: dict) -> str:
    arrays["scale_mat_1"][:3] *= 2
    arrays["scale_mat_1"][:3, 3] += 500
    return "scale_mat_1: differs from scale_mat_0"


def damage_no_images(root: Path, arrays: dict) -> str:
    for path in (root / "image").iterdir():
        path.unlink()
    return "image: has no images"


TRUTH = """ply
format ascii 1.0
element vertex 3
property float x
property float y
property float z
element face 1
property list uchar int vertex_indices
end_header
"""


def damage_count(root: Path, arrays: dict) -> str:
    del arrays["world_mat_2"]
    return "there is no world_mat_ with the number of 000002.png"


def damage_size(root: Path, arrays: dict) -> str:
    path = sorted((root / "mask").iterdir())[1]
    Image.open(path).resize((50, 50)).save(path)
    return "50×50"


def damage_images(root: Path, arrays: dict) -> str:
    for path in (root / "image").iterdir():
        path.write_bytes(b"no picture")
    return "is not a PNG"


def damage_masks(root: Path, arrays: dict) -> str:
    sorted((root / "mask").iterdir())[0].unlink()
    return f"there is no mask for {sorted((root / 'image').iterdir())[0].name}"


def damage_extra_mask(root: Path, arrays: dict) -> str:
    shutil.copy(sorted((root / "mask").iterdir())[0], root / "mask" / "777.png")
    return "there is no image for the mask 777.png"


def damage_names_of_masks(root: Path, arrays: dict) -> str:
    for i, path in enumerate(sorted((root / "mask").iterdir())):
        path.rename(path.with_name("xyz"[i] + ".png"))
    return "there is no image for the mask x.png, y.png, z.png"


def damage_extra_camera(root: Path, arrays: dict) -> str:
    arrays["world_mat_7"] = arrays["world_mat_2"]
    return "there is no file, or more than one, for world_mat_7"


def damage_shifted_image(root: Path, arrays: dict) -> str:
    path = sorted((root / "image").iterdir())[2]
    path.rename(path.with_name("000004.png"))
    return "there is no world_mat_ with the number of 000004.png; there is no file, or more than one, for world_mat_2"


@pytest.mark.parametrize("damage", [v for k, v in list(globals().items()) if k.startswith("damage_")])
def test_each_fault_is_named(small: Path, damage) -> None:
    arrays = {name: array.copy() for name, array in np.load(small / "cameras_sphere.npz").items()}
    expected = damage(small, arrays)
    np.savez(small / "cameras_sphere.npz", **arrays)
    with pytest.raises(DatasetError) as caught:
        DtuParser(DtuConfig(root=str(small))).parse("train")
    assert expected in str(caught.value)
    assert "which exists" not in str(caught.value)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ("0 0 0\n1 0 0\n0 1 0\n3 0 1 77\n", "refer to missing vertices"),
        ("0 0 0\n1 0 nan\n0 1 0\n3 0 1 2\n", "not finite"),
        ("0 0 0\n1 0 1e12\n0 1 0\n3 0 1 2\n", "from the origin"),
        ("0 0 0\n", "ground_truth.ply"),
    ],
)
def test_a_true_surface_that_is_damaged_is_left_aside_with_a_warning(small: Path, rows: str, reason: str) -> None:
    (small / "ground_truth.ply").write_text(TRUTH + rows)
    scene = DtuParser(DtuConfig(root=str(small))).parse("train")
    assert scene.ground_truth is None and len(scene.cameras) == 3
    assert any("the true surface is not used: ground_truth.ply" in note and reason in note for note in scene.notes)


def test_a_true_surface_of_either_byte_order_is_read(small: Path) -> None:
    text = TRUTH + "0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n"
    (small / "ground_truth.ply").write_text(text)
    expected = DtuParser(DtuConfig(root=str(small))).parse("train").ground_truth
    head = text[: text.index("end_header")].replace("ascii", "binary_big_endian") + "end_header\n"
    body = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], ">f4").tobytes() + b"\3" + np.array([0, 1, 2], ">i4").tobytes()
    (small / "ground_truth.ply").write_bytes(head.encode() + body)
    found = DtuParser(DtuConfig(root=str(small))).parse("train").ground_truth
    assert found is not None and expected is not None
    assert torch.equal(found.vertices, expected.vertices) and torch.equal(found.faces, expected.faces)


def test_a_true_surface_larger_than_is_read_is_left_aside(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (small / "ground_truth.ply").write_text(TRUTH + "0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n")
    assert DtuParser(DtuConfig(root=str(small))).parse("train").ground_truth is not None
    monkeypatch.setattr("radfield_dtu.truth.MAX_BYTES", 100)
    scene = DtuParser(DtuConfig(root=str(small))).parse("train")
    assert scene.ground_truth is None and any("is larger than" in note for note in scene.notes)


@pytest.mark.parametrize("kind", ["world_mat", "scale_mat"])
@pytest.mark.parametrize("rows", [3, 4])
@pytest.mark.parametrize("dtype", ["i4", "f2", "f8"])
def test_matrices_of_whole_numbers_and_of_three_rows_are_read(tmp_path: Path, kind: str, rows: int, dtype: str) -> None:
    write({"train": toy_capture(3)}, tmp_path)
    arrays = dict(np.load(tmp_path / "cameras_sphere.npz"))
    exact = {"world_mat": np.array([[40, 0, 16, 99], [0, 40, 12, 60], [0, 0, 1, 5], [0, 0, 0, 1]], "f8"),
             "scale_mat": np.diag([2.0, 2.0, 2.0, 1.0])}[kind]  # fmt: skip
    for i in range(3):
        arrays[f"{kind}_{i}"] = exact
    np.savez(tmp_path / "cameras_sphere.npz", **arrays)
    expected = DtuParser(DtuConfig(root=str(tmp_path))).parse("train")
    for i in range(3):
        arrays[f"{kind}_{i}"] = exact[:rows].astype(dtype)
    np.savez(tmp_path / "cameras_sphere.npz", **arrays)
    found = DtuParser(DtuConfig(root=str(tmp_path))).parse("train")
    assert torch.equal(found.cameras.c2w, expected.cameras.c2w) and torch.equal(found.to_data, expected.to_data)
    assert torch.equal(found.cameras.intrinsics, expected.cameras.intrinsics)


def places(root: Path) -> dict[str, list[float]]:
    scene = DtuParser(DtuConfig(root=str(root))).parse("train")
    return {name: scene.data_points(scene.cameras.c2w[i, :, 3]).tolist() for i, name in enumerate(scene.names)}


@pytest.fixture
def numbered(tmp_path: Path) -> Path:
    """Twelve views with masks. The color of each image, and the gray value of its mask, are the number of the view."""
    write({"train": toy_capture(12, masks=True)}, tmp_path)
    for i in range(12):
        Image.new("RGB", (32, 24), (i, i, i)).save(tmp_path / "image" / f"{i:03d}.png")
        Image.fromarray(np.where(np.arange(24 * 32).reshape(24, 32) < 64 * (i + 1), 255, 0).astype(np.uint8)).save(
            tmp_path / "mask" / f"{i:03d}.png"
        )
    return tmp_path


@pytest.mark.parametrize("image", ["{}.png", "{:03d}.png", "img_{}.png", "rect_{:03d}_3_r5000.png"])
@pytest.mark.parametrize("mask", ["{}.png", "{:06d}.png", "mask_{}.png"])
def test_images_masks_and_cameras_are_paired_by_the_number_in_the_name(numbered: Path, image: str, mask: str) -> None:
    expected = {int(name): place for name, place in places(numbered).items()}
    for kind, name in (("image", image), ("mask", mask)):
        for i in range(12):
            (numbered / kind / f"{i:03d}.png").rename(numbered / kind / f"new_{name.format(i)}")
    scene = DtuParser(DtuConfig(root=str(numbered))).parse("train")
    assert len(scene.cameras) == 12 and scene.masks is not None
    for view in range(12):
        number = int(scene.images[view][0, 0, 0])
        assert scene.data_points(scene.cameras.c2w[view, :, 3]).tolist() == expected[number]
        assert int((scene.masks[view] == 255).sum()) == 64 * (number + 1)
    assert "paired in" not in " ".join(scene.notes)
    assert ("paired by number" in " ".join(scene.notes)) == ("{}" in image), "other programs need leading zeros"


def test_images_that_are_numbered_otherwise_are_paired_in_order_with_a_warning(numbered: Path) -> None:
    expected = list(places(numbered).values())
    for i in reversed(range(12)):
        for kind in ("image", "mask"):
            (numbered / kind / f"{i:03d}.png").rename(numbered / kind / f"{i + 1}.png")
    scene = DtuParser(DtuConfig(root=str(numbered))).parse("train")
    assert [scene.data_points(place).tolist() for place in scene.cameras.c2w[:, :, 3]] == expected
    assert scene.names[:3] == ["1", "2", "3"]
    assert any("1.png … 12.png" in note and "paired in their order" in note for note in scene.notes)


def test_names_in_another_order_than_their_numbers_are_refused_if_no_number_is_a_camera_s(numbered: Path) -> None:
    for i in range(12):
        for kind in ("image", "mask"):
            (numbered / kind / f"{i:03d}.png").rename(numbered / kind / f"{3 * i + 95}.png")
    with pytest.raises(DatasetError, match="the order of the names differs from the order of their numbers"):
        DtuParser(DtuConfig(root=str(numbered))).parse("train")


def test_a_mask_folder_without_images_is_no_fault(small: Path) -> None:
    for path in (small / "mask").iterdir():
        path.unlink()
    scene = DtuParser(DtuConfig(root=str(small))).parse("train")
    assert scene.masks is None and any("mask/ has no images" in note for note in scene.notes)


def test_a_camera_file_outside_the_folder_is_refused(small: Path) -> None:
    with pytest.raises(RadfieldError):
        DtuParser(DtuConfig(root=str(small), cameras="../elsewhere.npz")).parse("train")


def test_pickled_cameras_are_refused(small: Path) -> None:
    np.savez(small / "cameras_sphere.npz", world_mat_0=np.array([{"a": 1}], dtype=object))
    with pytest.raises(DatasetError):
        DtuParser(DtuConfig(root=str(small))).parse("train")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_mangled_camera_files_raise_nothing_but_dataset_errors(small: Path, data: st.DataObject) -> None:
    path = small / "cameras_sphere.npz"
    original = path.read_bytes()
    mangled = bytearray(original)
    for _ in range(data.draw(st.integers(1, 4))):
        mangled[data.draw(st.integers(0, len(mangled) - 1))] = data.draw(st.integers(0, 255))
    mangled = mangled[: data.draw(st.integers(1, len(mangled)))]
    try:
        path.write_bytes(mangled)
        DtuParser(DtuConfig(root=str(small))).parse("train")
    except DatasetError:
        pass
    finally:
        path.write_bytes(original)


def test_sniffing_needs_cameras_and_images(small: Path, tmp_path: Path) -> None:
    assert "cameras_sphere.npz" in (sniff(small) or "")
    assert sniff(tmp_path) is None


def test_rays_pass_through_the_pixels_that_the_matrices_project_to(test_data: Path) -> None:
    scene = DtuParser(DtuConfig(root=str(test_data / "dtu" / "scan37"))).parse("train")
    rays = pixel_rays(scene, torch.tensor([5]), torch.tensor([120]), torch.tensor([77]), torch.float64)
    points = rays.origins + 2.3 * rays.directions
    arrays = np.load(test_data / "dtu" / "scan37" / "cameras_sphere.npz")
    matrix = arrays["world_mat_5"].astype(np.float64) @ arrays["scale_mat_5"].astype(np.float64)
    u, v, w = matrix[:3, :3] @ points[0].numpy() + matrix[:3, 3]
    assert (u / w, v / w) == pytest.approx((77.0, 120.0), abs=1e-3)


def ray_ends(scene: Scene, reach: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the origins [R, 3] of the rays of all pixels, and the points at the distance `reach` on them, in the
    data's own coordinates."""
    height, width = scene.images[0].shape[:2]
    pixels = torch.cartesian_prod(torch.arange(len(scene.cameras)), torch.arange(height), torch.arange(width))
    rays = pixel_rays(scene, *pixels.unbind(-1), dtype=torch.float64)
    origins = transform_points(scene.to_data, rays.origins)
    toward = transform_points(scene.to_data, rays.origins + rays.directions) - origins
    return origins, origins + reach * torch.nn.functional.normalize(toward, dim=-1)


def test_a_made_up_scene_reads_back_with_the_same_rays_in_millimeters(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    turns = torch.from_numpy(Rotation.random(3, random_state=1).as_matrix())
    c2w = torch.cat([turns, torch.randn(3, 3, 1, generator=generator, dtype=torch.float64) * 2], dim=-1)
    to_data = torch.eye(4, dtype=torch.float64)
    to_data[:3, :3] = 1.7 * torch.from_numpy(Rotation.from_rotvec([0.3, -0.2, 0.9]).as_matrix())
    to_data[:3, 3] = torch.tensor([0.4, -1.0, 2.0])
    images = torch.randint(0, 256, (3, 5, 7, 4), generator=generator, dtype=torch.uint8)
    images[..., 3] = torch.where(images[..., 3] > 127, 255, 0)
    truth = Mesh(torch.rand(4, 3, generator=generator), torch.tensor([[0, 1, 2], [0, 2, 3]]))
    scene = Scene(
        cameras=Cameras(c2w, torch.tensor([[9.0, 8.5, 3.2, 2.9]] * 3).double(), torch.tensor([[7, 5]] * 3)),
        images=MemoryImages(images), near=0.1, far=5.0, box=SceneBox(torch.zeros(3), 1.0), to_data=to_data,
        ground_truth=truth, names=["a", "b", "c"],
    )  # fmt: skip
    write({"train": scene}, tmp_path)
    back = DtuParser(DtuConfig(root=str(tmp_path), apply_mask=True)).parse("train")

    origins, ends = ray_ends(scene, 1.0)
    found_origins, found_ends = ray_ends(back, MILLIMETRES)
    torch.testing.assert_close(found_origins, origins * MILLIMETRES + torch.from_numpy(PLACE), atol=1e-5, rtol=0)
    torch.testing.assert_close(found_ends, ends * MILLIMETRES + torch.from_numpy(PLACE), atol=1e-5, rtol=0)
    for view in range(3):
        covered = images[view, ..., 3:] > 127
        assert (back.images[view] == torch.where(covered, images[view], 0)).all()
    assert back.unit == "mm" and back.ground_truth is not None
    expected = transform_points(to_data, truth.vertices.double()) * MILLIMETRES + torch.from_numpy(PLACE)
    found = transform_points(back.to_data, back.ground_truth.vertices.double())
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)
    assert back.ground_truth.vertices.norm(dim=-1).max() <= 1.0


def test_a_scan_written_again_keeps_its_coordinates_its_masks_and_its_unit(
    small: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scene = DtuParser(DtuConfig(root=str(small))).parse("train")
    write({"train": scene}, tmp_path / "again")
    back = DtuParser(DtuConfig(root=str(tmp_path / "again"))).parse("train")
    torch.testing.assert_close(back.to_data, scene.to_data)
    for view in range(3):
        assert ray_difference(scene, back, scene.names[view], back.names[view]) < 1e-4
        assert torch.equal(scene.images[view], back.images[view])
        assert torch.equal(torch.where(scene.masks[view] > 127, 255, 0), back.masks[view])
    assert back.unit == scene.unit == "mm" and caplog.messages == []


@pytest.mark.parametrize("unit", [None, "m"])
def test_a_capture_keeps_its_coordinates_and_its_unit_is_said(
    tmp_path: Path, unit: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    scene = replace(toy_capture(4), unit=unit)
    write({"train": scene}, tmp_path)
    assert f"set data.unit={unit or 'none'}" in caplog.text
    back = DtuParser(DtuConfig(root=str(tmp_path), unit=unit)).parse("train")
    assert back.unit == unit
    for view in range(4):
        assert ray_difference(scene, back, scene.names[view], back.names[view]) < 1e-9


def test_masks_are_written_where_they_show_an_object_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write({"train": toy_capture(4)}, tmp_path / "none")
    assert not (tmp_path / "none" / "mask").exists() and "masks" not in caplog.text
    assert DtuParser(DtuConfig(root=str(tmp_path / "none"))).parse("train").masks is None

    write({"train": replace(toy_capture(4, masks=True), masks_mean="counted")}, tmp_path / "counted")
    assert not (tmp_path / "counted" / "mask").exists()
    assert "masks that mark the pixels to train on are not written" in caplog.text

    scene = toy_capture(4, masks=True)
    write({"train": scene}, tmp_path / "object")
    back = DtuParser(DtuConfig(root=str(tmp_path / "object"))).parse("train")
    assert back.masks_mean == "object" and all(torch.equal(back.masks[i], scene.masks[i]) for i in range(4))


@pytest.mark.parametrize(
    ("wrong", "cause"),
    [(lambda w2c: np.linalg.inv(w2c), "camera-to-world and world-to-camera"),
     (lambda w2c: np.diag([1.0, -1.0, -1.0, 1.0]) @ w2c, "OpenGL and OpenCV axes")],
)  # fmt: skip
def test_matrices_of_another_meaning_are_told_by_the_direction_of_view(tmp_path: Path, wrong, cause: str) -> None:
    write({"train": toy_capture(9)}, tmp_path)
    config = DtuConfig(root=str(tmp_path))
    assert viewing_axes(DtuParser(config).parse("train"), config) == []
    arrays = dict(np.load(tmp_path / "cameras_sphere.npz"))
    for i in range(9):
        k, c2w = decompose(arrays[f"world_mat_{i}"][:3])
        w2c = np.linalg.inv(np.concatenate([c2w @ np.diag([1.0, -1.0, -1.0, 1.0]), [[0, 0, 0, 1]]]))
        arrays[f"world_mat_{i}"] = np.concatenate([k @ wrong(w2c)[:3], [[0, 0, 0, 1]]])
    np.savez(tmp_path / "cameras_sphere.npz", **arrays)
    (warning,) = viewing_axes(DtuParser(config).parse("train"), config)
    assert f"look as if {cause} were exchanged" in warning
