"""Findings about the images of a split, which inspect and train share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from radfield_core.data.images import MemoryImages
from radfield_core.inspection import image_checks
from radfield_core.inspection.image_checks import ImageChecks, image_warnings
from radfield_core.testing.captures import toy_capture


def with_images(images):
    return replace(toy_capture(len(images)), images=MemoryImages([torch.from_numpy(image) for image in images]))


def noise(n, channels=3):
    return list(np.random.default_rng(0).integers(0, 256, (n, 24, 32, channels), dtype=np.uint8))


def test_blurred_equal_and_uniform_images_are_named_in_the_warnings():
    images = noise(8)
    images[2] = images[5]
    images[3] = np.full_like(images[3], 9)
    warnings = image_warnings(with_images(images))
    assert [w for w in warnings if "blurred" in w and "view_003" in w]
    assert "1 pair of images looks the same: view_002 = view_005" in warnings
    assert "view_003: the image has a single color" in warnings
    assert image_warnings(with_images(noise(8))) == []


@pytest.mark.parametrize(("opaque", "warned"), [(7, True), (8, False)])  # of 768 pixels
def test_images_that_are_transparent_nearly_everywhere_are_named(opaque, warned):
    images = noise(3, channels=4)
    for image in images:
        image[..., 3] = 255
    images[1][..., 3] = 0
    images[1].reshape(-1, 4)[:opaque, 3] = 128
    found = [warning for warning in image_warnings(with_images(images)) if "transparent" in warning]
    assert found == (["1 image is transparent nearly everywhere: view_001"] if warned else [])


def test_images_that_cannot_be_read_count_for_nothing():
    scene = with_images(noise(6))
    checks = ImageChecks(scene)
    for view in range(6):
        checks.add(None if view == 4 else scene.images[view].numpy())
    facts, warnings = checks.findings()
    assert dict(facts)["pixels"] == "RGB; 5 images can be read" and warnings == []


def test_images_that_take_too_long_are_not_checked_and_this_is_said(monkeypatch):
    monkeypatch.setattr(image_checks, "MAX_CHECKED_PIXELS", 3 * 24 * 32 - 1)
    (warning,) = image_warnings(with_images(noise(3)))
    assert "radfield data inspect" in warning
