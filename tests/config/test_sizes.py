"""Every size has an upper bound, so that an absurd one is refused before anything is allocated."""

from __future__ import annotations

import importlib
from typing import Any, get_args

import attrs
import pytest

from radfield_core.config.run import EvalConfig, SceneConfig, TrainerConfig
from radfield_core.plugins.registry import get_registry

COUNTS = (
    "steps", "step", "every", "skip", "holdout", "end", "factor", "image_cache_mb", "keep_checkpoints", "eval_views",
    "max_bad_steps",
    "start_levels", "steps_per_level", "skip_layer", "max_faces", "cull_masks", "n_train", "lr_milestones",
)  # fmt: skip
"""Endings of whole numbers that count steps, views or files, or are limited by another size: no memory follows."""


def whole_numbers() -> list[tuple[str, Any]]:
    """The whole-number options of core and of every installed part of the project."""
    classes = {"scene": SceneConfig, "trainer": TrainerConfig, "eval": EvalConfig}
    for part in get_registry().components:
        if part.distribution.startswith("radfield-"):
            module, _, name = part.config.partition(":")
            classes[part.key] = getattr(importlib.import_module(module), name)
    found = []
    for key, kind in classes.items():
        attrs.resolve_types(kind)
        found += [(f"{key} {f.name}", f) for f in attrs.fields(kind) if f.type is int or int in get_args(f.type)]
    return found


@pytest.mark.parametrize(("name", "field"), whole_numbers(), ids=lambda value: value if isinstance(value, str) else "")
def test_a_size_of_a_million_million_is_refused(name: str, field: Any) -> None:
    size_is_bounded = "range" in field.metadata and field.metadata["range"].fault(10**12) is not None
    assert size_is_bounded or name.endswith(COUNTS), f"{name} needs max="
