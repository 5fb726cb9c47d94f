"""A model that is built again takes the shapes of a checkpoint where it declares it, and nowhere else."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from radfield_core.model.stored_shapes import take_shapes
from radfield_core.testing.toy_growing import ToyPainting


class Points(ToyPainting):
    growing = ("stripes", "sizes", "grid")

    def __init__(self, n: int) -> None:
        super().__init__(n)
        self.sizes = nn.Parameter(torch.zeros(n))
        self.grid = nn.Parameter(torch.zeros(1, 2, 3, 3))
        self.fixed = nn.Parameter(torch.zeros(n))


def changed(**tensors: torch.Tensor) -> dict[str, torch.Tensor]:
    return {**Points(4).state_dict(), **tensors}


def test_growing_tensors_take_the_stored_shapes_and_the_optimizer_follows() -> None:
    model = Points(4)
    optimizer = torch.optim.Adam(model.parameters())
    stored = changed(stripes=torch.rand(6, 3), sizes=torch.rand(6), grid=torch.rand(1, 2, 5, 5))
    take_shapes(model, stored, optimizer)
    model.load_state_dict(stored)
    assert torch.equal(model.stripes, stored["stripes"]) and model.grid.shape == (1, 2, 5, 5)
    assert {id(p) for p in optimizer.param_groups[0]["params"]} == {id(p) for p in model.parameters()}


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({"stripes": torch.zeros(6, 3)}, "has 6 rows in 'stripes' and 4 rows in 'sizes'"),
        ({"stripes": torch.zeros(6, 4), "sizes": torch.zeros(6)}, r"stripes has the shape \[6, 4\], which cannot"),
        ({"stripes": torch.zeros(6), "sizes": torch.zeros(6)}, r"stripes has the shape \[6\]"),
        ({"grid": torch.zeros(1, 2, 9)}, r"grid has the shape \[1, 2, 9\], which cannot have grown from"),
    ],
)
def test_shapes_that_cannot_have_grown_are_refused_in_words(tensors: dict[str, torch.Tensor], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        take_shapes(Points(4), changed(**tensors))


def test_other_tensors_keep_their_shapes() -> None:
    model = Points(4)
    take_shapes(model, changed(fixed=torch.zeros(9)))
    assert model.fixed.shape == (4,)
    with pytest.raises(RuntimeError, match="fixed"):
        model.load_state_dict(changed(fixed=torch.zeros(9)))
