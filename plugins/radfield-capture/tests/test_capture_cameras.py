"""exporter:cameras: files whose numbers are compared with formulas written out here."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from radfield_capture.cameras import CamerasExporter
from radfield_capture.cameras_config import CamerasConfig
from scipy.spatial.transform import Rotation

from radfield_core import Cameras, Scene, UsageError
from radfield_core.testing import Exported, conformance, toy_scene


def colmap_rows(path: Path) -> list[list[str]]:
    return [line.split() for line in path.read_text().split("\n")[1:]]


def read(path: Path) -> Exported:
    """Return the contents of an exported file, read with json, trimesh and scipy."""
    if path.name == "transforms.json":
        return Exported(cameras=[frame["transform_matrix"] for frame in json.loads(path.read_text())["frames"]])
    if path.suffix == ".ply":
        return Exported(vertices=trimesh.load(path).vertices)
    rows = colmap_rows(path)
    if path.name == "points3D.txt":
        return Exported(vertices=[[float(word) for word in row[1:4]] for row in rows if row])
    poses = []
    for row in rows[0:-1:2]:
        w, x, y, z, *shift = map(float, row[1:8])
        rotation = Rotation.from_quat([x, y, z, w]).as_matrix().T
        poses.append(np.column_stack([rotation * [1, -1, -1], -rotation @ shift]))
    return Exported(cameras=poses)


test_conforms = conformance("exporter:cameras", read=read)


def scene_in_data_coordinates(**changes: object) -> Scene:
    to_data = torch.eye(4, dtype=torch.float64)
    to_data[:3, :3] = 10.0 * torch.from_numpy(Rotation.from_rotvec([0.1, 0.2, 0.3]).as_matrix())
    to_data[:3, 3] = torch.tensor([5.0, -7.0, 100.0])
    names = [f"images/photo {index}.jpg" for index in range(6)]
    return replace(toy_scene(), to_data=to_data, names=names, **changes)


def exported(folder: Path, scene: Scene, **options: object) -> list[Path]:
    folder.mkdir()
    return CamerasExporter(CamerasConfig(**options)).export(None, scene, folder)  # type: ignore[arg-type]


def test_both_formats_hold_the_same_poses_and_names_to_1e_9(tmp_path: Path) -> None:
    scene = scene_in_data_coordinates()
    files = exported(tmp_path / "out", scene)
    names = ["transforms.json", "cameras.txt", "images.txt", "points3D.txt"]
    assert [path.name for path in files] == names
    rotation = scene.to_data[:3, :3].numpy() / 10.0
    for file in (files[0], files[2]):
        for c2w, pose in zip(scene.cameras.c2w.numpy(), read(file).as_arrays().cameras, strict=True):
            np.testing.assert_allclose(pose[:3, :3], rotation @ c2w[:, :3], atol=1e-9)
            center = 10.0 * rotation @ c2w[:, 3] + [5.0, -7.0, 100.0]
            np.testing.assert_allclose(pose[:3, 3], center, atol=1e-9)
    meta = json.loads(files[0].read_text())
    assert [frame["file_path"] for frame in meta["frames"]] == scene.names
    assert [" ".join(row[9:]) for row in colmap_rows(files[2])[0:-1:2]] == scene.names
    assert (meta["w"], meta["fl_x"], meta["cx"]) == (16, 22.4, 8.0)
    assert colmap_rows(files[1])[0] == ["1", "PINHOLE", "16", "16", "22.4", "22.4", "8.0", "8.0"]


def test_views_observe_the_points_that_project_into_their_images(tmp_path: Path) -> None:
    points = torch.tensor([[0.1, 0.0, 0.0], [0.0, 0.0, 30.0], [0.0, -0.2, 0.1]])
    scene = scene_in_data_coordinates(points=points)
    exported(tmp_path / "out", scene)
    rows = colmap_rows(tmp_path / "out" / "sparse" / "0" / "images.txt")
    for index, row in enumerate(rows[1:-1:2]):
        c2w = scene.cameras.c2w[index].numpy()
        seen = np.array(row, dtype=float).reshape(-1, 3)
        assert seen[:, 2].tolist() == [1.0, 3.0]  # the second point is far above every image
        for x, y, number in seen:
            local = (points[int(number) - 1].double().numpy() - c2w[:, 3]) @ c2w[:, :3]
            np.testing.assert_allclose([x, y], [8 - 22.4 * local[0] / local[2], 8 + 22.4 * local[1] / local[2]])
    (one, three) = (row for row in colmap_rows(tmp_path / "out" / "sparse" / "0" / "points3D.txt") if row)
    assert one[8:] == ["1", "0", "2", "0", "3", "0", "4", "0", "5", "0", "6", "0"] and three[8:] == [
        "1",
        "1",
        "2",
        "1",
        "3",
        "1",
        "4",
        "1",
        "5",
        "1",
        "6",
        "1",
    ]


def test_different_cameras_are_written_with_their_views(tmp_path: Path) -> None:
    cameras = toy_scene().cameras
    intrinsics = cameras.intrinsics.clone()
    intrinsics[4, 0] = 30.0
    shifted = replace(cameras, intrinsics=intrinsics, pixel_center=0.0)
    files = exported(tmp_path / "out", scene_in_data_coordinates(cameras=shifted))
    meta = json.loads(files[0].read_text())
    assert [frame["fl_x"] for frame in meta["frames"]] == [22.4, 22.4, 22.4, 22.4, 30.0, 22.4]
    assert meta["frames"][0]["cx"] == 8.5 and "fl_x" not in meta  # the center of the first pixel is at 0.5
    assert [row[8] for row in colmap_rows(files[2])[0:-1:2]] == ["1", "1", "1", "1", "2", "1"]


def with_lens(model: str, parameters: list[float], fy: float = 22.4) -> Scene:
    cameras = toy_scene().cameras
    intrinsics = cameras.intrinsics.clone()
    intrinsics[:, 1] = fy
    distortion = torch.tensor([parameters] * 6, dtype=torch.float64)
    return scene_in_data_coordinates(
        cameras=replace(cameras, model=model, distortion=distortion, intrinsics=intrinsics)
    )


def test_lens_with_one_focal_length_is_widened_if_there_are_two(tmp_path: Path) -> None:
    one = exported(tmp_path / "one", with_lens("radial", [0.1, 0.02]))
    two = exported(tmp_path / "two", with_lens("radial", [0.1, 0.02], fy=20.0))
    assert colmap_rows(one[1])[0][1:] == ["RADIAL", "16", "16", "22.4", "8.0", "8.0", "0.1", "0.02"]
    assert colmap_rows(two[1])[0][1:] == [
        "OPENCV",
        "16",
        "16",
        "22.4",
        "20.0",
        "8.0",
        "8.0",
        "0.1",
        "0.02",
        "0.0",
        "0.0",
    ]
    assert json.loads(two[0].read_text())["k2"] == 0.02


def test_lens_that_a_format_does_not_know_is_refused_with_the_option_that_helps(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"transforms\.json does not support the lens 'fov'\n    try: files=colmap"):
        exported(tmp_path / "out", with_lens("fov", [0.5]))
    files = exported(tmp_path / "colmap", with_lens("fov", [0.5]), files="colmap")
    assert colmap_rows(files[0])[0][1] == "FOV"
    assert [path.name for path in exported(tmp_path / "t", toy_scene(), files="transforms")] == ["transforms.json"]


def test_panoramas_are_written_in_the_units_of_both_formats(tmp_path: Path) -> None:
    """nerfstudio's fl_x is half the width and fl_y the height; COLMAP's parameters are the width and the height."""
    scene = toy_scene()
    scene = replace(scene, cameras=Cameras.equirectangular(scene.cameras.c2w, 8))
    files = exported(tmp_path / "out", scene)
    meta = json.loads(files[0].read_text())
    assert meta["camera_model"] == "EQUIRECTANGULAR"
    assert [meta[key] for key in ("fl_x", "fl_y", "cx", "cy", "w", "h")] == pytest.approx([8, 8, 8, 4, 16, 8])
    line = colmap_rows(tmp_path / "out" / "sparse" / "0" / "cameras.txt")[0]
    assert line[1:4] == ["EQUIRECTANGULAR", "16", "8"] and [float(word) for word in line[4:]] == pytest.approx([16, 8])
    cut = replace(scene.cameras, intrinsics=scene.cameras.intrinsics + torch.tensor([0.0, 0, 3, 0]).double())
    with pytest.raises(UsageError, match="only panoramas whose middle"):
        exported(tmp_path / "cut", replace(scene, cameras=cut))


def test_points_are_thinned_evenly_to_the_limit(tmp_path: Path) -> None:
    scene = scene_in_data_coordinates(points=torch.rand(100, 3) * 0.1)
    files = exported(tmp_path / "out", scene, max_points=7)
    assert len(read(files[1]).vertices) == 7
    assert [path.name for path in exported(tmp_path / "none", scene, max_points=0)][1] == "cameras.txt"
