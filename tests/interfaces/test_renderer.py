"""Renderers: weights and composite are required, and a transparent far end is the default."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from radfield_core.interfaces import Renderer
from radfield_core.model import LevelLoop
from radfield_core.testing.toys import ConstantField, importance_sampler, toy_rays
from radfield_core.types import FieldOutputs, RaySamples, Rendered


class First(Renderer):
    """Shows the first sample of each ray and nothing else."""

    def weights(self, samples: RaySamples, outputs: FieldOutputs) -> Tensor:
        first = torch.zeros_like(samples.dense(samples.t_eval))
        first[:, 0] = 1.0
        return first.view(-1)

    def composite(self, samples: RaySamples, outputs: FieldOutputs, weights: Tensor) -> Rendered:
        opacity = samples.dense(weights).sum(1)
        rgb = (samples.dense(weights)[..., None] * samples.dense(outputs.rgb)).sum(1)  # type: ignore[arg-type]
        return Rendered(rgb, samples.dense(weights * samples.t_eval).sum(1), opacity)


def test_a_third_partys_renderer_decides_what_a_pixel_shows() -> None:
    model = LevelLoop([ConstantField(0.5, (0.2, 0.4, 0.6))], importance_sampler(8).eval(), First())
    rendered = model.trace(toy_rays(3), torch.ones(3, 3)).rendered
    torch.testing.assert_close(rendered.rgb, torch.tensor([0.2, 0.4, 0.6]).expand(3, 3))
    assert rendered.depth.tolist() == [2.0] * 3 and not First().opaque_far


@pytest.mark.parametrize("missing", ["weights", "composite"])
def test_a_renderer_without_one_of_its_methods_cannot_be_built(missing: str) -> None:
    methods = {name: getattr(First, name) for name in ("weights", "composite") if name != missing}
    with pytest.raises(TypeError, match=missing):
        type("Incomplete", (Renderer,), methods)()
