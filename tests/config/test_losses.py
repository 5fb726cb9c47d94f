"""The weight of a loss, and tables of named parts."""

from __future__ import annotations

from pathlib import Path

import pytest

from radfield_core import LossConfig, Schedule, UsageError, compose, get_registry
from radfield_core.config.files import dump
from radfield_core.config.run import RunConfig
from radfield_core.runs.record import plugin_versions


def run_with(*words: str, file: Path | None = None) -> RunConfig:
    return compose(get_registry(), method="nerf-small", overrides=words, file=file, needs_data=False).run


def weights(run: RunConfig) -> dict[str, float | None]:
    return {name: loss.config.weight.constant for name, loss in run.losses.items()}


def test_weight_is_one_unless_it_is_set() -> None:
    assert LossConfig().weight == Schedule.of(1.0)


def test_run_adds_losses_by_name_in_the_order_given() -> None:
    run = run_with("losses.b=distortion", "losses.a=distortion", "losses.a.weight=3")
    assert weights(run) == {"b": 0.01, "a": 3.0}
    assert run_with().losses == {}


def test_part_named_like_its_type_needs_no_type() -> None:
    assert weights(run_with("losses.distortion.weight=2")) == {"distortion": 2.0}


def test_later_layer_changes_or_removes_a_loss_of_an_earlier_one(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text('[losses.one]\ntype = "distortion"\nweight = 5.0\n[losses.two]\ntype = "distortion"\n')
    assert weights(run_with(file=file)) == {"one": 5.0, "two": 0.01}
    assert weights(run_with("losses.one.weight=7", "losses.two=none", file=file)) == {"one": 7.0}
    assert weights(run_with("losses=none", file=file)) == {}


def test_losses_survive_being_written_and_read(tmp_path: Path) -> None:
    run = run_with("losses.d=distortion", "losses.d.weight=[0.0, 0.1, 5]")
    file = tmp_path / "config.toml"
    file.write_text(dump(run))
    again = compose(get_registry(), file=file, needs_data=False).run
    assert again.losses == run.losses and dump(again) == dump(run)
    assert "[losses" not in dump(run_with())


def test_distribution_of_a_loss_is_recorded_with_the_run() -> None:
    assert "radfield-core" in plugin_versions(run_with("losses.d=distortion"))


@pytest.mark.parametrize(
    ("words", "facts"),
    [
        (["losses.d=distorton"], ["losses.d", "unknown loss 'distorton'", "losses.d=distortion"]),
        (["losses.d=distortion", "losses.d.wieght=1"], ["losses.d.wieght", "losses.d.weight"]),
        (['losses={"a b" = "distortion"}'], ["'a b'"]),
        (["losses=3"], ["losses", "table"]),
        (["losses.distortion.weight=-1", "losses.y=distortion", "losses.y.weight=[1]"], ["too small", "list of 1"]),
    ],
)
def test_mistakes_are_reported_together_with_their_path(words: list[str], facts: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        run_with(*words)
    assert all(fact in str(caught.value) for fact in facts), str(caught.value)
