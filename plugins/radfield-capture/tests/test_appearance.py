"""encoding:appearance in the fields of other plugins: where it fits, what it changes, and what evaluation sees."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from radfield_capture.appearance import Appearance
from radfield_capture.image_config import AppearanceConfig

from radfield_core import BuildContext, RaySamples, SceneBox, UsageError, compose, get_registry
from radfield_core.config import fit
from radfield_core.testing.toys import toy_rays

FIELDS = {
    "ngp": ("ngp-small", ["field.encoding=frequency"]),
    "nerf": ("nerf-small", ["field.width=8", "field.depth=2", "field.skip_layer=none"]),
    "mipnerf": ("mipnerf-small", ["field.width=8", "field.depth=2", "field.skip_layer=none"]),
    "neus": ("neus-fast", ["field.width=16", "field.n_layers=1", "field.color_width=8", "field.encoding=frequency"]),
    "inverted-sphere": ("nerf-small", ["field=inverted-sphere", "field.width=8", "field.n_layers=1"]),
}


def built(name: str, *words: str):
    method, options = FIELDS[name]
    run = compose(get_registry(), method=method, overrides=[*options, *words], needs_data=False).run
    torch.manual_seed(0)
    return BuildContext(bounds=SceneBox(torch.zeros(3), 1.5), n_images=4, run=run).make(run.field).eval()


def samples_of(ids: torch.Tensor | None) -> RaySamples:
    rays = replace(toy_rays(2), image_ids=ids)
    return RaySamples.from_edges(rays, torch.linspace(3.0, 5.0, 6).expand(2, 6).contiguous())


def test_features_of_images_and_their_mean() -> None:
    part = Appearance(AppearanceConfig(n_features=3, std=1.0), BuildContext(SceneBox(torch.zeros(3), 1.0), n_images=4))
    ids = torch.tensor([2, 0, 2])
    expected = torch.stack([part.features[i] for i in ids.tolist()])
    assert torch.equal(part(ids), expected)
    torch.testing.assert_close(part(None)[0], sum(part.features[i] for i in range(4)) / 4)


@pytest.mark.parametrize("name", FIELDS)
def test_field_has_colors_of_each_image_and_of_the_mean(name: str) -> None:
    field = built(name, "field.appearance_encoding=appearance", "field.appearance_encoding.std=1.0")
    one, other, mean = (field(samples_of(ids)) for ids in (torch.tensor([0, 0]), torch.tensor([3, 3]), None))
    assert not torch.allclose(one.rgb, other.rgb), "the color depends on the image"
    for outputs in (one, other):
        given = outputs.density if outputs.density is not None else outputs.alpha
        assert torch.equal(given, mean.density if mean.density is not None else mean.alpha), "the surface does not"
    with torch.no_grad():
        field.appearance_encoding.features[:] = field.appearance_encoding(None)
    torch.testing.assert_close(field(samples_of(torch.tensor([1, 2]))).rgb, mean.rgb)


@pytest.mark.parametrize("name", [name for name in FIELDS if name != "inverted-sphere"])
def test_point_colors_take_images(name: str) -> None:
    field = built(name, "field.appearance_encoding=appearance", "field.appearance_encoding.std=1.0")
    x, ids = 0.5 * torch.rand(5, 3), torch.tensor([0, 1, 2, 3, 0])
    directions = torch.nn.functional.normalize(torch.randn(5, 3), dim=-1)
    for viewdirs in (None, directions):
        colors = field.point_color(x, viewdirs, ids)
        mean = field.point_color(x, viewdirs)
        with torch.no_grad():
            features = field.appearance_encoding.features.clone()
            field.appearance_encoding.features[:] = features.mean(0)
            torch.testing.assert_close(field.point_color(x, viewdirs, ids), mean)
            field.appearance_encoding.features.copy_(features)
        assert not torch.allclose(colors, mean)


@pytest.mark.parametrize("name", FIELDS)
def test_without_the_encoding_a_field_has_the_parameters_that_it_always_had(name: str) -> None:
    plain, with_it = built(name), built(name, "field.appearance_encoding=appearance")
    added = set(with_it.state_dict()) - set(plain.state_dict())
    assert added == {"appearance_encoding.features"}
    assert not plain.state_dict().keys() - with_it.state_dict().keys()


def test_nerf_without_directions_can_have_appearance() -> None:
    field = built("nerf", "field.direction_encoding=none", "field.appearance_encoding=appearance")
    assert field(samples_of(torch.tensor([0, 1]))).rgb.shape == (10, 3)
    assert field.point_color(torch.zeros(2, 3)).shape == (2, 3)


@pytest.mark.parametrize(
    ("word", "facts"),
    [
        ("field.encoding=appearance", ["'appearance' does not provide", "points", "field.encoding="]),
        ("field.direction_encoding=appearance", ["'appearance' does not provide directions"]),
        ("field.appearance_encoding=sh", ["'sh' does not provide images", "field.appearance_encoding=appearance"]),
    ],
)
def test_encodings_in_slots_where_they_do_not_fit_are_refused(word: str, facts: list[str]) -> None:
    run = compose(get_registry(), method="ngp-small", overrides=[word], needs_data=False).run
    with pytest.raises(UsageError) as caught:
        fit.check(run, get_registry())
    assert all(fact in str(caught.value) for fact in facts), str(caught.value)
