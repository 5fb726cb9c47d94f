"""Replaced parameters: the optimizer trains the new ones, and keeps or maps what it knows of the old ones."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from radfield_core.errors import PluginError
from radfield_core.interfaces import TrainedParameters


class Cloud(nn.Module):
    growing = ("points", "weights", "inner.weight", "seen")

    def __init__(self) -> None:
        super().__init__()
        self.points = nn.Parameter(torch.arange(12.0).view(4, 3))
        self.weights = nn.Parameter(torch.tensor([1.0, 2.0, 3.0, 4.0]))
        self.inner = nn.Embedding(7, 2)
        self.register_buffer("seen", torch.zeros(4))
        self.fixed = nn.Parameter(torch.zeros(2))


def step(cloud: Cloud, optimizer: torch.optim.Optimizer) -> None:
    """One step whose gradient differs in each element."""
    loss = (cloud.points.square().sum(-1) * cloud.weights).sum() + cloud.inner.weight.square().sum()
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()


MAKERS = {
    "Adam": lambda groups: torch.optim.Adam(groups, lr=0.1, fused=True),
    "AdamW": lambda groups: torch.optim.AdamW(groups, lr=0.1, amsgrad=True),
    "SGD": lambda groups: torch.optim.SGD(groups, lr=0.1, momentum=0.9),
    "RMSprop": lambda groups: torch.optim.RMSprop(groups, lr=0.1, centered=True),
    "Adagrad": lambda groups: torch.optim.Adagrad(groups, lr=0.1),
    "NAdam": lambda groups: torch.optim.NAdam(groups, lr=0.1),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_rows_that_are_kept_train_on_as_if_nothing_had_been_replaced(make) -> None:
    plain, grown = Cloud(), Cloud()
    grown.load_state_dict(plain.state_dict())
    rows = torch.tensor([0, 1, 2, 3, -1, 2])
    optimizers = [make([{"params": [c.points]}, {"params": [c.weights, c.inner.weight]}]) for c in (plain, grown)]
    for cloud, optimizer in zip((plain, grown), optimizers, strict=True):
        step(cloud, optimizer)
    parameters = TrainedParameters(grown, optimizers[1])
    for name in ("points", "weights"):
        old = getattr(grown, name)
        parameters.replace(grown, name, torch.cat([old, old[2:3], old[2:3]]), rows)
    for cloud, optimizer in zip((plain, grown), optimizers, strict=True):
        step(cloud, optimizer)
    for name in ("points", "weights"):
        assert torch.equal(getattr(grown, name)[:4], getattr(plain, name))
        assert torch.equal(getattr(grown, name)[5], getattr(plain, name)[2]), "a copied row has a copied state"
        assert not torch.equal(getattr(grown, name)[4], getattr(plain, name)[2]), "a new row has no momentum"


def test_the_state_is_mapped_row_by_row_or_by_a_function() -> None:
    cloud = Cloud()
    optimizer = torch.optim.Adam([cloud.points, cloud.weights])
    step(cloud, optimizer)
    before = {key: value.clone() for key, value in optimizer.state[cloud.points].items()}
    old = cloud.points
    TrainedParameters(cloud, optimizer).replace(cloud, "points", old[[1, 1, 0]], torch.tensor([1, -1, 0]))
    assert old not in optimizer.state and optimizer.param_groups[0]["params"][0] is cloud.points
    state = optimizer.state[cloud.points]
    assert float(state["step"]) == 1.0
    for key in ("exp_avg", "exp_avg_sq"):
        assert state[key].tolist() == [before[key][1].tolist(), [0.0, 0.0, 0.0], before[key][0].tolist()]
    TrainedParameters(cloud, optimizer).replace(cloud, "points", cloud.points[:2], lambda x: x[1:])
    assert optimizer.state[cloud.points]["exp_avg"].tolist() == [[0.0, 0.0, 0.0], before["exp_avg"][0].tolist()]
    TrainedParameters(cloud, optimizer).replace(cloud, "points", cloud.points + 1.0)
    assert not optimizer.state[cloud.points]["exp_avg"].any()


def test_state_of_another_shape_starts_anew() -> None:
    cloud = Cloud()
    optimizer = torch.optim.Adafactor([cloud.points])
    step(cloud, optimizer)
    assert optimizer.state[cloud.points]["row_var"].shape == (4, 1)
    rows = torch.tensor([0, 1, 2, 3, 3])
    TrainedParameters(cloud, optimizer).replace(cloud, "points", cloud.points[rows], rows)
    assert not optimizer.state[cloud.points]


def test_shared_frozen_and_nested_parameters_and_buffers_are_replaced_everywhere() -> None:
    cloud, other = Cloud(), nn.Module()
    other.cloud, other.points = cloud, cloud.points
    cloud.inner.weight.requires_grad_(False)
    parameters = TrainedParameters(other)
    parameters.replace(cloud, "inner.weight", torch.ones(3, 2, dtype=torch.float64))
    assert cloud.inner.weight.dtype == torch.float32 and not cloud.inner.weight.requires_grad
    for name in ("points", "weights", "seen"):
        parameters.replace(cloud, name, getattr(cloud, name)[:2])
    parameters.check()
    assert other.points is cloud.points and len(other.points) == 2
    assert "seen" in cloud.state_dict() and not isinstance(cloud.seen, nn.Parameter) and len(cloud.seen) == 2
    grown = cloud.points
    grown.sum().backward()
    assert grown.grad is not None and grown.is_leaf


@pytest.mark.parametrize(
    ("name", "value", "state", "words"),
    [
        ("fixed", torch.zeros(3), None, "Cloud replaces 'fixed', but its attribute growing does not contain it"),
        ("points", torch.zeros(4, 2), None, r"of shape \[4, 3\] by \[4, 2\]; only the number of rows may change"),
        ("points", torch.zeros(4), None, r"of shape \[4, 3\] by \[4\]"),
        ("points", torch.zeros(5, 3), torch.tensor([0, 1]), "from −1 to 3 is needed for each of 5 rows"),
        ("points", torch.zeros(1, 3), torch.tensor([4]), "rows that do not fit"),
        ("points", torch.zeros(1, 3), torch.tensor([-2]), "rows that do not fit"),
        ("points", torch.zeros(1, 3), lambda x: x, r"to shape \[4, 3\], not \[1, 3\]"),
    ],
)
def test_each_misuse_is_an_error_that_names_part_and_parameter(name, value, state, words) -> None:
    cloud = Cloud()
    optimizer = torch.optim.Adam([cloud.points, cloud.weights])
    step(cloud, optimizer)
    with pytest.raises(PluginError, match=words):
        TrainedParameters(cloud, optimizer).replace(cloud, name, value, state)


def test_tensors_with_as_many_rows_must_be_replaced_together() -> None:
    cloud = Cloud()
    parameters = TrainedParameters(cloud)
    parameters.replace(cloud, "inner.weight", torch.zeros(9, 2))
    parameters.check()
    parameters.replace(cloud, "points", cloud.points[:2])
    with pytest.raises(PluginError, match="left 2 rows in 'points' and 4 rows in 'weights'"):
        parameters.check()
