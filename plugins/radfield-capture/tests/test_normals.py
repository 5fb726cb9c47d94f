"""The loss of normals."""

from __future__ import annotations

import math

import pytest
import torch
from radfield_capture.normals import Normals, normal_error
from radfield_capture.supervision import NormalsConfig

from radfield_core import Batch, ModelOutputs, Rendered, UsageError


@pytest.mark.parametrize("degrees", [0.0, 25.0, 90.0, 180.0])
def test_the_error_of_a_turned_normal_has_its_closed_form(degrees: float) -> None:
    angle = math.radians(degrees)
    known = torch.tensor([[0.0, 0.0, 1.0]], dtype=torch.float64)
    turned = torch.tensor([[math.sin(angle), 0.0, math.cos(angle)]], dtype=torch.float64)
    expected = abs(math.sin(angle)) + 1 - math.cos(angle) + 0.5 * (1 - math.cos(angle))
    for length in (1.0, 0.3):
        assert float(normal_error(length * turned, known, 0.5)[0]) == pytest.approx(expected, abs=1e-9)


def test_gradients_equal_finite_differences() -> None:
    draw = torch.Generator().manual_seed(0)
    rendered = torch.randn(6, 3, generator=draw, dtype=torch.float64, requires_grad=True)
    known = torch.nn.functional.normalize(torch.randn(6, 3, generator=draw, dtype=torch.float64), dim=-1)
    assert torch.autograd.gradcheck(lambda n: normal_error(n, known, 0.7), (rendered,))


def test_only_known_normals_count_and_a_model_without_normals_is_refused() -> None:
    normals = torch.tensor([[0.0, 0.0, 1.0], [torch.nan] * 3])
    batch = Batch(None, None, torch.zeros(2, 3), extras={"normals": normals, "normals_weights": torch.tensor([2.0, 0])})
    loss = Normals(NormalsConfig(), None)
    seen = torch.tensor([[0.0, 0.6, 0.0], [0.0, 0.0, 1.0]])

    def outputs(n):
        return ModelOutputs(Rendered(torch.zeros(2, 3), torch.ones(2), torch.ones(2), n), (), None, 0)

    assert loss(outputs(seen), batch, None, None).tolist() == pytest.approx([6.0, 0.0])
    with pytest.raises(UsageError, match="renders none"):
        loss(outputs(None), batch, None, None)
