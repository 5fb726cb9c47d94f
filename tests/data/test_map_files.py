"""Depth and normal images in files: every stored form gives the same surface."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from radfield_core.config.surface_options import SurfaceOptions
from radfield_core.data.map_files import DepthFiles, NormalFiles, SurfaceFiles, find_maps, read_depths, read_normals
from radfield_core.errors import DatasetError
from radfield_core.testing.training import toy_scene, with_surface

SCENE = with_surface(toy_scene(3, 24))
AHEAD = -SCENE.cameras.c2w[:, :, 2]


def axis_depths(view: int) -> np.ndarray:
    """Exact depths of the ball along the optical axis, 0 where there is no surface, from points and poses."""
    distances, center = SCENE.depths[view].double(), SCENE.cameras.c2w[view, :, 3]
    depths = np.zeros((24, 24))
    for row, column in distances.isfinite().nonzero().tolist():
        normal = SCENE.normals[view][row, column].double()  # of a ball of radius 1, so also a point of its surface
        depths[row, column] = float((normal - center) @ AHEAD[view])
    return depths


def depth_files(paths, unit=1e-3, scale=1.0, **options) -> DepthFiles:
    cameras = SCENE.cameras.only(range(len(paths)))
    return DepthFiles(paths, cameras, SurfaceOptions(**options), unit, scale)


def check_depth(found: torch.Tensor, view: int, tolerance: float, scale: float = 1.0) -> None:
    known = SCENE.depths[view].isfinite()
    assert torch.equal(found.isfinite(), known) and found[~known].isnan().all()
    torch.testing.assert_close(found[known], scale * SCENE.depths[view][known].float(), rtol=0, atol=tolerance)


def test_depths_of_all_kinds_are_distances_along_the_rays(tmp_path) -> None:
    depths = axis_depths(0)
    np.save(tmp_path / "a.npy", depths.astype(np.float32))
    np.save(tmp_path / "b.npy", depths[..., None])
    Image.fromarray((depths * 1000).round().astype(np.uint16)).save(tmp_path / "c.png")
    Image.fromarray(depths.astype(np.float32)).save(tmp_path / "d.tif")
    for name, tolerance in (("a.npy", 1e-5), ("b.npy", 1e-5), ("c.png", 1e-3), ("d.tif", 1e-5)):
        check_depth(depth_files([tmp_path / name])[0], 0, tolerance)
    check_depth(depth_files([tmp_path / "c.png"], unit=5.0, depth_unit=1e-3, scale=2.5)[0], 0, 3e-3, 2.5)
    check_depth(depth_files([tmp_path / "c.png"], unit=1e-3, scale=2.5)[0], 0, 3e-3, 2.5)
    along = SCENE.depths[0].nan_to_num(posinf=0.0).numpy()
    np.save(tmp_path / "e.npy", along)
    check_depth(depth_files([tmp_path / "e.npy"], depth_along="ray")[0], 0, 1e-6)


def test_unknown_depths_are_nan_and_a_view_without_a_file_is_unknown(tmp_path) -> None:
    np.save(tmp_path / "a.npy", np.full((24, 24), -1.0))
    files = depth_files([tmp_path / "a.npy", None])
    assert files[0].isnan().all() and files[1].isnan().all() and files[1].shape == (24, 24)
    assert [files.known(0), files.known(1)] == [True, False]


def test_a_map_of_another_size_is_read_at_the_nearest_pixels(tmp_path) -> None:
    small = np.arange(1.0, 37.0).reshape(6, 6)
    np.save(tmp_path / "a.npy", small)
    found = depth_files([tmp_path / "a.npy"], depth_along="ray")[0]
    assert torch.equal(found, torch.from_numpy(np.kron(small, np.ones((4, 4)))).float())
    np.save(tmp_path / "b.npy", np.ones((6, 8)))
    with pytest.raises(DatasetError, match="is 8×6, but its image is 24×24"):
        depth_files([tmp_path / "b.npy"])[0]


@pytest.mark.parametrize("axes", ["opencv", "opengl", "world"])
@pytest.mark.parametrize("form", ["png", "unit.npy", "share.npy", "channels.npy"])
def test_normals_in_all_axes_are_those_of_the_scene(axes, form, tmp_path) -> None:
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)).Q
    normals = SCENE.normals[1].double()
    known = (normals != 0).any(-1)
    flip = torch.tensor([1.0, -1.0, -1.0]).double()
    rotation = SCENE.cameras.c2w[1, :, :3]
    stored = normals @ turn if axes == "world" else normals @ rotation * (flip if axes == "opencv" else 1.0)
    shares = torch.where(known[..., None], 0.5 + 0.5 * stored, 0.0).numpy()
    path = tmp_path / f"a.{form}"
    if form == "png":
        Image.fromarray((255 * shares).round().astype(np.uint8)).save(path)
    else:
        np.save(path, {"u": stored.numpy(), "s": shares, "c": shares.transpose(2, 0, 1)}[form[0]])
    found = NormalFiles([None, path], SCENE.cameras, axes, turn)[1]
    torch.testing.assert_close(found, normals.float(), rtol=0, atol=0.01 if form == "png" else 1e-6)


def test_normals_that_point_away_from_the_camera_are_told(tmp_path) -> None:
    stored = (SCENE.normals[0].double() @ SCENE.cameras.c2w[0, :, :3]).numpy()
    np.save(tmp_path / "a.npy", stored)
    for axes, n in (("opengl", 0), ("opencv", 1)):
        files = SurfaceFiles(SurfaceOptions(normal_axes=axes), [], [tmp_path / "a.npy", None, None])
        notes = files.notes(SCENE.cameras, np.eye(4))
        assert "2 of 3 views have no normal image" in notes[0] and len(notes) == 1 + n
        assert not n or "point away from the camera" in notes[1]


def test_damaged_files_are_refused_in_words(tmp_path) -> None:
    (tmp_path / "a.png").write_bytes(b"no image")
    (tmp_path / "b.npy").write_bytes(b"\x93NUMPY\x01\x00 short")
    np.save(tmp_path / "c.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    Image.new("RGB", (4, 4)).save(tmp_path / "d.png")
    np.save(tmp_path / "e.npy", np.array([["a", "b"]]))
    for name in "abcde":
        path = next(tmp_path.glob(f"{name}.*"))
        with pytest.raises(DatasetError):
            read_depths(path)
    Image.new("L", (4, 4)).save(tmp_path / "f.png")
    for name in ("a.png", "b.npy", "c.npy", "e.npy", "f.png"):
        with pytest.raises(DatasetError):
            read_normals(tmp_path / name)


def test_maps_are_found_by_the_names_of_the_images(tmp_path) -> None:
    (tmp_path / "depths" / "left").mkdir(parents=True)
    for name in ("left/1.png", "2.npy"):
        (tmp_path / "depths" / name).write_bytes(b"")
    found = find_maps(tmp_path, "depths", ["left/1.jpg", "2.jpg", "3.jpg"])
    assert [path and path.name for path in found] == ["1.png", "2.npy", None]
    assert find_maps(tmp_path, "normals", ["2.jpg"]) == [] and find_maps(tmp_path, "depths", ["9.jpg"]) == []
    with pytest.raises(DatasetError, match="leads out"):
        find_maps(tmp_path, "depths", ["../../2.jpg"])
