"""A part under test is built, and put into a run whose other slots hold toys."""

from __future__ import annotations

import pytest
import torch

from radfield_core.errors import UsageError
from radfield_core.plugins.registry import Registry
from radfield_core.testing.kit import part_under_test
from radfield_core.testing.toy_parts import toy_plugin
from radfield_core.testing.under_test import PartUnderTest, qualified_name, with_toys
from radfield_core.types import SceneBox


def test_the_toys_are_offered_beside_what_is_installed() -> None:
    registry = with_toys()
    for component in toy_plugin().components:
        assert registry.find(component.kind, qualified_name(component)) == component
    assert registry.find("renderer", "volume").distribution == "radfield-core"


def test_the_toys_are_offered_once_even_if_they_are_there_already() -> None:
    registry = with_toys(with_toys())
    assert registry.find("method", "toy").distribution == "radfield-toys"
    assert [plugin.name for plugin in registry.plugins].count("toys") == 1


def test_a_part_is_built_for_the_region_it_is_given() -> None:
    hash_grid = part_under_test("encoding:hash")
    near, far = hash_grid.build(), hash_grid.build(bounds=SceneBox(torch.tensor([30.0, -20.0, 10.0]), 6.0))
    x = hash_grid.inputs(5)
    torch.testing.assert_close(far(x * 4 + torch.tensor([30.0, -20.0, 10.0])), near(x), atol=1e-6, rtol=1e-3)


def test_building_a_part_is_seeded_and_leaves_torchs_generator_alone() -> None:
    tested = part_under_test("radfield-toys:field:toy")
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one, same, other = tested.build(1), tested.build(1), tested.build(2)
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(one.hidden.weight, same.hidden.weight)
    assert not torch.equal(one.hidden.weight, other.hidden.weight)


def test_encodings_of_directions_get_unit_vectors_and_others_get_points() -> None:
    directions = part_under_test("encoding:sh").inputs(20)
    torch.testing.assert_close(directions.norm(dim=-1), torch.ones(20))
    points = part_under_test("radfield-toys:encoding:toy").inputs(200, dtype=torch.float64)
    assert points.dtype == torch.float64 and 1.2 < float(points.abs().max()) <= 1.4


@pytest.mark.parametrize(
    ("key", "place"),
    [
        ("radfield-toys:encoding:toy", "field.encoding"),
        ("encoding:sh", "field.direction_encoding"),
        ("radfield-toys:field:toy-surface", "field"),
        ("sampler:importance", "sampler"),
        ("renderer:volume", "renderer"),
        ("radfield-toys:method:toy", "method"),
    ],
)
def test_the_part_is_in_its_slot_of_the_run(key: str, place: str) -> None:
    choice = part_under_test(key).run_config()
    for name in place.split("."):
        choice = getattr(choice, name) if not hasattr(choice, "config") else getattr(choice.config, name)
    assert choice.component.key == key.removeprefix("radfield-toys:")


def test_options_of_the_part_and_of_the_run_reach_the_run() -> None:
    tested = part_under_test("sampler:importance", options={"n_samples": 9}, run={"field": {"width": 5}})
    run = tested.run_config(7, {"n_rays": 11})
    assert run.sampler.config.n_samples == 9 and run.field.config.width == 5
    assert run.trainer.max_steps == 7 and run.trainer.n_rays == 11


def test_an_unknown_option_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="n_sample"):
        part_under_test("sampler:importance", options={"n_sample": 9}).choice  # noqa: B018


def test_a_toy_stands_in_for_a_default_that_is_not_installed() -> None:
    found = part_under_test("field:nerf")
    kept = [plugin for plugin in found.registry.plugins if plugin.distribution != "radfield-frequency"]
    bare = PartUnderTest(found.component, Registry(kept, found.registry.hooks))
    assert found.choice.config.encoding.component.key == "encoding:frequency"
    assert bare.choice.config.encoding.component.key == "encoding:toy"


def test_a_trainer_trains_the_run_in_its_own_folder(tmp_path) -> None:
    tested = part_under_test("radfield-toys:field:toy")
    tested.folder = tmp_path
    trainer = tested.trainer(tested.run_config(2), "here")
    assert trainer.train() == "max_steps"
    assert (tmp_path / "here" / "checkpoints" / "step-000000002").is_dir()
