"""Image metrics against scikit-image and closed forms; evaluation by the protocol."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from radfield_core.render.evaluation import ViewResult, evaluate_views, mean_metrics, results_table, spread
from radfield_core.render.image_metrics import psnr, rounded, ssim, to_uint8
from radfield_core.render.pictures import path_views, pictures, render, save_pictures, save_video, scaled
from radfield_core.testing.training import ToyMethod, toy_scene, toy_trainer
from radfield_core.types import Rendered


def images(seed: int, shape: tuple[int, ...] = (37, 52, 3)) -> tuple[torch.Tensor, torch.Tensor]:
    """A smooth random image and a noisy copy, float64."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 6, 6, generator=generator, dtype=torch.float64)
    image = torch.nn.functional.interpolate(coarse, shape[:2], mode="bicubic")[0].movedim(0, -1).clamp(0, 1)
    return image, (image + 0.1 * torch.randn(shape, generator=generator, dtype=torch.float64)).clamp(0, 1)


@pytest.mark.parametrize("seed", range(4))
def test_ssim_equals_scikit_image(seed: int) -> None:
    image, truth = images(seed)
    expected = structural_similarity(
        image.numpy(), truth.numpy(), gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1.0,
        channel_axis=-1,
    )  # fmt: skip
    assert ssim(image, truth) == pytest.approx(expected, abs=1e-9)
    assert ssim(image.float(), truth.float()) == pytest.approx(expected, abs=1e-4)


def test_psnr_equals_scikit_image() -> None:
    image, truth = images(0)
    expected = peak_signal_noise_ratio(truth.numpy(), image.numpy(), data_range=1.0)
    assert psnr(image, truth) == pytest.approx(expected, abs=1e-9)


def test_equal_images_are_perfect() -> None:
    image, _ = images(0)
    assert psnr(image, image) == math.inf and ssim(image, image) == pytest.approx(1.0)


def test_a_mask_counts_only_what_is_inside() -> None:
    image, truth = images(1)
    mask = torch.zeros(37, 52, dtype=torch.float64)
    mask[8:20, 10:30] = 1.0
    assert psnr(image, truth, mask) == pytest.approx(psnr(image[8:20, 10:30], truth[8:20, 10:30]))
    other = image.clone()
    other[30:] = 0.0
    assert psnr(other, truth, mask) == psnr(image, truth, mask)
    assert ssim(image, truth, torch.ones_like(mask)) == pytest.approx(ssim(image, truth))
    window = mask[5:-5, 5:-5].bool()
    values = structural_similarity(
        image.numpy(), truth.numpy(), gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1.0,
        channel_axis=-1, full=True,
    )[1].mean(-1)[5:-5, 5:-5]  # fmt: skip
    assert ssim(image, truth, mask) == pytest.approx(values[window.numpy()].mean(), abs=1e-9)


def test_an_image_smaller_than_the_window_is_refused() -> None:
    small = torch.zeros(10, 40, 3)
    with pytest.raises(ValueError, match="40 × 10"):
        ssim(small, small)


def test_rounding_is_to_the_nearest_of_256_values_and_clamps() -> None:
    x = torch.tensor([-0.2, 0.0, 0.4 / 255, 0.6 / 255, 1.4 / 255, 1.0, 1.7])
    assert to_uint8(x).tolist() == [0, 0, 0, 1, 1, 255, 255]
    assert torch.equal(rounded(x) * 255, to_uint8(x).double())


def test_evaluation_is_of_rounded_images_on_the_evaluation_background(tmp_path: Path) -> None:
    scene, method = toy_scene(), ToyMethod()
    model = toy_trainer(tmp_path).model
    (result,) = evaluate_views(model, method, scene, [2], 50)
    shown = render(model, method, scene, scene.cameras.view(2), 999)
    assert shown.rgb is not None
    pixels = scene.images[2].double() / 255
    truth = pixels[..., :3] * pixels[..., 3:] + (1 - pixels[..., 3:])
    error = (np.round(shown.rgb.numpy().reshape(16, 16, 3) * 255) - np.round(truth.numpy() * 255)) / 255
    assert result.metrics["psnr"] == pytest.approx(-10 * math.log10((error**2).mean()), abs=1e-3)
    assert set(result.metrics) == {"psnr", "ssim"}


def test_the_report_means_over_views() -> None:
    results = [ViewResult("a", {"psnr": 20.0}, 1.0), ViewResult("b", {"psnr": 30.0, "ssim": 0.5}, 1.0)]
    summary = results_table(results, "test", 7)
    assert summary["metrics"] == mean_metrics([r.metrics for r in results]) == {"psnr": 25.0, "ssim": 0.5}
    assert [view["name"] for view in summary["per_image"]] == ["a", "b"]
    assert summary["step"] == 7 and summary["split"] == "test" and "8 bits" in summary["protocol"]


@pytest.mark.parametrize(("n", "count", "expected"), [(10, 1, [5]), (10, 2, [2, 7]), (3, 9, [0, 1, 2]), (0, 4, [])])
def test_views_are_spread_evenly(n: int, count: int, expected: list[int]) -> None:
    assert spread(n, count) == expected


def test_running_out_of_memory_while_rendering_changes_no_pixel(tmp_path: Path) -> None:
    scene, method = toy_scene(), ToyMethod()
    model = toy_trainer(tmp_path).model
    whole = render(model, method, scene, scene.cameras.view(0), 1000)
    sizes: list[int] = []

    def greedy(module: object, inputs: tuple[object, ...]) -> None:
        sizes.append(len(inputs[0].rays))  # type: ignore[attr-defined]
        if sizes[-1] > 60:
            raise torch.OutOfMemoryError("made up")

    model.fields[0].register_forward_pre_hook(greedy)
    parts = render(model, method, scene, scene.cameras.view(0), 200)
    assert sizes[:3] == [200, 100, 50] and max(sizes[2:]) == 50
    assert whole.rgb is not None and parts.rgb is not None
    torch.testing.assert_close(parts.rgb, whole.rgb, rtol=0, atol=1e-6)
    torch.testing.assert_close(parts.depth, whole.depth, rtol=0, atol=1e-5)


def test_pictures_show_near_as_red_far_as_blue_and_nothing_as_black() -> None:
    opacity = torch.ones(4, 6)
    opacity[0] = 0.0
    depth = torch.linspace(1.0, 3.0, 6).expand(4, 6) * opacity
    shown = pictures(Rendered(torch.rand(24, 3), depth.flatten(), opacity.flatten(), torch.rand(24, 3)), 6, 4)
    assert set(shown) == {"rgb", "depth", "opacity", "normals"}
    assert all(picture.shape == (4, 6, 3) and picture.dtype == np.uint8 for picture in shown.values())
    assert not shown["depth"][0].any() and not shown["opacity"][0].any() and (shown["opacity"][1:] == 255).all()
    near, far = shown["depth"][1, 0].astype(int), shown["depth"][1, -1].astype(int)
    assert near[0] > near[2] and far[2] > far[0]


def test_a_scaled_camera_sees_the_same_through_more_pixels() -> None:
    camera = toy_scene().cameras.camera(0)
    twice = scaled(camera, 2.0)
    assert (twice.width, twice.height) == (32, 32)
    for a, b in ((camera, twice),):
        assert b.fx / b.width == a.fx / a.width and b.cx / b.width == a.cx / a.width


def test_every_chunk_of_a_view_is_reported(tmp_path: Path) -> None:
    trainer, scene, told = toy_trainer(tmp_path, ToyMethod(noise=False)), toy_scene(2, size=16), []
    render(trainer.model, trainer.method, scene, scene.cameras.view(0), 100, lambda *pair: told.append(pair))
    assert told == [(100, 256), (200, 256), (256, 256)]


def test_a_video_holds_the_frames_it_was_given(tmp_path: Path) -> None:
    import av

    frames = [np.full((33, 50, 3), value, dtype=np.uint8) for value in (30, 120, 220)]
    path = save_video(iter(frames), tmp_path / "v.mp4", fps=10)
    with av.open(str(path)) as container:
        read = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert [frame.shape for frame in read] == [(32, 50, 3)] * 3
    assert [abs(float(frame.mean()) - value) < 4 for frame, value in zip(read, (30, 120, 220), strict=True)] == [
        True
    ] * 3


@pytest.mark.parametrize("end", [KeyboardInterrupt, OSError])
def test_a_video_that_is_broken_off_leaves_the_one_before(end: type[BaseException], tmp_path: Path) -> None:
    def frames() -> Iterator[np.ndarray]:
        yield from np.zeros((2, 32, 32, 3), dtype=np.uint8)
        raise end

    path = save_video(np.full((3, 32, 32, 3), 90, dtype=np.uint8), tmp_path / "v.mp4")
    before = path.read_bytes()
    with pytest.raises(end):
        save_video(frames(), path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_pictures_that_find_no_room_leave_those_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> int:
        raise OSError(28, "No space left on device")

    (path,) = save_pictures({"rgb": np.zeros((8, 8, 3), dtype=np.uint8)}, tmp_path, "a")
    before = path.read_bytes()
    monkeypatch.setattr("os.write", full)
    with pytest.raises(OSError, match="No space"):
        save_pictures({"rgb": np.full((8, 8, 3), 9, dtype=np.uint8)}, tmp_path, "a")
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_the_smallest_video_has_two_pixels_each_way(tmp_path: Path) -> None:
    (view,) = path_views(toy_scene(size=16), torch.eye(4, dtype=torch.float64)[None, :3], 0.001)
    assert (view.camera.width, view.camera.height) == (2, 2)
    assert save_video([np.zeros((2, 2, 3), dtype=np.uint8)], tmp_path / "v.mp4").stat().st_size > 0
