"""Masks that say which pixels count: the others get no weight in the loss, whatever a batch is made of."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from radfield_core.testing.captures import toy_capture
from radfield_core.testing.training import ToyMethod
from radfield_core.train.batches import PixelDrawer
from radfield_core.types import Step


@pytest.mark.parametrize("weights", [None, torch.arange(1.0, 10.0)])
def test_black_pixels_have_no_weight_and_the_others_a_mean_of_one(weights: torch.Tensor | None) -> None:
    scene = dataclasses.replace(toy_capture(9, masks=True), masks_mean="counted", loss_weights=weights)
    assert scene.masks is not None
    drawer = PixelDrawer(scene, ToyMethod(), torch.device("cpu"))
    step = Step(3, 10, 0)
    batch = drawer.draw(step, 400)
    images, rows, columns = drawer.draw_pixels(step, 400)
    expected = (scene.masks.gather(images, rows, columns)[:, 0] > 0).float()
    expected = expected if weights is None else expected * weights[images]
    assert batch.mask is None and batch.loss_weights is not None
    torch.testing.assert_close(batch.loss_weights, expected / expected.mean())


def test_in_a_whole_view_black_pixels_have_no_weight() -> None:
    scene = dataclasses.replace(toy_capture(9, masks=True), masks_mean="counted")
    method = ToyMethod()
    method.batching = "images"
    batch = PixelDrawer(scene, method, torch.device("cpu")).draw(Step(3, 10, 0), 1)
    assert batch.view is not None and batch.view.image_id is not None and scene.masks is not None
    assert batch.loss_weights is not None and batch.mask is None
    assert torch.equal(batch.loss_weights, (scene.masks[batch.view.image_id][..., 0] > 0).float().flatten())


def test_masks_of_the_object_weigh_nothing() -> None:
    scene = toy_capture(9, masks=True)
    batch = PixelDrawer(scene, ToyMethod(), torch.device("cpu")).draw(Step(3, 10, 0), 50)
    assert batch.loss_weights is None and batch.mask is not None and set(batch.mask.tolist()) == {0.0, 1.0}
