"""The report on the quality of a capture is right: spread, limits, lens, blur and duplicates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from radfield_core.inspection import quality
from radfield_core.testing.captures import toy_capture


def patterned(seed: int, size: int = 64) -> np.ndarray:
    draw = np.random.default_rng(seed)
    small = Image.fromarray(draw.integers(0, 256, (size // 4, size // 4, 3), dtype=np.uint8))
    return np.asarray(small.resize((size, size), Image.Resampling.NEAREST))


def test_coverage_is_the_cameras_spread_and_the_angle_seen_from():
    scene = toy_capture(2)
    c2w = scene.cameras.c2w.clone()
    for i, place in enumerate([(2.0, 0.0, 0.0), (0.0, 2.0, 0.0)]):  # both look at the origin
        z = torch.tensor(place, dtype=torch.float64) / 2
        x = torch.linalg.cross(torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64), z)
        c2w[i] = torch.stack([x, torch.linalg.cross(z, x), z, 2 * z], -1)
    facts, warnings = quality.coverage(replace(scene, cameras=replace(scene.cameras, c2w=c2w)))
    texts = dict(facts)
    assert texts["axes"].endswith("(0.00, 0.00, 1.00)")
    assert texts["baseline"] == "2.83 between neighbors, at most 2.83 between cameras"
    assert texts["coverage"].startswith("the cameras see the focus at a distance of 2, from 90° of 360° around")
    assert not warnings


def test_cameras_that_hardly_move_are_warned_of():
    scene = toy_capture(5)
    c2w = scene.cameras.c2w.clone()
    c2w[:, :, 3] = c2w[:1, :, 3] + 0.001 * torch.arange(5)[:, None]
    _, warnings = quality.coverage(replace(scene, cameras=replace(scene.cameras, c2w=c2w)))
    assert len(warnings) == 1 and "within 0.00693 of each other" in warnings[0]


def test_limits_that_cut_off_what_is_seen_are_warned_of_with_ones_that_hold_it():
    scene = toy_capture(9)
    distances = torch.cdist(scene.cameras.c2w[:, :, 3], scene.points)
    near, far = 0.9 * distances.min().item(), 1.1 * distances.max().item()
    assert quality.limits_against_points(replace(scene, near=near, far=far))[1] == []
    facts, warnings = quality.limits_against_points(replace(scene, near=near, far=distances.median().item()))
    assert "scene.far=" in warnings[0] and facts[0][1].startswith("60; seen")
    suggested = float(warnings[0].split("scene.far=")[1].split()[0])
    assert suggested > distances.quantile(0.98)


def test_a_lens_says_how_far_it_moves_the_corners():
    scene = toy_capture(2, model="simple_radial", distortion=(0.1,), size=(400, 300))
    facts, warnings = quality.lens(scene)
    corner = np.hypot(200, 150) / 400  # where r (1 + 0.1 r²) is the corner's distance, the straight one is r
    roots = np.roots([0.1, 0, 1, -corner])
    straight = roots[np.isreal(roots)].real[0]
    assert facts == [("distort", f"up to {400 * (corner - straight):.1f} px at the border")]
    assert not warnings


def test_a_lens_that_folds_over_inside_the_picture_is_warned_of():
    scene = toy_capture(2, model="simple_radial", distortion=(-1.0,), size=(400, 300))
    _, warnings = quality.lens(scene)
    assert "lens model of 2 views" in warnings[0]


def test_blur_lowers_sharpness_and_is_warned_of_by_name():
    images = [patterned(i) for i in range(6)]
    images[3] = np.asarray(Image.fromarray(images[3]).filter(ImageFilter.GaussianBlur(4)))
    scores = [quality.sharpness(quality.gray(image)) for image in images]
    assert scores[3] < 0.1 * min(scores[:3])
    facts, warnings = quality.blur(toy_capture(6), [*scores[:5], float("nan")])
    assert len(warnings) == 1 and "view_003" in warnings[0] and "1 image is blurred" in warnings[0]
    assert facts[0][0] == "sharp"
    named = quality.blur(toy_capture(6), [100.0, 100.0, 19.9, 20.1, 100.0, 100.0])[1]
    assert len(named) == 1 and "view_002" in named[0] and "view_003" not in named[0], "a fifth of the middle"


def test_sharpness_is_the_variance_of_a_nested_loop():
    image = patterned(1, 16)
    gray = np.asarray(Image.fromarray(image).convert("L"), dtype=float)
    values = [
        gray[y - 1, x] + gray[y + 1, x] + gray[y, x - 1] + gray[y, x + 1] - 4 * gray[y, x]
        for y in range(1, 15)
        for x in range(1, 15)
    ]
    assert quality.sharpness(quality.gray(image)) == pytest.approx(np.var(values))


def test_pictures_that_look_the_same_are_paired_and_others_are_not():
    images = [patterned(i) for i in range(5)]
    images[4] = (images[1].astype(int) + np.random.default_rng(0).integers(-2, 3, images[1].shape)).clip(0, 255)
    thumbnails = [quality.thumbnail(quality.gray(image.astype(np.uint8))) for image in images]
    warnings = quality.duplicates(toy_capture(6), [*thumbnails, None])
    assert warnings == ["1 pair of images looks the same: view_001 = view_004"]
    assert quality.duplicates(toy_capture(6), thumbnails[:4]) == []


def test_a_principal_point_far_from_the_middle_is_warned_of_with_numbers():
    scene = toy_capture(3)  # 32×24
    assert quality.intrinsics(scene) == ([], [])
    for cx, warned in ((16.0 + 7.9, False), (16.0 + 8.1, True), (7.8, True)):
        cameras = replace(scene.cameras, intrinsics=scene.cameras.intrinsics.clone())
        cameras.intrinsics[1, 2] = cx
        _, warnings = quality.intrinsics(replace(scene, cameras=cameras))
        assert bool(warnings) == warned
        if warned:
            assert f"principal point of 1 view is far from the middle of the image: ({cx:.4g}, 12)" in warnings[0]
            assert "view_001, which is 32×24" in warnings[0] and f"about {2 * cx:.0f}×24" in warnings[0]


def test_pixels_that_are_not_square_are_warned_of_with_numbers():
    scene = toy_capture(3)
    cameras = replace(scene.cameras, intrinsics=scene.cameras.intrinsics.clone())
    cameras.intrinsics[2, 1] *= 1.25
    (warning,) = quality.intrinsics(replace(scene, cameras=cameras))[1]
    assert "pixels of 1 view are not square" in warning and "view_002 are 32 and 40" in warning


def _circling(*degrees, height=0.0):
    """Cameras that look at the origin from a distance of 5, at some angles about the z axis."""
    c2w = []
    for degree in degrees:
        turn, up = np.radians(degree), np.radians(height)
        back = np.array([np.cos(turn) * np.cos(up), np.sin(turn) * np.cos(up), np.sin(up)])
        right = np.array([-np.sin(turn), np.cos(turn), 0.0])
        c2w.append(np.stack([right, np.cross(back, right), back, 5 * back], -1))
    scene = toy_capture(len(degrees))
    return replace(scene, cameras=replace(scene.cameras, c2w=torch.from_numpy(np.stack(c2w))))


@pytest.mark.parametrize(
    ("degrees", "height", "expected"),
    [
        (range(0, 360, 15), 10, "from 360° around, with gaps of at most 15°, and from 10° to 10° above its level"),
        ([*range(0, 330, 10)], 20, "from 360° around, with gaps of at most 40°"),
        (range(0, 91, 10), 0, "from 90° of 360° around, and from 0° to 0°"),
        ([350, 0, 20], 5, "from 30° of 360° around"),
    ],
)
def test_coverage_is_the_full_turn_without_its_largest_gap(degrees, height, expected):
    facts = dict(quality.coverage(_circling(*degrees, height=height))[0])
    assert expected in facts["coverage"].replace("-0°", "0°")


def test_coverage_of_rolled_cameras_is_measured_in_the_plane_of_the_cameras():
    scene = _circling(*range(0, 360, 15))
    scene.cameras.c2w[::2, :, :2] *= -1  # upside down: the cameras have no common up
    assert "from 360° around, with gaps of at most 15°" in dict(quality.coverage(scene)[0])["coverage"]


def test_the_toy_is_circled(test_data):
    from radfield_colmap.config import ColmapConfig
    from radfield_colmap.dataparser import Colmap

    scene = Colmap(ColmapConfig(root=str(test_data / "colmap" / "toy"), holdout=0)).parse("train")
    assert "from 360° around, with gaps of at most 15°" in dict(quality.coverage(scene)[0])["coverage"]
