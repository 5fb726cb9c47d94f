"""Rays of pixels: directions, radii, limits, NDC and gradients, restated in numpy one pixel at a time."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from radfield_core import rays as rays_module
from radfield_core.cameras import Camera, Cameras, View, directions, project
from radfield_core.data.images import MemoryImages
from radfield_core.data.scene import Scene
from radfield_core.errors import DatasetError
from radfield_core.ops.ndc import Ndc
from radfield_core.rays import PixelRays, RaySpace, pixel_rays, view_rays, warped_box
from radfield_core.types import RaySamples, SceneBox

W, H, V = 7, 5, 3
EVERY = torch.cartesian_prod(torch.arange(V), torch.arange(H), torch.arange(W)).unbind(1)


def scene(model: str = "pinhole", parameters: tuple[float, ...] = (), ndc: bool = False, **changes: object) -> Scene:
    generator = torch.Generator().manual_seed(3)
    turn = torch.linalg.matrix_exp(
        (0.1 if ndc else 2.0) * torch.randn(V, 1, 1, dtype=torch.float64, generator=generator)
        * torch.tensor([[0, -1, 0.3], [1, 0, 0.5], [-0.3, -0.5, 0]], dtype=torch.float64)
    )  # fmt: skip
    places = 0.3 * torch.randn(V, 3, 1, dtype=torch.float64, generator=generator)
    intrinsics = torch.tensor([[6.0, 6.5, 3.4, 2.6], [6.0, 6.5, 3.4, 2.6], [8.0, 8.0, 3.5, 2.5]], dtype=torch.float64)
    if ndc:
        intrinsics = intrinsics[:1].expand(V, 4)
    sizes = torch.tensor([W, H]).expand(V, 2)
    distortion = torch.tensor(parameters, dtype=torch.float64).expand(V, -1) if parameters else None
    cameras = Cameras(torch.cat([turn, places], 2), intrinsics, sizes, 0.5, model, distortion)
    limits = (0.0, 1.0) if ndc else (2.0, 6.0)
    made = Scene(
        cameras,
        MemoryImages(torch.zeros(V, H, W, 3, dtype=torch.uint8)),
        *limits,
        SceneBox(torch.zeros(3), 1.0),
        ndc=ndc,
    )
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


def by_hand(made: Scene, image: int, row: int, column: int) -> tuple[np.ndarray, np.ndarray]:
    """Origin and unnormalized direction [3] of a pinhole's pixel."""
    fx, fy, cx, cy = made.cameras.intrinsics[image].numpy()
    c2w = made.cameras.c2w[image].numpy()
    local = np.array([(column + 0.5 - cx) / fx, -(row + 0.5 - cy) / fy, -1.0])
    return c2w[:, 3], c2w[:, :3] @ local


def to_ndc(made: Scene, origin: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """NeRF's appendix C, for the first camera's field of view."""
    fx, fy, _, _ = made.cameras.intrinsics[0].numpy()
    a, b = 2 * fx / W, 2 * fy / H
    o = origin - (1.0 + origin[2]) / direction[2] * direction
    d = direction
    return (
        np.array([-a * o[0] / o[2], -b * o[1] / o[2], 1 + 2 / o[2]]),
        np.array([-a * (d[0] / d[2] - o[0] / o[2]), -b * (d[1] / d[2] - o[1] / o[2]), -2 / o[2]]),
    )


@pytest.mark.parametrize("along", ["ray", "axis"])
def test_rays_equal_the_formulas_one_pixel_at_a_time(along: str) -> None:
    made = scene(limits_along=along)
    bundle = pixel_rays(made, *EVERY, dtype=torch.float64)
    for i, (image, row, column) in enumerate(zip(*(x.tolist() for x in EVERY), strict=True)):
        origin, direction = by_hand(made, image, row, column)
        upper = min(row, H - 2)
        apart = np.linalg.norm(by_hand(made, image, upper, column)[1] - by_hand(made, image, upper + 1, column)[1])
        length = np.linalg.norm(direction)
        stretch = length if along == "axis" else 1.0
        np.testing.assert_allclose(bundle.origins[i], origin, atol=1e-12)
        np.testing.assert_allclose(bundle.directions[i], direction / length, atol=1e-12)
        np.testing.assert_allclose(bundle.viewdirs[i], direction / length, atol=1e-12)
        np.testing.assert_allclose(bundle.radii[i], apart * 2 / math.sqrt(12) / length, rtol=1e-12)
        np.testing.assert_allclose([bundle.near[i], bundle.far[i]], [2 * stretch, 6 * stretch], rtol=1e-12)
    assert bundle.image_ids is not None and torch.equal(bundle.image_ids, EVERY[0])


def test_limits_along_the_axis_give_the_samples_of_unnormalized_directions() -> None:
    """Points o + t d and Gaussians of a paper with t along the axis, from ours with unit directions."""
    made = scene(limits_along="axis")
    bundle = pixel_rays(made, *EVERY, dtype=torch.float64)
    shares = torch.linspace(0, 1, 9, dtype=torch.float64)
    edges = bundle.near[:, None] + (bundle.far - bundle.near)[:, None] * shares
    mean, cov = RaySamples.from_edges(bundle, edges).gaussians()
    plain = 2.0 + 4.0 * shares
    m, h = ((plain[1:] + plain[:-1]) / 2).numpy(), ((plain[1:] - plain[:-1]) / 2).numpy()
    t_mean = m + 2 * m * h**2 / (3 * m**2 + h**2)
    t_var = h**2 / 3 - 4 / 15 * h**4 * (12 * m**2 - h**2) / (3 * m**2 + h**2) ** 2
    for i, (image, row, column) in enumerate(zip(*(x.tolist() for x in EVERY), strict=True)):
        origin, direction = by_hand(made, image, row, column)
        radius = 1.0 / float(made.cameras.intrinsics[image, 1]) * 2 / math.sqrt(12)
        r_var = radius**2 * (m**2 / 4 + 5 / 12 * h**2 - 4 / 15 * h**4 / (3 * m**2 + h**2))
        square = direction**2
        expected = t_var[:, None] * square + r_var[:, None] * (1 - square / square.sum())
        np.testing.assert_allclose(mean.view(-1, 8, 3)[i], origin + t_mean[:, None] * direction, atol=1e-12)
        np.testing.assert_allclose(cov.view(-1, 8, 3)[i], expected, rtol=1e-9)


def test_ndc_rays_equal_the_formulas_one_pixel_at_a_time() -> None:
    made = scene(ndc=True)
    bundle = pixel_rays(made, *EVERY, dtype=torch.float64)
    for i, (image, row, column) in enumerate(zip(*(x.tolist() for x in EVERY), strict=True)):
        straight = by_hand(made, image, row, column)
        origin, direction = to_ndc(made, *straight)

        def start(r: int, c: int, image: int = image) -> np.ndarray:
            return to_ndc(made, *by_hand(made, image, r, c))[0]

        up, left = (index if index < size - 1 else size - 3 for index, size in ((row, H), (column, W)))
        dx = np.linalg.norm(start(up, column) - start(up + 1, column))
        dy = np.linalg.norm(start(row, left) - start(row, left + 1))
        length = np.linalg.norm(direction)
        np.testing.assert_allclose(bundle.origins[i], origin, atol=1e-12)
        np.testing.assert_allclose(bundle.directions[i] * length, direction, atol=1e-12)
        np.testing.assert_allclose(bundle.viewdirs[i], straight[1] / np.linalg.norm(straight[1]), atol=1e-12)
        np.testing.assert_allclose(bundle.radii[i], 0.5 * (dx + dy) * 2 / math.sqrt(12), rtol=1e-10)
        np.testing.assert_allclose([bundle.near[i], bundle.far[i]], [0.0, length], rtol=1e-12)
        assert origin[2] == pytest.approx(-1) and (origin + direction)[2] == pytest.approx(1)


def test_ndc_radii_are_those_of_mip_nerf_s_arrays_up_to_the_last_row_and_column() -> None:
    """mip-NeRF appends dx[-2:-1] to the H − 1 distances between rows: the last row gets the second to last distance."""
    made = scene(ndc=True)
    view = made.cameras.view(0)
    found = view_rays(made, view, dtype=torch.float64)
    starts = found.origins.numpy().reshape(H, W, 3)
    rows = np.sqrt(np.sum((starts[:-1] - starts[1:]) ** 2, -1))
    columns = np.sqrt(np.sum((starts[:, :-1] - starts[:, 1:]) ** 2, -1))
    rows = np.concatenate([rows, rows[-2:-1]], 0)
    columns = np.concatenate([columns, columns[:, -2:-1]], 1)
    np.testing.assert_allclose(found.radii.view(H, W), 0.5 * (rows + columns) * 2 / np.sqrt(12), rtol=1e-10)


@pytest.mark.parametrize("size", [1, 2])
def test_images_of_one_or_two_pixels_have_radii(size: int) -> None:
    c2w = torch.eye(4, dtype=torch.float64)[:3]
    for lens in ("pinhole", "opencv"):
        parameters = () if lens == "pinhole" else (0.0, 0.0, 0.0, 0.0)
        camera = Camera(size, size, 2.0, 2.0, size / 2, size / 2, 0.5, lens, parameters)
        radii = view_rays(RaySpace(0.0, 1.0, warp=Ndc(1.0, 1.0)), View(c2w, camera)).radii
        assert radii.isfinite().all() and (radii > 0).all()


def test_points_on_ndc_rays_lie_on_the_scene_rays_and_give_their_distances() -> None:
    made = scene(ndc=True)
    view = made.cameras.view(1)
    bundle = view_rays(made, view, dtype=torch.float64)
    t = 0.7 * bundle.far
    points = made.to_world(bundle.origins + t[:, None] * bundle.directions)
    offsets = points - view.c2w[:, 3]
    distances = (offsets * bundle.viewdirs).sum(-1)
    torch.testing.assert_close(offsets, distances[:, None] * bundle.viewdirs)
    torch.testing.assert_close(RaySpace.of(made).distances(view, bundle, t), distances)
    furthest = RaySpace.of(made).distances(view, bundle, bundle.far)
    assert bool(torch.isfinite(furthest).all()) and float(furthest.min()) > 5e3
    assert made.warp is not None
    torch.testing.assert_close(made.warp.points(points), bundle.origins + t[:, None] * bundle.directions)


def test_distances_without_a_warp_are_t() -> None:
    made = scene()
    bundle = view_rays(made, made.cameras.view(0))
    assert torch.equal(RaySpace.of(made).distances(made.cameras.view(0), bundle, bundle.far), bundle.far)


def test_data_points_undo_the_warp_and_then_the_similarity() -> None:
    similarity = torch.eye(4, dtype=torch.float64)
    similarity[:3] = torch.tensor([[0, -2, 0, 1], [2, 0, 0, 2], [0, 0, 2, 3]])
    point = torch.tensor([[0.5, 1.0, -4.0]], dtype=torch.float64)
    expected = torch.tensor([[1 - 2.0, 2 + 1.0, 3 - 8.0]], dtype=torch.float64)
    torch.testing.assert_close(scene(to_data=similarity).data_points(point), expected)
    warped = Ndc(2 * 6.0 / W, 2 * 6.5 / H).points(point)
    torch.testing.assert_close(scene(ndc=True, to_data=similarity).data_points(warped), expected)
    assert scene(to_data=similarity).data_points(point.float()).dtype == torch.float32


@pytest.mark.parametrize("ndc", [False, True])
def test_rays_meet_the_points_that_their_pixels_see(ndc: bool) -> None:
    made = scene(ndc=ndc)
    for index in range(V):
        view = made.cameras.view(index)
        bundle = view_rays(made, view, dtype=torch.float64)
        points = made.to_world(bundle.origins + 0.5 * bundle.directions)
        columns, rows = torch.arange(W), torch.arange(H)
        expected = torch.stack([columns.repeat(H), rows.repeat_interleave(W)], 1).double()
        torch.testing.assert_close(project(view, points)[0], expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("model", "parameters"), [("pinhole", ()), ("opencv", (0.1, -0.05, 0.01, 0.02)),
                                                   ("opencv_fisheye", (0.1, 0.02, 0.0, 0.0))])  # fmt: skip
def test_drawn_pixels_have_the_rays_of_their_views_looked_up_or_not(
    model: str, parameters: tuple[float, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = scene(model, parameters)
    views = [view_rays(made, made.cameras.view(index)) for index in range(V)]
    drawn = [PixelRays(made)(*EVERY)]
    monkeypatch.setattr(rays_module, "_MAX_TABLE_PIXELS", 0)
    drawn.append(PixelRays(made)(*EVERY))
    for bundle in drawn:
        for name in ("origins", "directions", "viewdirs", "near", "far", "radii"):
            expected = torch.cat([getattr(view, name) for view in views])
            torch.testing.assert_close(getattr(bundle, name), expected, rtol=1e-6, atol=1e-6)


def test_distorted_rays_pass_through_their_pixels_and_have_their_radii() -> None:
    made = scene("opencv", (0.1, -0.05, 0.01, 0.02), limits_along="axis")
    view = made.cameras.view(0)
    bundle = view_rays(made, view, dtype=torch.float64)
    columns, rows = torch.arange(W).repeat(H), torch.arange(H).repeat_interleave(W)
    lens = torch.tensor(view.camera.distortion, dtype=torch.float64)
    local = directions(torch.stack([columns, rows], 1), view.camera.intrinsics, 0.5, "opencv", lens)
    points = local @ view.c2w[:, :3].T  # relative to the camera, at unit depth
    length = points.norm(dim=-1)
    grid = points.view(H, W, 3)
    apart = (grid[1:] - grid[:-1]).norm(dim=-1)
    radii = torch.cat([apart, apart[-2:-1]]).view(-1) * 2 / math.sqrt(12) / length
    torch.testing.assert_close(bundle.directions, points / length[:, None])
    torch.testing.assert_close(bundle.radii, radii)
    torch.testing.assert_close(bundle.near, 2 * length)


def test_a_lens_without_distortion_has_the_rays_of_a_pinhole() -> None:
    plain, lens = scene(), scene("opencv", (0.0, 0.0, 0.0, 0.0))
    for name in ("origins", "directions", "radii", "near", "far"):
        a, b = (getattr(pixel_rays(made, *EVERY, dtype=torch.float64), name) for made in (plain, lens))
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-7)


def test_float32_rays_of_large_images_stay_close_to_float64() -> None:
    c2w = scene().cameras.c2w
    made = dataclasses.replace(scene(), cameras=Cameras.pinhole(c2w, 3000.0, 4000, 3000))
    generator = torch.Generator().manual_seed(0)
    images, rows, columns = (torch.randint(0, n, (2000,), generator=generator) for n in (V, 3000, 4000))
    narrow, wide = (pixel_rays(made, images, rows, columns, dtype) for dtype in (torch.float32, torch.float64))
    for name in ("origins", "directions", "viewdirs", "radii"):
        a, b = getattr(narrow, name), getattr(wide, name)
        assert a.dtype == torch.float32 and b.dtype == torch.float64
        torch.testing.assert_close(a.double(), b, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("ndc", [False, True])
def test_gradients_by_camera_pose_equal_finite_differences(ndc: bool) -> None:
    made = scene(ndc=ndc)
    images, rows, columns = torch.tensor([0, 2]), torch.tensor([1, 4]), torch.tensor([6, 2])

    def ends(c2w: torch.Tensor) -> tuple[torch.Tensor, ...]:
        moved = dataclasses.replace(made, cameras=dataclasses.replace(made.cameras, c2w=c2w))
        bundle = pixel_rays(moved, images, rows, columns, torch.float64)
        return bundle.origins, bundle.directions, bundle.viewdirs, bundle.radii, bundle.far

    assert torch.autograd.gradcheck(ends, made.cameras.c2w.clone().requires_grad_())


def test_pieces_of_a_view_are_the_view() -> None:
    made = scene()
    view = made.cameras.view(1, image_id=4)
    whole = view_rays(made, view)
    pieces = [view_rays(made, view, start, start + 8) for start in range(0, H * W, 8)]
    assert torch.equal(torch.cat([piece.directions for piece in pieces]), whole.directions)
    assert whole.image_ids is not None and whole.image_ids.tolist() == [4] * (H * W)
    assert len(view_rays(made, view, 8, 8)) == 0


def test_one_row_of_pixels_has_radii_too() -> None:
    view = View(scene().cameras.c2w[0], Camera(4, 1, 2.0, 2.0, 2.0, 0.5, 0.5, "opencv", (0.0, 0.0, 0.0, 0.0)))
    bundle = view_rays(RaySpace(1.0, 2.0), view, dtype=torch.float64)
    torch.testing.assert_close(bundle.radii[1], 0.5 * 2 / math.sqrt(12) / torch.tensor([-0.25, 0, -1]).double().norm())


def test_ndc_refuses_views_that_do_not_look_forward_and_names_them() -> None:
    made = dataclasses.replace(scene(), ndc=True, near=0.0, far=1.0, names=["a.png", "b.png", "c.png"])
    looks_back = dataclasses.replace(made.cameras, c2w=made.cameras.c2w.clone())
    looks_back.c2w[:] = scene(ndc=True).cameras.c2w
    looks_back.c2w[1, :, 2] *= -1
    looks_back.c2w[1, :, 0] *= -1
    with pytest.raises(DatasetError, match=r"-z; these do not: b\.png"):
        PixelRays(dataclasses.replace(made, cameras=looks_back))


def test_the_warped_box_holds_every_ndc_ray_and_no_more() -> None:
    made = scene(ndc=True)
    ends = []
    for index in range(V):
        fx, fy, cx, cy = made.cameras.intrinsics[index].tolist()
        for u, v in [(0, 0), (W, 0), (0, H), (W, H)]:
            c2w = made.cameras.c2w[index].numpy()
            local = np.array([(u - cx) / fx, -(v - cy) / fy, -1.0])
            origin, direction = to_ndc(made, c2w[:, 3], c2w[:, :3] @ local)
            ends += [origin, origin + direction]
    assert warped_box(made).radius == pytest.approx(np.abs(ends).max())
