"""Whether a preset suits the data: what the data shows is recognized, and what does not fit is warned of."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from radfield_core.config.layers import compose
from radfield_core.data.images import MemoryImages
from radfield_core.data.scene import Scene
from radfield_core.plugins.registry import get_registry
from radfield_core.testing.captures import toy_capture
from radfield_core.testing.training import toy_scene
from radfield_core.train.suitability import content_of, described, has_transparency, needed_options, warnings

BOUNDED, OPEN = "synthetic", "colmap"


def run_of(method: str, data: str, *words: str):
    root = ["data.root=x"] if data != "synthetic" else []
    return compose(get_registry(), method=method, overrides=[f"data={data}", *root, *words]).run


def opaque(scene: Scene) -> Scene:
    """The scene with the same RGBA images, of which no pixel is transparent."""
    images = torch.stack([scene.images[i] for i in range(len(scene.images))])
    images[..., 3] = 255
    return replace(scene, images=MemoryImages(images))


ALPHA = toy_scene()
PHOTOS = toy_capture()
FORWARD = replace(toy_capture(forward=True), ndc=True, near=0.0, far=1.0)


@pytest.mark.parametrize(
    ("scene", "data", "content"),
    [
        (ALPHA, BOUNDED, "object"),
        (ALPHA, OPEN, "object"),
        (opaque(ALPHA), BOUNDED, "backdrop"),
        (opaque(ALPHA), OPEN, "capture"),
        (replace(opaque(ALPHA), background=(0.0, 0.0, 0.0)), BOUNDED, "plain"),
        (PHOTOS, OPEN, "capture"),
        (PHOTOS, BOUNDED, "backdrop"),
        (FORWARD, OPEN, "forward"),
        (toy_capture(masks=True), BOUNDED, "scan"),
        (replace(toy_capture(masks=True), masks_mean="counted"), OPEN, "capture"),
    ],
)
def test_what_the_data_shows_is_recognized(scene: Scene, data: str, content: str) -> None:
    assert content_of(run_of("tiny-nerf", data).data, scene) == content


def test_an_alpha_channel_without_a_transparent_pixel_is_no_transparency() -> None:
    assert has_transparency(ALPHA) and not has_transparency(opaque(ALPHA)) and not has_transparency(PHOTOS)


def test_a_preset_that_suits_the_data_is_not_warned_of() -> None:
    for method, data, scene in (
        ("ngp-small", BOUNDED, ALPHA),
        ("ngp-capture", OPEN, PHOTOS),
        ("capture", OPEN, PHOTOS),
        ("nerf-llff", OPEN, FORWARD),
        ("neus-fast", BOUNDED, toy_capture(masks=True)),
    ):
        assert warnings(run_of(method, data), scene, get_registry()) == [], method


def test_a_preset_for_other_data_is_warned_of_with_those_that_fit() -> None:
    (warning,) = warnings(run_of("nerf", OPEN), PHOTOS, get_registry())
    assert "preset nerf is meant for an object on a transparent backdrop" in warning
    assert "the data shows photographs of a place" in warning and "presets that fit: capture, " in warning


def test_a_random_background_without_transparent_images_is_warned_of() -> None:
    found = warnings(run_of("ngp-small", OPEN), PHOTOS, get_registry())
    assert [each for each in found if "method.background=random" in each and "set method.background=black" in each]
    run = run_of("ngp-small", OPEN, "method.background=black")
    assert not [each for each in warnings(run, PHOTOS, get_registry()) if "background=" in each]
    assert needed_options(run_of("ngp-small", BOUNDED), replace(opaque(ALPHA), background=(1.0, 1.0, 1.0))) == []


def test_ndc_of_cameras_all_around_is_warned_of() -> None:
    around = replace(PHOTOS, ndc=True, near=0.0, far=1.0)
    (warning,) = [each for each in warnings(run_of("nerf-llff", "llff"), around, get_registry()) if "NDC" in each]
    assert warning.endswith("; set data.ndc=false")
    assert needed_options(run_of("nerf-llff", "llff"), FORWARD) == []


def test_a_preset_that_does_not_say_what_it_fits_is_never_warned_of(monkeypatch) -> None:
    from radfield_core.config.about import About, Preset
    from radfield_core.train import suitability

    monkeypatch.setattr(suitability, "preset_of", lambda *_: Preset("x", About(), None))
    assert warnings(run_of("nerf", OPEN), PHOTOS, get_registry()) == []


def test_the_description_counts_images_and_states_their_size() -> None:
    choice = run_of("nerf", OPEN).data
    assert described("capture", choice, PHOTOS) == "photographs of a place (colmap: 9 training images, 32×24)"
