"""The build context: parts of slots, errors that name the distribution, and the model of a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from radfield_core.builtin.config import ImportanceConfig
from radfield_core.builtin.importance import Importance
from radfield_core.config.run import RunConfig
from radfield_core.errors import PluginError
from radfield_core.interfaces import BuildContext, Encoding, Field, Part, Renderer, Sampler
from radfield_core.plugin import Component, component
from radfield_core.testing.toys import ConstantField, importance_sampler, toy_context, volume_renderer
from radfield_core.types import SceneBox


class Identity(Encoding):
    """Coordinates times the scale in the options."""

    def __init__(self, config: float, ctx: BuildContext, in_dim: int):
        super().__init__()
        self.in_dim = self.out_dim = in_dim
        self.scale, self.radius = config, ctx.bounds.radius

    def forward(self, x: Tensor, cov: Tensor | None = None) -> Tensor:
        return self.scale * x


class Filled(NamedTuple):
    """A filled slot."""

    implementation: Callable[..., Any]
    config: Any = None
    component: Component = component(
        "encoding", "odd", impl="acme:Odd", config="acme:OddConfig", summary="a part of another kind"
    )._replace(distribution="acme-odd")

    def load(self) -> Callable[..., Any]:
        return self.implementation


def context() -> BuildContext:
    return BuildContext(bounds=SceneBox(torch.zeros(3), 2.5))


def test_an_encoding_gets_its_options_the_context_and_the_sizes() -> None:
    made = context().encoding(Filled(Identity, 3.0), in_dim=4)  # type: ignore[arg-type]
    assert isinstance(made, Identity) and (made.in_dim, made.scale, made.radius) == (4, 3.0, 2.5)


def test_every_kind_of_part_is_built_from_its_slot() -> None:
    ctx = context()
    built = {
        Field: ctx.field(Filled(lambda config, ctx: ConstantField())),  # type: ignore[arg-type]
        Sampler: ctx.sampler(Filled(lambda config, ctx: importance_sampler())),  # type: ignore[arg-type]
        Renderer: ctx.renderer(Filled(lambda config, ctx: volume_renderer())),  # type: ignore[arg-type]
        Part: ctx.make(Filled(lambda config, ctx, size: ConstantField(size), None), size=0.25),  # type: ignore[arg-type]
    }
    assert all(isinstance(part, kind) for kind, part in built.items())
    assert float(built[Part].sigma.detach()) == 0.25  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", ["encoding", "sampler", "renderer", "field"])
def test_a_part_of_another_kind_is_an_error_that_names_its_distribution(kind: str) -> None:
    wrong = Filled(
        (lambda config, ctx, **_: importance_sampler()) if kind != "sampler" else (lambda config, ctx: ConstantField())
    )
    sizes = {"in_dim": 3} if kind == "encoding" else {}
    with pytest.raises(PluginError) as raised:
        getattr(context(), kind)(wrong, **sizes)
    (problem,) = raised.value.problems
    name = "ConstantField" if kind == "sampler" else "Importance"
    assert all(fact in problem.message for fact in ("encoding:odd", "acme-odd", name, kind.capitalize()))
    assert problem.hint == f"Derive {name} from radfield_core.{kind.capitalize()}"


def test_what_is_no_part_at_all_is_an_error_too() -> None:
    with pytest.raises(PluginError, match="acme-odd"):
        context().make(Filled(lambda config, ctx: object()))  # type: ignore[arg-type]


def test_without_a_run_there_is_no_model_to_build() -> None:
    for ctx in (context(), toy_context()):
        with pytest.raises(ValueError, match="run"):
            ctx.level_loop()


def test_the_model_of_a_run_has_the_parts_of_its_slots_in_the_context() -> None:
    run = RunConfig(
        method=Filled(ConstantField),  # type: ignore[arg-type]
        data=Filled(ConstantField),  # type: ignore[arg-type]
        field=Filled(lambda config, ctx: ConstantField(config), 0.75),  # type: ignore[arg-type]
        sampler=Filled(Importance, ImportanceConfig(n_samples=4, n_importance=2)),  # type: ignore[arg-type]
        renderer=Filled(lambda config, ctx: volume_renderer()),  # type: ignore[arg-type]
    )
    model = toy_context(run).level_loop(n_fields=2)
    sigmas = {name: value.item() for name, value in model.named_parameters() if name.endswith("sigma")}
    assert sigmas == {"fields.0.sigma": 0.75, "fields.1.sigma": 0.75}
    assert isinstance(model.get_submodule("sampler"), Importance)
