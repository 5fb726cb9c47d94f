"""Parameter groups: what a part asks for is honored under every method, and the method decides the rest."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from radfield_core import Method, Model, ParameterGroup, Part, PluginError, Schedule, Step
from radfield_core.train.groups import Groups


class Leaf(Part):
    def __init__(self, groups: Any = lambda leaf: []):
        super().__init__()
        self.a, self.b = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(3))
        self.groups = groups

    def parameter_groups(self) -> list[ParameterGroup]:
        return self.groups(self)


class Holder(Model):
    def __init__(self, **leaves: Part):
        super().__init__()
        self.dense = nn.Linear(2, 1)
        for name, leaf in leaves.items():
            self.add_module(name, leaf)

    forward = render = None  # type: ignore[assignment]


class Halving(Method):
    losses = None  # type: ignore[assignment]

    def param_groups(self, model: Model) -> list[dict[str, Any]]:
        return [{"name": "all", "params": list(model.parameters()), "lr": 0.1, "weight_decay": 0.01}]

    def lr_scale(self, step: Step, group: str) -> float:
        assert group == "all"  # the method knows its own groups, and no others
        return 0.5 ** (step.index / 100)


Halving.__abstractmethods__ = frozenset()  # type: ignore[attr-defined]
Holder.__abstractmethods__ = frozenset()  # type: ignore[attr-defined]


def groups_of(**leaves: Part) -> tuple[Groups, dict[str, dict[str, Any]]]:
    groups = Groups(Halving(None), Holder(**leaves))
    return groups, {table["name"]: table for table in groups.tables}


def rates_at(groups: Groups, index: int, factor: float = 1.0) -> dict[str, float]:
    optimizer = torch.optim.AdamW(groups.tables)
    groups.set_rates(optimizer, Step(index, 1000, 0), factor)
    return {table["name"]: table["lr"] for table in optimizer.param_groups}


def test_without_claims_the_groups_are_those_of_the_method() -> None:
    groups, tables = groups_of(leaf=Leaf())
    assert list(tables) == ["all"] and len(tables["all"]["params"]) == 4
    assert rates_at(groups, 100) == {"all": pytest.approx(0.05)}


def test_factor_multiplies_the_rate_of_the_method_at_every_step() -> None:
    groups, tables = groups_of(leaf=Leaf(lambda leaf: [ParameterGroup("slow", [leaf.a], lr_factor=0.1)]))
    assert [tuple(p.shape) for p in tables["slow"]["params"]] == [(2,)] and tables["slow"]["weight_decay"] == 0.01
    assert rates_at(groups, 200) == {"all": pytest.approx(0.025), "slow": pytest.approx(0.0025)}


class Scheduled(Halving):
    def param_groups(self, model: Model) -> list[dict[str, Any]]:
        return [{"name": "all", "params": list(model.parameters()), "lr": Schedule.of([1.0, 3.0, 100])}]


def test_schedule_as_the_rate_of_a_method_replaces_its_decay_and_factors_multiply_it() -> None:
    model = Holder(leaf=Leaf(lambda leaf: [ParameterGroup("slow", [leaf.a], lr_factor=0.1)]))
    rates = rates_at(Groups(Scheduled(None), model), 50)
    assert rates == {"all": pytest.approx(2.0), "slow": pytest.approx(0.2)}


def test_own_rate_replaces_that_of_the_method_and_follows_its_own_schedule() -> None:
    ramp = Schedule.of([0.0, 1.0, 100])
    groups, _ = groups_of(leaf=Leaf(lambda leaf: [ParameterGroup("poses", [leaf.b], lr=ramp)]))
    assert rates_at(groups, 50)["poses"] == 0.5 and rates_at(groups, 300)["poses"] == 1.0
    assert rates_at(groups, 300, factor=0.5)["poses"] == 0.5  # after a rollback


def test_weight_decay_of_a_part_reaches_the_optimizer() -> None:
    groups, _ = groups_of(leaf=Leaf(lambda leaf: [ParameterGroup("table", [leaf.a], weight_decay=0.0)]))
    decays = {table["name"]: table["weight_decay"] for table in torch.optim.AdamW(groups.tables).param_groups}
    assert decays == {"all": 0.01, "table": 0.0}


def test_groups_of_one_name_and_one_setting_are_joined_and_others_are_told_apart() -> None:
    def table(decay: float) -> Any:
        return lambda leaf: [ParameterGroup("table", [leaf.a], weight_decay=decay)]

    _, tables = groups_of(one=Leaf(table(0.0)), two=Leaf(table(0.0)), three=Leaf(table(0.5)))
    assert {name: len(t["params"]) for name, t in tables.items()} == {"all": 5, "table": 2, "three.table": 1}


def test_every_parameter_is_in_one_group() -> None:
    groups, _ = groups_of(one=Leaf(lambda leaf: [ParameterGroup("x", [leaf.a], lr=0.1)]), two=Leaf())
    found = [id(p) for table in groups.tables for p in table["params"]]
    assert len(found) == len(set(found)) == 6


def test_parameter_in_two_groups_is_a_fault_of_the_plugin() -> None:
    twice = Leaf(lambda leaf: [ParameterGroup("one", [leaf.a]), ParameterGroup("two", [leaf.a], lr=0.1)])
    with pytest.raises(PluginError, match="'one' and 'two'"):
        groups_of(leaf=twice)


def test_claim_on_a_parameter_that_is_not_trained_is_a_fault_of_the_plugin() -> None:
    foreign = Leaf(lambda leaf: [ParameterGroup("lost", [nn.Parameter(torch.zeros(1))], lr=0.1)])
    with pytest.raises(PluginError, match="lost"):
        groups_of(leaf=foreign)


def test_description_names_size_rate_and_decay_of_each_group() -> None:
    ramp = Schedule.of([0.25, 1.0, 100])
    groups, _ = groups_of(leaf=Leaf(lambda leaf: [ParameterGroup("poses", [leaf.b], lr=ramp, weight_decay=0.0)]))
    one, other = groups.described()
    assert all(fact in one for fact in ("all", "5 numbers", "lr 0.1", "weight decay 0.01"))
    assert all(fact in other for fact in ("poses", "3 numbers", "lr from 0.25")) and "decay" not in other
