"""Options of depth and normal images."""

from __future__ import annotations

import pytest

from radfield_core.config.layers import compose_data
from radfield_core.errors import UsageError
from radfield_core.plugins.registry import get_registry


def test_a_format_with_poses_and_surfaces_has_both_kinds_of_options(tmp_path) -> None:
    words = ["data.type=transforms", "data.axes=opencv", "data.depth_along=ray", "data.depth_unit=0.01"]
    config = compose_data(get_registry(), tmp_path, words)[0].config
    assert (config.stored_axes(), config.depth_along, config.depth_unit) == ("RDF", "ray", 0.01)
    assert (config.normal_axes, config.holdout) == ("opencv", 8)


@pytest.mark.parametrize("word", ["depth_unit=0", "depth_along=z", "normal_axes=left"])
def test_values_without_a_meaning_are_refused(word, tmp_path) -> None:
    with pytest.raises(UsageError):
        compose_data(get_registry(), tmp_path, ["data.type=transforms", f"data.{word}"])
