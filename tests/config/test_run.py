"""The options of a run: defaults are within their ranges, and every option explains itself."""

from __future__ import annotations

import attrs
import pytest

from radfield_core.config.run import BackgroundConfig, EvalConfig, RunConfig, SceneConfig, TrainerConfig

TABLES = (SceneConfig, TrainerConfig, EvalConfig)


@pytest.mark.parametrize("options", TABLES)
def test_every_default_is_within_its_own_range(options: type) -> None:
    for field in attrs.fields(options):
        limits = field.metadata.get("range")
        assert limits is None or limits.fault(getattr(options(), field.name)) is None, field.name


@pytest.mark.parametrize("options", [*TABLES, BackgroundConfig, RunConfig])
def test_every_option_has_one_line_of_help_that_begins_in_lower_case(options: type) -> None:
    for field in attrs.fields(options):
        text = field.metadata["help"]
        assert text and "\n" not in text and not text.endswith("."), field.name
        assert text[0] == text[0].lower() or text.startswith("MiB"), field.name


def test_options_are_immutable_and_given_by_name() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        TrainerConfig().seed = 3  # type: ignore[misc]
    with pytest.raises(TypeError):
        TrainerConfig(5)  # type: ignore[misc]
