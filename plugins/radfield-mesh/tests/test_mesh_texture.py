"""Textures: a ball whose color is known everywhere is photographed exactly, and the texture must have this color."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray
from PIL import Image
from radfield_mesh.config import MeshConfig, TextureMetricConfig
from radfield_mesh.frames import y_up
from radfield_mesh.mesh import MeshExporter
from radfield_mesh.seen_colors import SeenColors
from radfield_mesh.texture import _raster
from radfield_mesh.texture.bake import from_photos
from radfield_mesh.texture.charts import Texels, charts_of
from radfield_mesh.texture.files import TexturedMesh, write
from radfield_mesh.texture.gains import exposure_gains
from radfield_mesh.texture.metric import TexturePsnr
from radfield_mesh.texture.photos import undistorted, views_of
from radfield_mesh.texture.unseen import spread

from radfield_core import (
    BuildContext,
    Camera,
    Cameras,
    DatasetError,
    Field,
    FieldOutputs,
    Model,
    NoSurface,
    Scene,
    SceneBox,
    UsageError,
    View,
    view_rays,
)
from radfield_core.builtin.config import ImportanceConfig, VolumeConfig
from radfield_core.builtin.importance import Importance
from radfield_core.builtin.volume import Volume
from radfield_core.data import MemoryImages
from radfield_core.data.scene import EstimatedUp
from radfield_core.model import LevelLoop
from radfield_core.rays import RaySpace

RADIUS, SIZE = 0.5, 96


def look_at(eye: torch.Tensor) -> torch.Tensor:
    back = torch.nn.functional.normalize(eye, dim=0)
    up = torch.tensor([0.0, 0, 1] if abs(back[2]) < 0.9 else [0.0, 1, 0], dtype=torch.float64)
    right = torch.nn.functional.normalize(torch.linalg.cross(up, back), dim=0)
    return torch.stack([right, torch.linalg.cross(back, right), back, eye], dim=1)


def cameras_at(eyes: torch.Tensor) -> Cameras:
    return Cameras.pinhole(torch.stack([look_at(eye) for eye in eyes]), 1.7 * SIZE, SIZE, SIZE)


AROUND = 2.0 * torch.cat([torch.eye(3), -torch.eye(3)]).double()
CORNERS = torch.tensor([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]).double() * 2 / 3**0.5
ALL_AROUND = torch.cat([AROUND, CORNERS])


def true_color(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Colors [.., 3] in [0, 255] of points on the ball: smooth, and different everywhere."""
    return 128 + 100 * np.sin(4.0 * points + np.array([0.0, 1.0, 2.0]))


def photographed(cameras: Cameras, gains: NDArray[np.float64] | None = None) -> MemoryImages:
    """Photographs of the ball by the closed form of rays and spheres."""
    images = torch.zeros(len(cameras), SIZE, SIZE, 3, dtype=torch.uint8)
    for index in range(len(cameras)):
        rays = view_rays(RaySpace(0.0, 10.0), cameras.view(index), dtype=torch.float64)
        o, d = rays.origins.numpy(), torch.nn.functional.normalize(rays.directions, dim=-1).numpy()
        half, rest = (o * d).sum(1), (o * o).sum(1) - RADIUS**2
        root = half**2 - rest
        hit = root > 0
        t = -half - np.sqrt(np.maximum(root, 0))
        color = np.where(hit[:, None], true_color(o + t[:, None] * d), 20.0)
        color = color * (1.0 if gains is None else gains[index])
        images[index] = torch.from_numpy(np.round(color.clip(0, 255)).astype(np.uint8)).reshape(SIZE, SIZE, 3)
    return MemoryImages(images)


def scene_of(cameras: Cameras, images: MemoryImages, to_data: torch.Tensor | None = None, **changes: object) -> Scene:
    to_data = torch.eye(4, dtype=torch.float64) if to_data is None else to_data
    return Scene(
        cameras=cameras, images=images, near=0.5, far=4.0, box=SceneBox(torch.zeros(3), 1.0), to_data=to_data, **changes
    )


def ball(subdivisions: int = 4) -> trimesh.Trimesh:
    return trimesh.creation.icosphere(subdivisions, RADIUS)


def sampled(mesh: TexturedMesh, faces: NDArray[np.int64], weights: NDArray[np.float64]) -> tuple[NDArray, NDArray]:
    """Places [P, 3] in faces and the texture's colors [P, 3] there, interpolated between texels."""
    corners = mesh.faces[faces]
    places = (weights[..., None] * mesh.vertices[corners]).sum(1)
    size = len(mesh.image)
    at = (weights[..., None] * mesh.uv[corners]).sum(1) * size - 0.5
    low = np.floor(at).astype(int).clip(0, size - 2)
    x, y = (at - low).T
    total = 0.0
    for down, right, weight in ((0, 0, (1 - x) * (1 - y)), (0, 1, x * (1 - y)), (1, 0, (1 - x) * y), (1, 1, x * y)):
        total = total + weight[:, None] * mesh.image[low[:, 1] + down, low[:, 0] + right]
    return places, total


def random_places(mesh: TexturedMesh, n: int = 4000) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    rng = np.random.default_rng(3)
    return rng.integers(0, len(mesh.faces), n), rng.dirichlet([1, 1, 1], n)


def test_a_texture_from_photographs_has_the_true_colors() -> None:
    cameras = cameras_at(ALL_AROUND)
    baked = from_photos(ball(), scene_of(cameras, photographed(cameras)), 512, cull=False)
    places, colors = sampled(baked.mesh, *random_places(baked.mesh))
    error = np.abs(colors - true_color(places))
    assert baked.seen is not None and baked.seen > 0.999
    # Pixels are 0.012 wide on the ball, over which the true color changes by up to 5 levels.
    assert error.mean() < 1.0 and error.max() < 6.0
    np.testing.assert_allclose(baked.gains, 1.0, atol=0.01)


def test_the_data_may_be_turned_scaled_and_mirrored() -> None:
    cameras = cameras_at(ALL_AROUND)
    to_data = torch.eye(4, dtype=torch.float64)
    to_data[:3, :3] = 250.0 * torch.tensor([[0.0, 1, 0], [1, 0, 0], [0, 0, 1]])  # a mirror image
    to_data[:3, 3] = torch.tensor([900.0, -400.0, 60.0])
    mesh = ball()
    moved = mesh.vertices @ to_data[:3, :3].numpy().T + to_data[:3, 3].numpy()
    scene = scene_of(cameras, photographed(cameras), to_data)
    baked = from_photos(trimesh.Trimesh(moved, mesh.faces[:, ::-1], process=False), scene, 256, cull=False)
    places, colors = sampled(baked.mesh, *random_places(baked.mesh))
    back = (places - to_data[:3, 3].numpy()) @ np.linalg.inv(to_data[:3, :3].numpy()).T
    assert np.abs(colors - true_color(back)).mean() < 1.5


def test_exposures_are_brought_to_one() -> None:
    cameras = cameras_at(ALL_AROUND)
    gains = np.random.default_rng(0).uniform(0.6, 1.0, (len(cameras), 3))
    baked = from_photos(ball(), scene_of(cameras, photographed(cameras, gains)), 256, cull=False)
    assert baked.gains is not None
    ratio = baked.gains * gains
    np.testing.assert_allclose(ratio / ratio.mean(0), 1.0, atol=0.02)
    places, colors = sampled(baked.mesh, *random_places(baked.mesh))
    assert np.abs(colors / (true_color(places) * ratio.mean(0)) - 1).mean() < 0.02


def test_what_hides_the_surface_is_not_painted_on_it_and_hidden_parts_continue_their_surroundings() -> None:
    """A plate before the ball hides its middle from the only camera."""
    cameras = cameras_at(AROUND[:1])
    plate = trimesh.creation.box(
        extents=(0.02, 0.3, 0.3), transform=trimesh.transformations.translation_matrix([1, 0, 0])
    )
    both = trimesh.util.concatenate([ball(), plate])
    images = torch.zeros(1, SIZE, SIZE, 3, dtype=torch.uint8)
    images[0] = torch.tensor([200, 40, 40])
    inside = slice(SIZE // 2 - 24, SIZE // 2 + 24)  # the plate covers 2 × 24.7 pixels
    images[0, inside, inside] = torch.tensor([0, 255, 0])
    baked = from_photos(both, scene_of(cameras, MemoryImages(images)), 256, cull=False)
    places, colors = sampled(baked.mesh, *random_places(baked.mesh, 20_000))
    on_ball = np.abs(np.linalg.norm(places, axis=1) - RADIUS) < 0.05
    behind = on_ball & (places[:, 0] > 0.4) & (np.abs(places[:, 1:]) < 0.15).all(1)
    assert behind.sum() > 50
    assert np.abs(colors[behind] - [200, 40, 40]).max() < 12, "green is the plate's color"
    assert np.abs(colors[on_ball & (places[:, 0] < -0.3)] - [200, 40, 40]).max() < 12, "the far side is filled"
    assert baked.seen is not None and 0.1 < baked.seen < 0.6


def test_faces_that_no_photograph_sees_can_be_removed() -> None:
    cameras = cameras_at(AROUND[:1])
    scene = scene_of(cameras, photographed(cameras))
    culled = from_photos(ball(), scene, 128, cull=True).mesh
    centers = culled.vertices[culled.faces].mean(1)
    # The camera at a distance of 4 radii sees the cap with x > R / 4. LEAST_COSINE and whole pixels cost a little more.
    assert 0.125 - 0.05 < centers[:, 0].min() < 0.3
    assert len(culled.faces) < 0.45 * len(ball().faces)


def test_masks_and_transparent_pixels_do_not_count() -> None:
    cameras = cameras_at(ALL_AROUND)
    images = photographed(cameras)
    wrong = torch.stack([images[i] for i in range(len(cameras))])
    wrong[0, 30:60, 30:60] = torch.tensor([255, 0, 255], dtype=torch.uint8)
    masks = torch.full((len(cameras), SIZE, SIZE, 1), 255, dtype=torch.uint8)
    masks[0, 30:60, 30:60] = 0
    alpha = torch.cat([wrong, masks], -1)
    for scene in (
        scene_of(cameras, MemoryImages(wrong), masks=MemoryImages(masks)), scene_of(cameras, MemoryImages(alpha)),
    ):  # fmt: skip
        mesh = from_photos(ball(), scene, 256, cull=False).mesh
        places, colors = sampled(mesh, *random_places(mesh))
        assert np.abs(colors - true_color(places)).max() < 10


def depths_by_rays(triangles: NDArray[np.float64], view: View) -> NDArray[np.float64]:
    """Depth along the optical axis at each pixel, by intersecting its ray with every triangle (Cramer's rule)."""
    rays = view_rays(RaySpace(0.0, 10.0), view, dtype=torch.float64)
    found = np.full(len(rays), np.inf)
    for index, (o, d) in enumerate(zip(rays.origins.numpy(), rays.directions.numpy(), strict=True)):
        for a, b, c in triangles:
            matrix = np.stack([b - a, c - a, -d], 1)
            if abs(np.linalg.det(matrix)) > 1e-12:
                u, v, t = np.linalg.solve(matrix, o - a)
                if u >= 0 and v >= 0 and u + v <= 1 and t > 0:
                    depth = -(view.c2w[:, :3].T.numpy() @ (t * d))[2]
                    found[index] = min(found[index], depth)
    return found.reshape(view.camera.height, view.camera.width)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_depths_equal_those_of_rays(seed: int) -> None:
    rng = np.random.default_rng(seed)
    triangles = rng.uniform(-1, 1, (4, 3, 3))
    view = View(look_at(torch.tensor([0.3, -2.5, 0.4]).double()), Camera(16, 12, 13.0, 14.0, 8.2, 5.7))
    cameras = Cameras(
        view.c2w[None], view.camera.intrinsics[None], torch.tensor([[16, 12]]), view.camera.pixel_center
    )  # fmt: skip
    views = views_of(cameras, np.zeros((0, 3)), np.zeros((0, 3), np.int64))
    depths, shown = np.full((12, 16), np.inf, np.float32), np.full((12, 16), -1, np.int32)
    _raster.draw(
        triangles.reshape(-1, 3), np.arange(12).reshape(4, 3), views.poses[0], views.intrinsics[0], depths, shown
    )
    expected = depths_by_rays(triangles, view)
    differ = ~np.isclose(depths, expected, rtol=1e-5) & (np.isfinite(depths) | np.isfinite(expected))
    assert differ.sum() <= 1, "but for a pixel whose middle lies on an edge"
    assert ((shown >= 0) == np.isfinite(depths)).all()


def test_texels_know_their_place() -> None:
    mesh = ball(3)
    charts = charts_of(np.asarray(mesh.vertices), np.asarray(mesh.faces), 256)
    texels = Texels.of(charts, 256)
    places = np.stack([texels.at % 256, texels.at // 256], 1)
    found = texels.interpolate(charts.uv, charts.faces) * 256 - 0.5
    assert np.abs(found - places).max() < 0.75, "within half a texel's diagonal at the edge of a chart"
    inside = texels.weights.min(1) > 0
    np.testing.assert_allclose(found[inside], places[inside], atol=1e-2)
    flat = mesh.vertices[charts.source][charts.faces]
    np.testing.assert_allclose(flat, mesh.vertices[mesh.faces], atol=0, err_msg="faces keep their order and corners")
    a, b, c = charts.uv[charts.faces].transpose(1, 0, 2)
    area = 0.5 * np.abs((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]).sum()
    assert area * 256**2 <= len(texels.at) < 1.5 * area * 256**2
    assert area > 0.4, "most of the image is used"


def test_texels_outside_the_charts_have_the_nearest_color() -> None:
    texels = Texels(4, np.array([5]), np.array([0]), np.array([[1.0, 0, 0]]))
    assert (texels.image(np.array([[10.0, 20.0, 300.0]])) == [10, 20, 255]).all()


def test_gains_are_found_exactly_where_all_points_have_one_color() -> None:
    rng = np.random.default_rng(1)
    gains, points = rng.uniform(0.7, 1.4, (5, 3)), rng.uniform(40, 150, (300, 1, 3))
    weights = rng.uniform(0, 1, (300, 5)) * (rng.random((300, 5)) < 0.6)
    found = exposure_gains(weights, points / gains)
    expected = gains / np.exp(np.log(gains).mean(0))
    np.testing.assert_allclose(found, expected, rtol=0.01)  # PULL draws them towards 1 by less than this
    np.testing.assert_allclose(np.log(found).mean(0), 0.0, atol=1e-12)


def test_gains_of_photographs_without_common_points_are_one() -> None:
    np.testing.assert_allclose(exposure_gains(np.eye(3), np.full((3, 3, 3), 90.0)), 1.0)
    np.testing.assert_allclose(exposure_gains(np.zeros((4, 2)), np.zeros((4, 2, 3))), 1.0)


def test_unknown_colors_are_harmonic() -> None:
    """On a regular grid, a linear function is the mean of its neighbors, so it is found from its border alone."""
    n = 9
    i, j = np.meshgrid(np.arange(n), np.arange(n), indexing="ij")
    at = i * n + j
    a, b, c, d = at[:-1, :-1].ravel(), at[1:, :-1].ravel(), at[:-1, 1:].ravel(), at[1:, 1:].ravel()
    faces = np.concatenate([np.stack([a, b, d], 1), np.stack([a, d, c], 1)])
    linear = np.stack([i * 10.0, j * 5.0, i + j], -1).reshape(-1, 3)
    border = ((i == 0) | (j == 0) | (i == n - 1) | (j == n - 1)).reshape(-1)
    found = spread(np.where(border[:, None], linear, -1e3), border, faces)
    np.testing.assert_allclose(found, linear, atol=0.05)
    alone = spread(np.zeros((3, 3)), np.zeros(3, bool), np.array([[0, 1, 2]]))
    np.testing.assert_allclose(alone, 128.0)


def test_a_lens_is_undone() -> None:
    camera = Camera(64, 48, 50.0, 52.0, 31.0, 25.0, model="simple_radial", distortion=(0.1,))
    view = View(torch.eye(4, dtype=torch.float64)[:3], camera)
    rows, columns = torch.meshgrid(torch.arange(48.0), torch.arange(64.0), indexing="ij")
    image = torch.stack([columns * 3, rows * 4, 0 * rows], -1).to(torch.uint8)
    straight = undistorted(view, image).float()
    x, y = (40 + 0.5 - 31.0) / 50.0, (10 + 0.5 - 25.0) / 52.0
    bent = 1 + 0.1 * (x * x + y * y)
    expected = [(x * bent * 50.0 + 31.0 - 0.5) * 3, (y * bent * 52.0 + 25.0 - 0.5) * 4, 0]
    np.testing.assert_allclose(straight[10, 40].numpy(), expected, atol=0.6)


@pytest.mark.parametrize("image_format", ["jpeg", "png"])
@pytest.mark.parametrize("ending", ["glb", "obj", "ply"])
def test_files_are_read_back_with_their_image(ending: str, image_format: str, tmp_path: Path) -> None:
    cameras = cameras_at(ALL_AROUND)
    mesh = from_photos(ball(3), scene_of(cameras, photographed(cameras)), 256, cull=False).mesh
    files = write(mesh, tmp_path / f"ball.{ending}", image_format)
    assert sorted(files) == sorted(tmp_path.iterdir())
    read = trimesh.load(files[0], process=False, force="mesh")
    np.testing.assert_allclose(read.vertices[read.faces], mesh.vertices[mesh.faces], atol=1e-6)
    if ending == "ply":  # trimesh reads no image that a PLY names
        assert f"comment TextureFile {files[1].name}".encode() in files[0].read_bytes()
        return
    np.testing.assert_allclose(read.visual.uv[read.faces], (mesh.uv * [1, -1] + [0, 1])[mesh.faces], atol=1e-6)
    material = read.visual.material
    image = np.asarray((material.baseColorTexture if ending == "glb" else material.image).convert("RGB"))
    difference = np.abs(image.astype(int) - mesh.image).mean()
    assert difference == 0 if image_format == "png" else difference < 2


def test_a_glb_says_that_it_holds_its_light(tmp_path: Path) -> None:
    mesh = TexturedMesh(
        np.eye(3), np.array([[0, 1, 2]]), np.eye(3), np.array([[0.0, 0], [1, 0], [0, 1]]),
        np.full((64, 64, 3), 90, np.uint8),
    )  # fmt: skip
    (path,) = write(mesh, tmp_path / "m.glb", "jpeg")
    data = path.read_bytes()
    (length,) = struct.unpack("<I", data[12:16])
    tree = json.loads(data[20 : 20 + length])
    assert tree["extensionsUsed"] == ["KHR_materials_unlit"]
    assert tree["materials"][0]["extensions"] == {"KHR_materials_unlit": {}}
    assert tree["images"][0]["mimeType"] == "image/jpeg"


class Directed(Field):
    """A ball whose color is the direction along which it is seen."""

    def __init__(self) -> None:
        super().__init__()
        self.radius = torch.nn.Parameter(torch.tensor(RADIUS))

    def sdf(self, x: torch.Tensor) -> torch.Tensor:
        return x.norm(dim=-1) - self.radius

    def gradient(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(x, dim=-1)

    def point_color(self, x, viewdirs=None, image_ids=None):
        return 0.5 + 0.5 * viewdirs

    def forward(self, samples) -> FieldOutputs:
        x = samples.positions()
        return FieldOutputs(rgb=torch.zeros_like(x), density=5000.0 * torch.sigmoid(-2000 * self.sdf(x)))


class Painted(Directed):
    """The ball with the colors of its photographs."""

    def point_color(self, x, viewdirs=None, image_ids=None):
        return (128 + 100 * torch.sin(4.0 * x + torch.tensor([0.0, 1.0, 2.0]))) / 255


class Colorless(Directed):
    """A ball that cannot be asked for colors of points."""

    point_color = None


def model_of(field: Field) -> Model:
    ctx = BuildContext(bounds=SceneBox(torch.zeros(3), 1.0))
    sampler = Importance(ImportanceConfig(n_samples=64, n_importance=0), ctx)
    return LevelLoop([field], sampler, Volume(VolumeConfig(), ctx))


def test_colors_of_vertices_are_those_that_cameras_see(tmp_path: Path) -> None:
    """The camera at a distance of 4 radii looks along other directions than the inward normal."""
    cameras = cameras_at(AROUND[:1])
    scene = scene_of(cameras, photographed(cameras))
    (path,) = MeshExporter(MeshConfig(resolution=32)).export(model_of(Directed()), scene, tmp_path / "m.ply")
    mesh = trimesh.load(path, process=False)
    eye = AROUND[0].numpy()
    toward = mesh.vertices - eye
    toward /= np.linalg.norm(toward, axis=1, keepdims=True)
    colors, normals = mesh.visual.vertex_colors[:, :3], mesh.vertices / np.linalg.norm(mesh.vertices, axis=1)[:, None]
    seen = mesh.vertices[:, 0] > 0.25
    assert np.abs(colors[seen] - (127.5 + 127.5 * toward[seen])).max() <= 2
    hidden = mesh.vertices[:, 0] < 0.0
    assert np.abs(colors[hidden] - (127.5 - 127.5 * normals[hidden])).max() <= 3, "no camera sees it"


def test_the_median_of_three_directions_is_taken() -> None:
    eyes = 2.0 * torch.nn.functional.normalize(
        torch.tensor([[1.0, 0.1, 0], [1, -0.1, 0.1], [1, 0, -0.2]]).double(), dim=1
    )
    mesh = ball()
    seen = SeenColors(Directed(), scene_of(cameras_at(eyes), None), mesh.vertices, mesh.faces, 4096)
    point = np.array([[RADIUS, 0.0, 0.0]])
    along = point - eyes.numpy()
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    expected = 127.5 + 127.5 * np.median(along, axis=0)
    np.testing.assert_allclose(seen.at(point, point, np.array([[1.0, 0, 0]]))[0], expected, atol=1.0)


@pytest.mark.parametrize("ending", ["glb", "obj", "ply"])
def test_the_exporter_bakes_a_field(ending: str, tmp_path: Path) -> None:
    cameras = cameras_at(AROUND[:1])
    scene = scene_of(cameras, photographed(cameras), up="y")
    config = MeshConfig(resolution=32, texture="field", texture_size=128, texture_image="png")
    path = MeshExporter(config).export(model_of(Directed()), scene, tmp_path / f"m.{ending}")[0]
    if ending == "ply":
        return
    mesh = trimesh.load(path, process=False, force="mesh")
    colors = mesh.visual.to_color().vertex_colors[:, :3]
    seen = mesh.vertices[:, 0] > 0.3
    toward = mesh.vertices[seen] - AROUND[0].numpy()
    toward /= np.linalg.norm(toward, axis=1, keepdims=True)
    assert np.abs(colors[seen] - (127.5 + 127.5 * toward)).mean() < 4


def test_what_cannot_have_a_texture_is_refused(tmp_path: Path) -> None:
    cameras = cameras_at(AROUND[:1])
    scene = scene_of(cameras, photographed(cameras))
    config = MeshConfig(resolution=24, texture="photos", texture_size=64)
    with pytest.raises(UsageError, match="an STL file has no texture"):
        MeshExporter(config).export(model_of(Directed()), scene, tmp_path / "m.stl")
    fisheye = Cameras(cameras.c2w, cameras.intrinsics, cameras.sizes, model="fisheye")
    with pytest.raises(UsageError, match="photographs of the lens 'fisheye' cannot become a texture"):
        MeshExporter(config).export(model_of(Directed()), scene_of(fisheye, None), tmp_path / "m.glb")


def test_the_metric_finds_the_true_colors_and_the_gain(tmp_path: Path) -> None:
    """The ball with exact colors of vertices is as photographs show it. A gain makes up for darker photographs."""
    cameras = cameras_at(CORNERS)
    mesh = ball(6)
    mesh.visual.vertex_colors = np.round(true_color(np.asarray(mesh.vertices))).astype(np.uint8)
    path = tmp_path / "ball.ply"
    mesh.export(path)
    exact = TexturePsnr(TextureMetricConfig()).measure(None, scene_of(cameras, photographed(cameras)), path, tmp_path)
    assert exact["psnr"] > 45 and exact["views"] == 8
    cameras_see = np.pi * (RADIUS / np.sqrt(4 - RADIUS**2) * 1.7) ** 2  # the ball's outline as a share of the image
    assert cameras_see * 0.8 < exact["share_of_pixels"] < cameras_see
    # The near pole is at depth 1.5, the outline at 2 − R²/2 = 1.875; a pixel at depth z is z / (1.7 · SIZE) long.
    assert 1.5 < exact["pixel_size"] * 1.7 * SIZE < 1.875
    darker = photographed(cameras, np.full((8, 3), 0.5))
    dark = TexturePsnr(TextureMetricConfig()).measure(None, scene_of(cameras, darker), path, tmp_path)
    assert dark["psnr"] < 15 and dark["psnr_with_gain"] > 45
    assert sorted(path.name for path in tmp_path.glob("*.jpg")) == [*(f"{i:04d}.jpg" for i in range(8)), "sheet.jpg"]
    with Image.open(tmp_path / "sheet.jpg") as sheet, Image.open(tmp_path / "0007.jpg") as last:
        assert sheet.size == (2 * SIZE, 4 * SIZE), "four of the eight views, each a photograph beside a picture"
        bottom = np.asarray(sheet.crop((0, 3 * SIZE, 2 * SIZE, 4 * SIZE))).astype(int)
        assert np.abs(bottom - np.asarray(last)).mean() < 3


def test_without_a_file_the_models_own_surface_is_compared(tmp_path: Path) -> None:
    cameras = cameras_at(CORNERS)
    scene = scene_of(cameras, photographed(cameras))
    found = TexturePsnr(TextureMetricConfig(resolution=48)).measure(model_of(Painted()), scene, None, tmp_path)
    assert found["psnr"] > 40


def test_a_glb_lies_where_it_was_exported_from(tmp_path: Path) -> None:
    cameras = cameras_at(ALL_AROUND)
    scene = scene_of(cameras, photographed(cameras), up="z")
    mesh = from_photos(ball(), scene, 512, cull=False).mesh
    (path,) = write(mesh.turned(y_up("z")), tmp_path / "ball.glb", "png")
    found = TexturePsnr(TextureMetricConfig()).measure(None, scene, path, tmp_path)
    assert found["psnr"] > 38


def test_a_glb_that_was_not_turned_is_read_as_it_is(tmp_path: Path) -> None:
    """The scene knows its upward direction now, and did not when the file was written."""
    cameras = cameras_at(ALL_AROUND)
    estimate = EstimatedUp((0.0, 0.0, 1.0), "the ground")
    scene = scene_of(cameras, photographed(cameras), estimated_up=estimate)
    mesh = from_photos(ball(), scene, 256, cull=False).mesh
    found = {}
    for name, up, written in (("turned", "y", mesh.turned(y_up("z"))), ("not", None, mesh)):
        (path,) = write(written, tmp_path / f"{name}.glb", "png")
        path.with_name(f"{name}.glb.json").write_text(json.dumps({"files": {f"{name}.glb": {"up": up}}}))
        found[name] = TexturePsnr(TextureMetricConfig()).measure(None, scene, path, tmp_path)["psnr"]
    assert found["turned"] > 35 and found["not"] == pytest.approx(found["turned"], abs=0.5)


def test_the_metric_says_what_it_needs(tmp_path: Path) -> None:
    cameras = cameras_at(AROUND[:1])
    scene, metric = scene_of(cameras, photographed(cameras)), TexturePsnr(TextureMetricConfig())
    with pytest.raises(UsageError, match="no mesh is given, and the model has no surface with colors"):
        metric.measure(model_of(Colorless()), scene, None, tmp_path)
    ball(1).export(tmp_path / "plain.ply")
    with pytest.raises(DatasetError, match="neither a texture nor colors of vertices"):
        metric.measure(None, scene, tmp_path / "plain.ply", tmp_path)
    with pytest.raises(DatasetError, match=r"is not a \.ply or \.glb file"):
        metric.measure(None, scene, tmp_path / "plain.obj", tmp_path)
    far = ball(1)
    far.apply_translation([0, 50, 0])
    far.visual.vertex_colors = np.full((len(far.vertices), 4), 255, np.uint8)
    far.export(tmp_path / "far.ply")
    with pytest.raises(NoSurface, match="no view sees the mesh"):
        metric.measure(None, scene, tmp_path / "far.ply", tmp_path)


def test_colors_under_a_lens_without_a_pinhole_camera_are_said_to_be_those_of_the_normals(caplog) -> None:
    cameras = cameras_at(AROUND[:1])
    panorama = Cameras.equirectangular(cameras.c2w, 24)
    mesh = ball()
    seen = SeenColors(Directed(), scene_of(panorama, None), mesh.vertices, mesh.faces, 4096)
    assert "the lens 'equirectangular' sees, so colors are asked along the inward normals" in caplog.text
    point = np.array([[0.0, RADIUS, 0.0]])
    np.testing.assert_allclose(seen.at(point, point, point / RADIUS)[0], [127.5, 0.0, 127.5], atol=1.0)
