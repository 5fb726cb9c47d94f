"""Fields: the queries that they declare by their methods, and opacity from density."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from radfield_core.interfaces import DensityOccupancy, Field, HasColor, HasDensity, HasOccupancy, HasSDF
from radfield_core.testing.toys import BlobField, SphereField
from radfield_core.types import FieldOutputs, RaySamples


class Linear(DensityOccupancy, Field):
    """A density that grows with x; the variance of a Gaussian adds to it."""

    def forward(self, samples: RaySamples) -> FieldOutputs:
        return FieldOutputs(density=self.density(samples.positions()))

    def density(self, x: Tensor, cov: Tensor | None = None) -> Tensor:
        return x[:, 0] + (0.0 if cov is None else cov.sum(-1))


def test_opacity_from_density_is_one_minus_the_transmitted_share() -> None:
    x = torch.tensor([[0.0, 5.0, 0.0], [2.0, 0.0, 0.0], [1e-6, 0.0, 0.0]])
    found = Linear().occupancy(x, 0.5).tolist()
    assert found == pytest.approx([1 - math.exp(-0.5 * density) for density in (0.0, 2.0)] + [5e-7], rel=1e-4)
    assert Linear().occupancy(x, 0.5, torch.ones_like(x))[1].item() == pytest.approx(1 - math.exp(-0.5 * 5.0))


@pytest.mark.parametrize(
    ("field", "queries"),
    [
        (Linear(), {HasDensity, HasOccupancy}),
        (SphereField(), {HasSDF}),
        (BlobField(), {HasDensity, HasColor}),
        (torch.nn.Identity(), set()),
    ],
)
def test_a_field_answers_the_queries_whose_methods_it_has(field: object, queries: set[type]) -> None:
    assert {query for query in (HasDensity, HasSDF, HasOccupancy, HasColor) if isinstance(field, query)} == queries


def test_a_field_without_forward_cannot_be_built() -> None:
    with pytest.raises(TypeError, match="forward"):
        type("Incomplete", (Field,), {})()
