"""Laws of methods that bring their own model."""

from __future__ import annotations

import torch

from radfield_core.interfaces import HasColor, HasDensity, HasOccupancy, HasSDF
from radfield_core.model.answers import check_answers
from radfield_core.testing.law import expect, expect_close, expect_shape, law
from radfield_core.testing.under_test import PartUnderTest
from radfield_core.types import Step

M = 5


def _brings_a_model(tested: PartUnderTest) -> bool:
    return tested.kind == "method" and "field" not in tested.component.slots


@law(
    "method",
    when=_brings_a_model,
    fix="Let provides= in the declaration agree with the object that queries() of the model returns.",
)
def models_answer_what_is_declared(tested: PartUnderTest) -> None:
    """The object that `queries` returns can be evaluated for every declared capability, at any number of points. Each
    result has one row for each point."""
    model = tested.trainer(tested.run_config(), "answers").model.eval()
    check_answers(model, tested.component)
    found = model.queries()
    for n in (M, 0):
        x, words = torch.rand(n, 3) - 0.5, tested.provides
        with torch.no_grad():
            if "density" in words and isinstance(found, HasDensity):
                expect_shape("density(x)", found.density(x), (n,))
            if "sdf" in words and isinstance(found, HasSDF):
                expect_shape("sdf(x)", found.sdf(x), (n,))
                expect_shape("gradient(x)", found.gradient(x), (n, 3))
            if "occupancy" in words and isinstance(found, HasOccupancy):
                expect_shape("occupancy(x, 0.1)", found.occupancy(x, 0.1), (n,))
            if "point_color" in words and isinstance(found, HasColor):
                expect_shape("point_color(x)", found.point_color(x), (n, 3))


@law("method", when=_brings_a_model, fix="Render all pixels in one row, from the top left, in forward and in render.")
def views_render_as_in_training(tested: PartUnderTest) -> None:
    """`render` gives a view the pixels that `forward` gives it in training, in the same order, on the same background,
    in chunks of any size. Opacities lie in [0, 1]."""
    trainer = tested.trainer(tested.run_config(), "views")
    model, step = trainer.model.eval(), Step(0, 3, 0)
    if trainer.method.batching != "images":
        return
    model.begin_step(step)
    batch = trainer.drawer.draw(step, 0)
    assert batch.view is not None
    with torch.no_grad():
        trained = trainer.method.forward(model, batch).rendered
    assert trained.rgb is not None
    expect(bool(((trained.opacity >= 0) & (trained.opacity <= 1)).all()), "an opacity lies outside [0, 1]")
    for chunk in (4096, 7):
        rendered = model.render(batch.view, batch.background, chunk)
        assert rendered.rgb is not None
        expect_close(f"render(view, chunk={chunk})", rendered.rgb, trained.rgb, 1e-4)
        expect_close(f"the opacity of render(view, chunk={chunk})", rendered.opacity, trained.opacity, 1e-4)
