"""Training batches: the pixels that are drawn, and the colors they are compared with."""

from __future__ import annotations

import pytest
import torch

from radfield_core.cameras import Cameras
from radfield_core.data.images import MemoryImages
from radfield_core.data.scene import Scene
from radfield_core.render.backgrounds import on_background
from radfield_core.testing.training import ToyMethod, toy_scene
from radfield_core.train.batches import Draw, PixelDrawer
from radfield_core.types import SceneBox, Step


def two_sizes() -> tuple[Scene, list[torch.Tensor]]:
    """A wide view and a tall one whose pixels say where they are."""
    images = []
    for view, (height, width) in enumerate([(2, 5), (4, 3)]):
        rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        images.append(torch.stack([torch.full_like(rows, view), rows, columns], -1).to(torch.uint8))
    c2w = torch.eye(4, dtype=torch.float64)[None, :3].repeat(2, 1, 1)
    cameras = Cameras(c2w, torch.ones(2, 4, dtype=torch.float64), torch.tensor([[5, 2], [3, 4]]))
    weights = torch.tensor([1.0, 4.0])
    return Scene(cameras, MemoryImages(images), 1.0, 2.0, SceneBox(torch.zeros(3), 1.0), loss_weights=weights), images


def test_every_pixel_is_drawn_equally_often_whatever_the_images_sizes() -> None:
    scene, images = two_sizes()
    drawer = PixelDrawer(scene, ToyMethod(), torch.device("cpu"))
    n = 22_000
    views, rows, columns = drawer.draw_pixels(Step(0, 1, 0), n)
    counts = [torch.zeros(image.shape[:2]) for image in images]
    for view, row, column in zip(views.tolist(), rows.tolist(), columns.tolist(), strict=True):
        counts[view][row, column] += 1
    flat = torch.cat([count.flatten() for count in counts])
    expected = n / 22
    assert float(((flat - expected) ** 2 / expected).sum()) < 46.8  # χ² of 21 degrees of freedom, 99.9 %


def test_a_batch_holds_the_pixels_drawn_with_their_image_s_weight() -> None:
    scene, _ = two_sizes()
    drawer = PixelDrawer(scene, ToyMethod(), torch.device("cpu"))
    step = Step(5, 10, 0)
    views, rows, columns = drawer.draw_pixels(step, 100)
    batch = drawer.draw(step, 100)
    assert torch.equal((batch.rgb * 255).round().long(), torch.stack([views, rows, columns], -1))
    assert batch.rays is not None and torch.equal(batch.rays.image_ids, views)
    weights = torch.tensor([1.0, 4.0])[views]
    torch.testing.assert_close(batch.loss_weights, weights / weights.mean())
    assert not torch.equal(drawer.draw(Step(6, 10, 0), 100).rgb, batch.rgb)
    assert torch.equal(drawer.draw(step, 100).rgb, batch.rgb), "the same step draws the same pixels"


def test_all_pixels_of_a_step_come_from_one_image_and_every_image_has_its_turn() -> None:
    scene, images = two_sizes()
    drawer = PixelDrawer(scene, ToyMethod(), torch.device("cpu"), draw=Draw(one_image=True))
    seen = [0, 0]
    counts = [torch.zeros(image.shape[:2]) for image in images]
    for index in range(400):
        views, rows, columns = drawer.draw_pixels(Step(index, 400, 0), 60)
        assert len(set(views.tolist())) == 1
        view = int(views[0])
        seen[view] += 1
        counts[view].index_put_((rows, columns), torch.ones(60), accumulate=True)
    assert abs(seen[0] - 200) < 33  # 3.3 standard deviations of a fair coin
    for count, times in zip(counts, seen, strict=True):
        expected = 60 * times / count.numel()
        assert float(((count - expected) ** 2 / expected).sum()) < 33  # χ² of 11 degrees of freedom, 99.9 %: 31.3


def test_the_first_steps_draw_only_from_the_centers_of_images() -> None:
    scene, _ = two_sizes()  # 2 × 5 and 4 × 3 pixels: half of each side is 1 × 2 and 2 × 2
    drawer = PixelDrawer(scene, ToyMethod(), torch.device("cpu"), draw=Draw(center=0.5, center_steps=3))
    found = {tuple(p) for p in torch.stack(drawer.draw_pixels(Step(2, 10, 0), 500), -1).tolist()}
    assert found == {(0, 0, 1), (0, 0, 2), *((1, row, column) for row in (1, 2) for column in (0, 1))}
    everywhere = {tuple(p) for p in torch.stack(drawer.draw_pixels(Step(3, 10, 0), 2000), -1).tolist()}
    assert len(everywhere) == 22


def test_equal_sizes_are_drawn_as_unequal_ones_are() -> None:
    drawer = PixelDrawer(toy_scene(), ToyMethod(), torch.device("cpu"))
    fast = drawer.draw_pixels(Step(0, 1, 0), 500)
    drawer._size = None
    for a, b in zip(fast, drawer.draw_pixels(Step(0, 1, 0), 500), strict=True):
        assert torch.equal(a, b)


def test_straight_alpha_is_laid_over_the_background() -> None:
    pixels = torch.tensor([[200, 100, 0, 255], [200, 100, 0, 0], [200, 100, 0, 51]], dtype=torch.uint8)
    background = torch.tensor([[1.0, 0.5, 0.25]]).expand(3, 3)
    expected = torch.stack([pixels[0, :3] / 255, background[0], 0.2 * pixels[0, :3] / 255 + 0.8 * background[0]])
    torch.testing.assert_close(on_background(pixels, background), expected)
    torch.testing.assert_close(on_background(pixels, None)[2], 0.2 * pixels[0, :3] / 255)
    torch.testing.assert_close(on_background(pixels[:, :3], background)[1], pixels[1, :3] / 255)
    torch.testing.assert_close(on_background(pixels[:, :1], None)[0], torch.full((3,), 200 / 255))


def test_images_said_to_be_on_a_color_are_compared_on_that_color() -> None:
    scene, _ = two_sizes()
    scene = Scene(scene.cameras, scene.images, 1.0, 2.0, scene.box, background=(0.0, 0.5, 1.0))
    batch = PixelDrawer(scene, ToyMethod(), torch.device("cpu")).draw(Step(0, 1, 0), 4)
    assert torch.equal(batch.background, torch.tensor([[0.0, 0.5, 1.0]]).expand(4, 3))


def test_a_method_of_whole_images_gets_a_view_with_its_image() -> None:
    method = ToyMethod()
    method.batching = "images"
    scene, images = two_sizes()
    batch = PixelDrawer(scene, method, torch.device("cpu")).draw(Step(0, 1, 0), 99)
    assert batch.rays is None and batch.view is not None and batch.view.image_id is not None
    image = images[batch.view.image_id]
    width, height = batch.view.camera.width, batch.view.camera.height
    for row in range(height):
        for column in range(width):
            assert (batch.rgb[row * width + column] * 255).round().tolist() == image[row, column].tolist()
    assert len(batch.rgb) == width * height
    assert batch.background is not None and batch.background.shape == batch.rgb.shape


@pytest.mark.parametrize("weights", [[1.0, 4.0, 16.0], [0.0, 0.0, 2.0], [0.0, 0.0, 0.0]])
def test_loss_weights_have_the_proportions_of_their_images_and_mean_one(weights: list[float]) -> None:
    cameras = Cameras.pinhole(torch.eye(4, dtype=torch.float64)[:3].expand(3, 3, 4).clone(), 10.0, 4, 4)
    images = MemoryImages(torch.arange(3, dtype=torch.uint8)[:, None, None, None].expand(3, 4, 4, 3).contiguous())
    scene = Scene(
        cameras,
        images,
        2.0,
        6.0,
        SceneBox(torch.zeros(3), 1.0),
        loss_weights=torch.tensor(weights, dtype=torch.float64),
    )
    batch = PixelDrawer(scene, ToyMethod(), torch.device("cpu")).draw(Step(0, 10, 0), 500)
    raw = torch.tensor(weights)[(batch.rgb[:, 0] * 255).round().to(torch.int64)]
    torch.testing.assert_close(batch.loss_weights * raw.mean(), raw)
    if raw.any():
        assert float(batch.loss_weights.mean()) == pytest.approx(1.0, rel=1e-5)


class Reducing(ToyMethod):
    """A method of whole images, which have half their size in steps before 300."""

    batching = "images"

    def reduction(self, step: Step) -> float:
        return 2.0 if step.index < 300 else 1.0


def test_reduced_images_are_dropped_when_no_step_uses_them_any_more() -> None:
    drawer, sizes, kept = PixelDrawer(toy_scene(), Reducing(), torch.device("cpu")), [], []
    for index in (0, 299, 300, 499, 500, 501):
        sizes.append(len(drawer.draw(Step(index, 999, 0), 1).rgb))
        kept.append(len(drawer._smaller))
    assert sizes[0] == sizes[1] == sizes[2] // 4 and len(set(sizes[2:])) == 1
    assert kept == [1, 1, 1, 1, 0, 0]
    again = drawer.draw(Step(299, 999, 0), 1)  # after a rollback
    assert torch.equal(
        again.rgb, PixelDrawer(toy_scene(), Reducing(), torch.device("cpu")).draw(Step(299, 999, 0), 1).rgb
    )
