"""Reduced scenes: pixels against area averages of the whole image, cameras against projected points."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from radfield_core.cameras import directions, project
from radfield_core.data.area_average import area_average
from radfield_core.data.images import FileImages, MemoryImages
from radfield_core.data.masks import WithAlpha
from radfield_core.data.resized import ResizedImages, resized, smaller_sizes
from radfield_core.data.scene import Scene
from radfield_core.errors import DatasetError, UsageError
from radfield_core.testing.captures import toy_capture

LENSES = {
    "pinhole": (),
    "opencv": (-0.3, 0.1, 0.002, -0.001),
    "opencv_fisheye": (-0.2, 0.1, -0.02, 0.005),
}


def _halved(scene: Scene) -> Scene:
    return resized(scene, smaller_sizes(scene.cameras.sizes, 2.0, None))


@pytest.mark.parametrize("lens", LENSES)
@pytest.mark.parametrize("pixel_center", [0.0, 0.5])
@pytest.mark.parametrize("size", [(32, 24), (33, 25)])
def test_a_point_is_projected_to_the_same_place_of_the_image(
    lens: str, pixel_center: float, size: tuple[int, int]
) -> None:
    scene = toy_capture(3, model=lens, distortion=LENSES[lens], size=size)
    scene = replace(scene, cameras=replace(scene.cameras, pixel_center=pixel_center))
    small = _halved(scene)
    assert small.cameras.sizes.tolist() == [[16, 12]] * 3
    assert small.cameras.pixel_center == pixel_center
    for view in range(3):
        pixels, depths = project(scene.cameras.view(view), scene.points)
        reduced, same_depths = project(small.cameras.view(view), scene.points)
        share = (pixels + pixel_center) / torch.tensor(size)  # of the width and of the height
        assert torch.allclose((reduced + pixel_center) / torch.tensor([16, 12]), share, atol=1e-9)
        assert torch.equal(depths, same_depths)


def test_the_ray_of_a_reduced_pixel_is_the_ray_of_the_middle_of_its_area() -> None:
    scene = toy_capture(1, size=(30, 24))
    small = resized(scene, torch.tensor([[10, 8]]))  # a factor of 3: the middle of 3×3 pixels is a pixel's center
    columns, rows = torch.meshgrid(torch.arange(10), torch.arange(8), indexing="xy")
    reduced = directions(torch.stack([columns, rows], -1), small.cameras.intrinsics[0], 0.5)
    middles = torch.stack([3 * columns + 1, 3 * rows + 1], -1)
    assert torch.allclose(reduced, directions(middles, scene.cameras.intrinsics[0], 0.5), atol=1e-12)


def test_views_of_several_sizes_are_each_divided_by_the_factor() -> None:
    sizes = torch.tensor([[40, 30], [21, 15], [0, 0]])
    assert smaller_sizes(sizes, 2.0, None).tolist() == [[20, 15], [10, 8], [0, 0]]
    assert smaller_sizes(sizes, 1.0, 20).tolist() == [[20, 15], [20, 14], [0, 0]]
    assert smaller_sizes(sizes, 1.5, None).tolist() == [[27, 20], [14, 10], [0, 0]]


@pytest.mark.parametrize(("downscale", "option"), [(31.0, "data.downscale"), (1.0, "data.size")])
def test_images_without_a_pixel_are_refused(downscale: float, option: str) -> None:
    with pytest.raises(UsageError, match="40×30 is too small for this") as error:
        smaller_sizes(torch.tensor([[40, 30]]), downscale, None if downscale > 1 else 1)
    assert error.value.problems[0].path == option


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_images_and_masks_are_area_averages(channels: int) -> None:
    draw = np.random.default_rng(0)
    images = [draw.integers(0, 256, (h, w, channels), dtype=np.uint8) for w, h in ((12, 10), (9, 8))]
    source = ResizedImages(MemoryImages([torch.from_numpy(each) for each in images]), torch.tensor([[6, 5], [4, 4]]))
    wanted = [area_average(images[0], 6, 5), area_average(images[1], 4, 4)]
    for prepared in (False, True):
        if prepared:
            source.prepare(16)
        assert [source[view].tolist() for view in range(2)] == [each.tolist() for each in wanted]
    number, row, column = torch.tensor([1, 0]), torch.tensor([3, 4]), torch.tensor([2, 5])
    assert source.gather(number, row, column).tolist() == [wanted[1][3, 2].tolist(), wanted[0][4, 5].tolist()]
    assert source.only([1])[0].tolist() == wanted[1].tolist()
    assert source.path(0) is None


def test_a_mask_that_is_applied_as_alpha_weights_the_colors() -> None:
    color = torch.tensor([[[200, 100, 0], [0, 0, 0]], [[100, 100, 100], [0, 0, 0]]], dtype=torch.uint8)
    mask = torch.tensor([[[255], [0]], [[255], [0]]], dtype=torch.uint8)
    both = WithAlpha(MemoryImages([color]), MemoryImages([mask]))
    assert ResizedImages(both, torch.tensor([[1, 1]]))[0].tolist() == [[[150, 100, 50, 128]]]


def test_files_are_decoded_once_and_only_the_averages_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 256, (3, 8, 6, 3), dtype=np.uint8)
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for path, image in zip(paths, pixels, strict=True):
        Image.fromarray(image).save(path)
    files = FileImages(paths, 3)
    decoded = []
    monkeypatch.setattr(files, "decode", lambda index: (decoded.append(index), FileImages.decode(files, index))[1])
    source = ResizedImages(files, torch.tensor([[3, 4]] * 3))
    source.prepare(16)
    assert [source[view].tolist() for view in range(3)] == [area_average(image, 3, 4).tolist() for image in pixels]
    assert sorted(decoded) == [0, 1, 2] and source.check() == [] and not files._latest


def test_a_file_that_cannot_be_decoded_is_reported_as_without_reduction(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "b.png").write_bytes(whole[: len(whole) // 2])
    files = FileImages([tmp_path / "a.png", tmp_path / "b.png"], 3)
    source = ResizedImages(files, torch.tensor([[4, 3], [4, 3]]))
    assert source.check() == files.check() != []
    with pytest.raises(DatasetError) as error:
        source.prepare(16)
    assert [problem.path for problem in error.value.problems] == [str(tmp_path / "b.png")]
    assert source.check() == files.check()


def test_depths_are_means_of_known_depths_and_normals_stay_unit_vectors() -> None:
    scene = toy_capture(1, size=(4, 2))
    depth = torch.tensor([[1.0, 2.0, torch.inf, torch.inf], [3.0, torch.inf, torch.inf, 9.0]])
    normals = torch.zeros(2, 4, 3)
    normals[:, :2] = torch.tensor([[[1.0, 0, 0], [0, 1, 0]], [[1, 0, 0], [0, 0, 0]]])
    small = _halved(replace(scene, depths=[depth], normals=[normals]))
    assert small.depths is not None and small.normals is not None
    assert small.depths[0].tolist() == [[2.0, torch.inf]] and small.depths[0].dtype == torch.float32
    mean = torch.tensor([2.0, 1.0, 0.0])
    assert torch.allclose(small.normals[0], torch.stack([mean / mean.norm(), torch.zeros(3)])[None])


def test_a_reduced_scene_keeps_weights_groups_and_ndc_and_says_its_size() -> None:
    scene = toy_capture(2, size=(32, 24), masks=True)
    scene = replace(scene, loss_weights=torch.tensor([1.0, 4.0]), groups=["full", "1/2"], ndc=True)
    small = _halved(scene)
    assert small.masks is not None and small.masks[0].shape == (12, 16, 1)
    assert small.loss_weights is scene.loss_weights and small.groups == scene.groups
    assert small.warp == scene.warp  # depends on the field of view, which stays the same
    assert small.chosen[-1] == "images are reduced from 32×24 to 16×12"
    assert resized(scene, scene.cameras.sizes) is scene
