"""The paths of all options: of the parts that a preset chooses, or of every installed part."""

from __future__ import annotations

from radfield_core.config.option_paths import part_paths, run_paths


def test_a_methods_paths_are_those_of_the_parts_that_its_preset_chooses(fakes) -> None:
    paths = run_paths(fakes, "study")
    assert {"trainer.max_steps", "scene.near", "field.encoding.n", "field.type", "field", "data.root"} <= set(paths)
    assert "field.encoding.levels" not in paths and "background" not in paths


def test_without_a_method_they_are_those_of_every_part_and_of_the_parts_within(fakes) -> None:
    for method in (None, "nosuch"):
        paths = run_paths(fakes, method)
        assert {"trainer.max_steps", "field.encoding.n", "field.encoding.levels", "data.root"} <= set(paths)


def test_the_options_of_a_kind_are_those_of_all_its_parts(fakes) -> None:
    assert {"n", "levels", "smooth"} <= set(part_paths(fakes, "encoding"))
    assert part_paths(fakes, "exporter") == []
