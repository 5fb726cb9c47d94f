"""Exports of a known solid are closed, colored and in the data's own coordinates, and their error is measured."""

from __future__ import annotations

import builtins
import dataclasses
import json
import logging
import re
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from radfield_mesh import culling
from radfield_mesh.cleaning import simplified
from radfield_mesh.config import FORMATS, ChamferConfig, MeshConfig, PointCloudConfig, PointToMeshConfig
from radfield_mesh.mesh import MeshExporter
from radfield_mesh.metrics import Chamfer, PointToMesh
from radfield_mesh.pointcloud import PointCloudExporter
from radfield_mesh.reading import read_mesh

from radfield_core import (
    BuildContext,
    Cameras,
    DatasetError,
    Field,
    FieldOutputs,
    Mesh,
    Model,
    NoSurface,
    Output,
    RaySamples,
    Scene,
    SceneBox,
    UsageError,
    compose_part,
    get_registry,
)
from radfield_core.builtin.config import ImportanceConfig, VolumeConfig
from radfield_core.builtin.importance import Importance
from radfield_core.builtin.volume import Volume
from radfield_core.data import MemoryImages
from radfield_core.model import LevelLoop
from radfield_core.runs.export_target import target_of

RADIUS = 0.5
SCALE, SHIFT = 250.0, torch.tensor([900.0, -400.0, 60.0], dtype=torch.float64)


class Ball(Field):
    """A ball whose color encodes the position, and whose density is a steep function of the distance."""

    def __init__(self, offset: float = 0.0) -> None:
        super().__init__()
        self.radius = torch.nn.Parameter(torch.tensor(RADIUS + offset))

    def sdf(self, x: torch.Tensor) -> torch.Tensor:
        return x.norm(dim=-1) - self.radius

    def gradient(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(x, dim=-1)

    def point_color(self, x, viewdirs=None, image_ids=None):
        return (x + 1) / 2

    def forward(self, samples: RaySamples) -> FieldOutputs:
        x = samples.positions()
        return FieldOutputs(rgb=self.point_color(x), density=5000.0 * torch.sigmoid(-2000 * self.sdf(x)))


class Cloud(Field):
    """The same ball, without a signed distance: only its density can be queried."""

    def __init__(self) -> None:
        super().__init__()
        self.ball = Ball()

    def density(self, x: torch.Tensor, cov: torch.Tensor | None = None) -> torch.Tensor:
        return 20.0 * torch.exp(-10 * self.ball.sdf(x))

    def forward(self, samples: RaySamples) -> FieldOutputs:
        return self.ball(samples)


def scene_of(ground_truth: Mesh | None = None, masks: MemoryImages | None = None) -> Scene:
    """Six cameras around the ball. Data coordinates are in millimeters, rotated, and off-center relative to the
    scene."""
    eyes = 3.0 * torch.cat([torch.eye(3), -torch.eye(3)]).double()
    c2w = torch.zeros(6, 3, 4, dtype=torch.float64)
    for view, eye in enumerate(eyes):
        back = eye / eye.norm()
        up = torch.tensor([0.0, 0, 1]) if abs(back[2]) < 0.9 else torch.tensor([0.0, 1, 0])
        right = torch.nn.functional.normalize(torch.linalg.cross(up.double(), back), dim=0)
        c2w[view] = torch.stack([right, torch.linalg.cross(back, right), back, eye], dim=1)
    to_data = torch.eye(4, dtype=torch.float64)
    turn = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]], dtype=torch.float64)
    to_data[:3, :3], to_data[:3, 3] = SCALE * turn, SHIFT
    return Scene(
        cameras=Cameras.pinhole(c2w, 60.0, 48, 48), images=MemoryImages(torch.zeros(6, 48, 48, 3, dtype=torch.uint8)),
        near=1.0, far=5.0, box=SceneBox(torch.zeros(3), 1.0), to_data=to_data, unit="mm", up="z",
        ground_truth=ground_truth, masks=masks,
    )  # fmt: skip


def model_of(field: Field) -> Model:
    ctx = BuildContext(bounds=SceneBox(torch.zeros(3), 1.0))
    sampler = Importance(ImportanceConfig(n_samples=256, n_importance=0), ctx)
    return LevelLoop([field], sampler, Volume(VolumeConfig(), ctx))


def test_a_mesh_lies_in_the_datas_own_coordinates(tmp_path: Path) -> None:
    (path,) = MeshExporter(MeshConfig(resolution=96)).export(model_of(Ball()), scene_of(), tmp_path / "mesh.ply")
    mesh = trimesh.load(path, process=False)
    assert mesh.is_watertight and mesh.volume > 0
    radii = np.linalg.norm(mesh.vertices - SHIFT.numpy(), axis=1)
    np.testing.assert_allclose(radii, RADIUS * SCALE, rtol=1e-3)
    outward = (mesh.vertices - SHIFT.numpy()) / radii[:, None]
    np.testing.assert_allclose(mesh.vertex_normals, outward, atol=1e-2)


@pytest.mark.parametrize("level", [-12.5, 25.0])
def test_a_level_is_a_distance_from_the_surface_in_the_unit_of_the_data(level: float, tmp_path: Path) -> None:
    config = MeshConfig(resolution=96, level=level)
    (path,) = MeshExporter(config).export(model_of(Ball()), scene_of(), tmp_path / "mesh.ply")
    radii = np.linalg.norm(trimesh.load(path, process=False).vertices - SHIFT.numpy(), axis=1)
    np.testing.assert_allclose(radii, RADIUS * SCALE + level, rtol=1e-3)


def test_a_level_that_no_distance_reaches_is_said_in_the_unit_of_the_data(tmp_path: Path) -> None:
    with pytest.raises(
        NoSurface, match=r"no surface at level 500: distances lie between -1\d\d(\.\d+)? and 3\d\d"
    ) as caught:
        MeshExporter(MeshConfig(resolution=32, level=500.0)).export(model_of(Ball()), scene_of(), tmp_path / "mesh.ply")
    assert "level" in caught.value.problems[0].hint


def test_colors_belong_to_their_places_under_the_turn(tmp_path: Path) -> None:
    (path,) = MeshExporter(MeshConfig(resolution=48)).export(model_of(Ball()), scene_of(), tmp_path / "mesh.ply")
    mesh = trimesh.load(path, process=False)
    x, y, z = ((mesh.vertices - SHIFT.numpy()) / SCALE).T
    in_scene = np.stack([y, -x, z], axis=1)  # undoes the quarter turn
    expected = np.round((in_scene + 1) / 2 * 255)
    assert np.abs(mesh.visual.vertex_colors[:, :3].astype(int) - expected).max() <= 1


@pytest.mark.parametrize("suffix", ["ply", "obj", "glb", "stl"])
def test_every_format_reads_back_with_the_same_size(suffix: str, tmp_path: Path) -> None:
    exporter = MeshExporter(MeshConfig(resolution=32))
    (path,) = exporter.export(model_of(Ball()), scene_of(), tmp_path / f"m.{suffix}")
    mesh = read_mesh(path)
    center = SHIFT.numpy() if suffix != "glb" else SHIFT.numpy()[[0, 2, 1]] * [1, 1, -1]
    np.testing.assert_allclose(mesh.bounds.mean(0), center, atol=1.0)
    np.testing.assert_allclose(np.ptp(mesh.bounds, axis=0), 2 * RADIUS * SCALE, rtol=2e-2)


@pytest.mark.parametrize(
    ("name", "options", "written"),
    [
        ("m.obj", [], "m.obj"), ("M.STL", [], "M.STL"), ("m.glb", ["format=glb"], "m.glb"), ("a.b-c", [], "a.b-c.ply"),
        ("model 1.5", [], "model 1.5.ply"), ("model 1.5", ["format=obj"], "model 1.5.obj"),
    ],
)  # fmt: skip
def test_the_ending_names_the_format_and_a_name_keeps_its_dots(name, options, written, tmp_path: Path) -> None:
    target = target_of(compose_part(get_registry(), "exporter", "mesh", options), tmp_path / name)
    (path,) = MeshExporter(MeshConfig(resolution=24)).export(model_of(Ball()), scene_of(), target)
    assert path == tmp_path / written and list(tmp_path.iterdir()) == [path]
    assert len(read_mesh(path).faces) > 100, "it is of that format inside as well"


@pytest.mark.parametrize(
    ("exporter", "options", "name", "named"),
    [
        ("mesh", ["format=ply"], "m.obj", "format is ply, but the path ends in .obj"),
        ("mesh", [], "m.xyz", "m.ply or m.obj or m.glb or m.stl"),
        ("pointcloud", [], "m.obj", "m.ply"),
    ],
)
def test_an_ending_of_another_format_or_of_none_is_refused(exporter, options, name, named, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=named):
        target_of(compose_part(get_registry(), "exporter", exporter, options), tmp_path / name)


def test_the_declaration_and_the_option_name_the_same_formats() -> None:
    assert get_registry().find("exporter", "mesh").writes == Output.file(*FORMATS)


def test_a_density_has_the_surface_of_its_threshold(tmp_path: Path) -> None:
    exporter = MeshExporter(MeshConfig(resolution=96, density=20.0))
    (path,) = exporter.export(model_of(Cloud()), scene_of(), tmp_path / "mesh.ply")
    radii = np.linalg.norm(trimesh.load(path, process=False).vertices - SHIFT.numpy(), axis=1)
    np.testing.assert_allclose(radii, RADIUS * SCALE, rtol=1e-2)


class WithOthers(Ball):
    """The ball, a small ball beside it, and a speck that is smaller than a cell of most grids."""

    def sdf(self, x):
        small, speck = (x - 0.85).norm(dim=-1) - 0.1, (x - torch.tensor([0.8, 0.8, -0.8])).norm(dim=-1) - 0.02
        return torch.minimum(super().sdf(x), torch.minimum(small, speck))


@pytest.mark.parametrize(("share", "components"), [(0.0, 3), (0.005, 2), (1.0, 1)])
def test_components_smaller_than_the_share_are_dropped(share: float, components: int, tmp_path: Path) -> None:
    config = MeshConfig(resolution=96, min_component=share)
    (path,) = MeshExporter(config).export(model_of(WithOthers()), scene_of(), tmp_path / "mesh.ply")
    mesh = trimesh.load(path, process=False)
    assert mesh.body_count == components and mesh.is_watertight


def test_face_count_and_component_options_hold_together(tmp_path: Path) -> None:
    config = MeshConfig(resolution=64, min_component=1.0, max_faces=500)
    (path,) = MeshExporter(config).export(model_of(WithOthers()), scene_of(), tmp_path / "mesh.ply")
    mesh = trimesh.load(path, process=False)
    assert mesh.body_count == 1 and len(mesh.faces) <= 500
    assert mesh.volume == pytest.approx(4 / 3 * np.pi * (RADIUS * SCALE) ** 3, rel=0.03)


def test_a_large_mesh_is_simplified_by_default_and_keeps_its_shape(caplog: pytest.LogCaptureFixture) -> None:
    whole = trimesh.creation.icosphere(subdivisions=7)
    assert len(whole.faces) > MeshConfig().max_faces == 200_000
    with caplog.at_level(logging.INFO):
        fewer = simplified(whole, MeshConfig().max_faces)
    assert len(fewer.faces) <= 200_000 and fewer.is_watertight
    assert np.linalg.norm(fewer.vertices, axis=1) == pytest.approx(1.0, abs=1e-4)
    assert "from 327,680 to 200,000 faces" in caplog.text and "max_faces=none" in caplog.text
    assert simplified(whole, None) is whole and simplified(fewer, 200_000) is fewer


def test_no_surface_is_an_error_and_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(NoSurface, match="distances lie between"):
        MeshExporter(MeshConfig(resolution=32)).export(model_of(Ball(offset=5.0)), scene_of(), tmp_path / "mesh.ply")
    assert not list(tmp_path.iterdir())


def test_a_density_out_of_reach_is_an_error_that_names_one_within(tmp_path: Path) -> None:
    exporter = MeshExporter(MeshConfig(resolution=32, density=1e9))
    with pytest.raises(NoSurface, match=r"no surface at density 1e[+]09: densities lie between") as caught:
        exporter.export(model_of(Cloud()), scene_of(), tmp_path / "mesh.ply")
    low, high = map(float, re.findall(r"between (\S+) and (\S+)", str(caught.value))[0])
    named = re.search(r"density=([\d.e+-]+)", caught.value.problems[0].hint)
    assert named is not None and 0 < low < float(named[1]) < high
    (path,) = MeshExporter(MeshConfig(resolution=32, density=float(named[1]))).export(
        model_of(Cloud()), scene_of(), tmp_path / "mesh.ply"
    )
    assert path.is_file()


def test_a_point_cloud_lies_on_the_surface_with_its_normals(tmp_path: Path) -> None:
    exporter = PointCloudExporter(PointCloudConfig(n_points=3000))
    (path,) = exporter.export(model_of(Ball()), scene_of(), tmp_path / "cloud.ply")
    cloud = trimesh.load(path, process=False)
    radii = np.linalg.norm(cloud.vertices - SHIFT.numpy(), axis=1)
    assert len(radii) > 400 and abs(np.median(radii) - RADIUS * SCALE) < 0.03 * RADIUS * SCALE


def test_chamfer_of_a_ball_too_large_is_the_difference_of_the_radii(tmp_path: Path) -> None:
    truth = trimesh.creation.icosphere(5, RADIUS)
    mesh = Mesh(torch.from_numpy(truth.vertices.copy()), torch.from_numpy(truth.faces.copy()))
    config = ChamferConfig(resolution=96, n_samples=5000)
    result = Chamfer(config).measure(model_of(Ball(offset=0.02)), scene_of(mesh), None, tmp_path)
    assert result["chamfer"] == pytest.approx(0.02 * SCALE, rel=0.05) and result["unit"] == "mm"
    assert result["chamfer_over_radius"] == pytest.approx(0.04, rel=0.05)
    assert result["watertight"] and result["components"] == 1
    assert result["f_scores"]["0.02"]["f"] == 0.0
    capped = Chamfer(ChamferConfig(resolution=96, n_samples=5000, spacing=8.0, max_distance=20.0))
    assert capped.measure(model_of(Ball(offset=0.02)), scene_of(mesh), None, tmp_path)["chamfer"] == pytest.approx(
        0.02 * SCALE, rel=0.05
    )


def test_culling_by_masks_drops_what_they_do_not_cover(tmp_path: Path) -> None:
    truth = trimesh.creation.icosphere(4, RADIUS)
    mesh = Mesh(torch.from_numpy(truth.vertices.copy()), torch.from_numpy(truth.faces.copy()))
    masks = torch.full((6, 48, 48, 1), 255, dtype=torch.uint8)
    masks[0, :, :24] = 0  # the first view sees one half of the ball only
    half = scene_of(mesh, MemoryImages(masks))
    vertices = truth.vertices @ np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 1]]) * SCALE + SHIFT.numpy()
    assert culling.covered(vertices, half, 0).mean() == pytest.approx(0.5, abs=0.03)
    assert culling.covered(vertices, half, 10).mean() > 0.7
    config = ChamferConfig(resolution=64, n_samples=4000, cull_masks=0)
    result = Chamfer(config).measure(model_of(Ball()), half, None, tmp_path)
    assert not result["watertight"] and result["chamfer"] < 0.01 * SCALE


def test_points_are_measured_to_the_mesh_and_not_back(tmp_path: Path) -> None:
    offset = np.array([[0.0, 0, RADIUS + 0.03], [RADIUS + 0.05, 0, 0], [0, -RADIUS - 0.01, 0]])
    cloud = tmp_path / "points.ply"
    turned = np.stack([-offset[:, 1], offset[:, 0], offset[:, 2]], axis=1)
    trimesh.PointCloud(turned * SCALE + SHIFT.numpy()).export(cloud)
    result = PointToMesh(PointToMeshConfig(resolution=128)).measure(model_of(Ball()), scene_of(), cloud, tmp_path)
    assert result["median"] == pytest.approx(0.03 * SCALE, rel=0.02) and result["points"] == 3


def test_a_reference_of_either_byte_order_is_read(tmp_path: Path) -> None:
    properties = "".join(f"property float {axis}\n" for axis in "xyz")
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 2, 0]])
    for order, form in (("<", "little"), (">", "big")):
        head = f"ply\nformat binary_{form}_endian 1.0\nelement vertex 3\n{properties}"
        faces = "element face 1\nproperty list uchar int vertex_indices\nend_header\n"
        body = corners.astype(f"{order}f4").tobytes() + b"\3" + np.array([0, 1, 2], f"{order}i4").tobytes()
        (tmp_path / "mesh.ply").write_bytes((head + faces).encode() + body)
        mesh = read_mesh(tmp_path / "mesh.ply")
        assert np.array_equal(mesh.vertices, corners) and mesh.faces.tolist() == [[0, 1, 2]]


def test_a_missing_or_broken_reference_is_an_error_in_words(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no ground-truth surface"):
        Chamfer(ChamferConfig()).measure(model_of(Ball()), scene_of(), None, tmp_path)
    lying = tmp_path / "lying.ply"
    lying.write_bytes(b"ply\nformat binary_little_endian 1.0\nelement vertex 900000000\nproperty float x\nend_header\n")
    for path in (tmp_path / "none.ply", lying, tmp_path / "mesh.blend"):
        with pytest.raises(DatasetError):
            read_mesh(path)
    out_of_range = tmp_path / "range.obj"
    out_of_range.write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n")
    with pytest.raises(DatasetError):
        read_mesh(out_of_range)


def test_masks_that_say_which_pixels_count_do_not_cull() -> None:
    masks = MemoryImages(torch.zeros(6, 48, 48, 1, dtype=torch.uint8))
    scene = dataclasses.replace(scene_of(masks=masks), masks_mean="counted")
    with pytest.raises(UsageError, match="which pixels count"):
        culling.covered(SHIFT.numpy()[None], scene, 0)


def test_a_reference_of_one_point_has_distances_and_nothing_relative(tmp_path: Path) -> None:
    trimesh.PointCloud(SHIFT.numpy()[None] + [0, 0, 1.2 * RADIUS * SCALE]).export(tmp_path / "one.ply")
    config = ChamferConfig(resolution=48, n_samples=1000)
    result = Chamfer(config).measure(model_of(Ball()), scene_of(), tmp_path / "one.ply", tmp_path)
    assert result["completeness"]["mean"] == pytest.approx(0.2 * RADIUS * SCALE, rel=0.01)
    assert result["chamfer_over_radius"] is None and result["f_scores"] == {} and result["reference_radius"] == 0


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize("far", [2.0, 1e200])
def test_a_reference_that_cannot_be_sampled_is_an_error_in_words(far: float, tmp_path: Path) -> None:
    corners = [[0, 0, 0], [1, 0, 0], [2, 0, 0]] if far == 2 else [[0, 0, 0], [far, 0, 0], [0, far, 0]]
    path = tmp_path / "thin.obj"
    path.write_text("".join("v {:g} {:g} {:g}\n".format(*row) for row in corners) + "f 1 2 3\n")
    with pytest.raises(DatasetError, match="its faces have an area of"):
        Chamfer(ChamferConfig(resolution=32)).measure(model_of(Ball()), scene_of(), path, tmp_path)


def glb_with_buffer(uri: str) -> bytes:
    """A glb file with one triangle, whose data is in the file at this URI."""
    accessors = [
        {"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3", "min": [0, 0, 0], "max": [1, 1, 0]},
        {"bufferView": 1, "componentType": 5125, "count": 3, "type": "SCALAR"},
    ]
    tree = {
        "asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}], "accessors": accessors,
        "bufferViews": [
            {"buffer": 0, "byteOffset": 0, "byteLength": 36}, {"buffer": 0, "byteOffset": 36, "byteLength": 12},
        ],
        "buffers": [{"uri": uri, "byteLength": 48}],
    }  # fmt: skip
    text = json.dumps(tree).encode()
    text += b" " * (-len(text) % 4)
    return struct.pack("<4sIII4s", b"glTF", 2, 20 + len(text), len(text), b"JSON") + text


TEXTURED_PLY = """ply
format ascii 1.0
comment TextureFile other.png
element vertex 3
property float x
property float y
property float z
property float s
property float t
element face 1
property list uchar int vertex_indices
end_header
0 0 0 0 0
1 0 0 0 0
0 1 0 0 0
3 0 1 2
"""


def test_reading_a_reference_opens_no_file_that_it_names(tmp_path: Path, monkeypatch) -> None:
    numbers = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], "<f4").tobytes() + np.arange(3, dtype="<u4").tobytes()
    for name in ("other.bin", "other.mtl", "other.png"):
        (tmp_path / name).write_bytes(numbers)
    (tmp_path / "a.obj").write_text("mtllib other.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nusemtl stone\nf 1 2 3\n")
    (tmp_path / "a.ply").write_text(TEXTURED_PLY)
    (tmp_path / "a.glb").write_bytes(glb_with_buffer("other.bin"))
    opened, real = [], builtins.open

    def spy(file, *args, **options):
        opened.append(Path(str(file)).name)
        return real(file, *args, **options)

    monkeypatch.setattr(builtins, "open", spy)
    for name in ("a.obj", "a.ply"):
        assert len(read_mesh(tmp_path / name).faces) == 1
    with pytest.raises(DatasetError, match=r"refers to another file, 'other\.bin'"):
        read_mesh(tmp_path / "a.glb")
    assert {"a.obj", "a.ply", "a.glb"} <= set(opened) and not [name for name in opened if name.startswith("other")]
