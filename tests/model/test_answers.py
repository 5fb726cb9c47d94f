"""What the declaration of a method says about its own model is compared with what the model answers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from radfield_core.errors import PluginError
from radfield_core.model.answers import check_answers
from radfield_core.plugin import Component, component
from radfield_core.testing.toys import BlobField, SphereField


def method(*provides: str, slots: tuple[str, ...] = ()) -> Component:
    declared = component("method", "it", impl="m:A", config="m:B", summary="s", provides=provides, slots=slots)
    return declared._replace(distribution="acme-it")


def model(answering: object) -> Any:
    return SimpleNamespace(queries=lambda: answering)


@pytest.mark.parametrize(
    ("answering", "provides"),
    [(BlobField(), {"density"}), (SphereField(), {"sdf", "normals"}), (None, set()), (BlobField(), set())],
)
def test_a_model_that_answers_what_is_declared_passes(answering: object, provides: set[str]) -> None:
    check_answers(model(answering), method(*provides))


def test_each_missing_query_is_named_with_its_interface() -> None:
    with pytest.raises(PluginError, match=r"provides density and point_color, but SimpleNamespace\.queries") as caught:
        check_answers(model(SphereField()), method("density", "point_color", "sdf"))
    (problem,) = caught.value.problems
    assert problem.path == "method:it (acme-it)" and "returns SphereField" in problem.message
    assert "HasDensity and HasColor" in problem.hint
    with pytest.raises(PluginError, match="queries returns None"):
        check_answers(model(None), method("sdf"))


def test_a_method_with_a_field_is_left_to_the_laws_of_its_field() -> None:
    check_answers(model(None), method("density", slots=("field",)))
