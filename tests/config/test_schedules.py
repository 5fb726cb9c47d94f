"""Values of schedules, checked against numpy's interpolation and closed forms, and the TOML forms of schedules."""

from __future__ import annotations

import math

import attrs
import numpy as np
import pytest
from hypothesis import given, strategies as st

from radfield_core import Schedule, Step, option
from radfield_core.config.files import inline
from radfield_core.config.overrides import read_value
from radfield_core.config.scalars import ValueFault, structure, unstructure
from radfield_core.config.slots import Range

numbers = st.floats(-1e3, 1e3)
positive = st.floats(1e-6, 1e3)


def at(schedule: Schedule, index: int, max_steps: int = 1000) -> float:
    return schedule.value(Step(index, max_steps, 0))


@given(first=numbers, last=numbers, start=st.integers(0, 500), length=st.integers(1, 500), index=st.integers(0, 1200))
def test_four_numbers_interpolate_linearly(first: float, last: float, start: int, length: int, index: int) -> None:
    schedule = Schedule.of([start, first, last, start + length])
    expected = np.interp(index, [start, start + length], [first, last])
    assert at(schedule, index) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_three_numbers_start_at_the_first_step() -> None:
    assert Schedule.of([0.0, 1.0, 200]) == Schedule.of([0, 0.0, 1.0, 200])
    assert at(Schedule.of([0.0, 1.0, 200]), 50) == 0.25


def test_a_share_of_the_run_scales_with_its_length_and_a_step_does_not() -> None:
    shares, steps = Schedule.of([0.0, 1.0, 0.5]), Schedule.of([0.0, 1.0, 500])
    assert at(shares, 250, 1000) == at(steps, 250, 1000) == 0.5
    assert at(shares, 250, 2000) == 0.25 and at(steps, 250, 2000) == 0.5
    assert at(Schedule.of([0.0, 1.0, 1.0]), 900) == pytest.approx(0.9)
    assert at(Schedule.of([0.0, 1.0, 1]), 900) == 1.0  # a whole number: one step


@given(first=positive, last=positive, share=st.floats(0, 1))
def test_exponential_curve_is_linear_in_the_logarithm(first: float, last: float, share: float) -> None:
    schedule = Schedule.of({"curve": "exponential", "values": [first, last], "span": [0, 1000]})
    index = round(1000 * share)
    assert math.log(at(schedule, index)) == pytest.approx(
        np.interp(index, [0, 1000], np.log([first, last])), rel=1e-7, abs=1e-7
    )


@given(first=numbers, last=numbers, index=st.integers(0, 1000))
def test_cosine_curve_is_half_a_wave(first: float, last: float, index: int) -> None:
    schedule = Schedule.of({"curve": "cosine", "values": [first, last]})
    expected = last + (first - last) * (1 + math.cos(math.pi * index / 1000)) / 2
    assert at(schedule, index) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@given(first=numbers, last=numbers, index=st.integers(0, 1000), power=st.sampled_from([0.5, 0.9, 1.0, 2.0]))
def test_polynomial_curve_is_a_power_of_the_time_left(first: float, last: float, index: int, power: float) -> None:
    schedule = Schedule.of({"curve": "polynomial", "values": [first, last], "power": power})
    expected = last + (first - last) * ((1000 - index) / 1000) ** power
    assert at(schedule, index) == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert Schedule.of(schedule.written()) == schedule


def test_polynomial_curve_is_that_of_torch_and_its_power_is_that_of_nerf_pl_by_default() -> None:
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=5e-4)
    oracle = torch.optim.lr_scheduler.PolynomialLR(optimizer, total_iters=50, power=0.9)
    schedule = Schedule.of({"curve": "polynomial", "values": [5e-4, 0.0], "span": [0, 50]})
    for index in range(60):
        assert at(schedule, index) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-6, abs=1e-12)
        optimizer.step()
        oracle.step()


@pytest.mark.parametrize("table", [
    {"curve": "polynomial", "values": [1.0, 0.0], "power": 0},
    {"curve": "polynomial", "values": [1.0, 0.0], "power": "2"},
    {"curve": "cosine", "values": [1.0, 0.0], "power": 2},
])  # fmt: skip
def test_a_power_that_no_curve_has_is_refused(table: dict) -> None:
    with pytest.raises(ValueError, match=r"power|number"):
        Schedule.of(table)


def test_stages_follow_each_other_and_hold_the_last_value_between_them() -> None:
    schedule = Schedule.of([[0.0, 1.0, 100], {"curve": "exponential", "values": [1.0, 0.01], "span": [200, 400]}])
    assert [at(schedule, index) for index in (0, 50, 100, 150, 200, 400, 999)] == pytest.approx(
        [0.0, 0.5, 1.0, 1.0, 1.0, 0.01, 0.01]
    )
    assert at(schedule, 300) == pytest.approx(0.1)


def test_constant_is_known() -> None:
    assert Schedule.of(3).constant == 3.0 and Schedule.of([1, 1, 10]).constant == 1.0
    assert Schedule.of([0, 1, 10]).constant is None


stages = st.one_of(
    st.builds(lambda a, b, s: [a, b, s], numbers, numbers, st.integers(0, 99)),
    st.builds(lambda a, b, s: [100, a, b, 100 + s], numbers, numbers, st.integers(1, 99)),
    st.builds(lambda a, b, s: [s, a, b, 1.0], numbers, numbers, st.floats(0, 1)),
    st.builds(lambda a, b: {"curve": "cosine", "values": [a, b], "span": [0, 1.0]}, numbers, numbers),
)


@given(st.one_of(numbers, stages, st.lists(stages, min_size=2, max_size=2).filter(lambda pair: _ordered(pair))))
def test_a_schedule_survives_being_written_as_text(written: object) -> None:
    schedule = structure(written, Schedule)
    assert structure(read_value(inline(unstructure(schedule))), Schedule) == schedule


def _ordered(pair: list[object]) -> bool:
    try:
        Schedule.of(pair)
    except ValueError:
        return False
    return True


def test_number_in_a_list_of_stages_survives_being_written() -> None:
    schedule = Schedule.of([[1.0, 1.0, 0], [10, 1.0, 2.0, 20]])
    assert Schedule.of(schedule.written()) == schedule


@pytest.mark.parametrize(
    ("written", "fact"),
    [
        ("fast", "'fast'"),
        (True, "True"),
        ([1, 2], "list of 2"),
        ([1, 2, 3, 4, 5], "list of 5"),
        ([], "list of 0"),
        ([0, "a", 1, 2], "'a'"),
        ([500, 0.0, 1.0, 100], "ends at 100, before it starts at 500"),
        ([0.0, 1.0, -1], "not at -1"),
        ([0.0, 1.0, 1.5], "not at 1.5"),
        ([0.0, math.inf, 10], "not finite"),
        ({"curve": "cosin", "values": [1, 2]}, "linear or cosine or exponential"),
        ({"curve": "linear"}, "values"),
        ({"value": [1, 2]}, "did you mean 'values'?"),
        ({"curve": "exponential", "values": [1, 0]}, "above 0"),
        ([[0.0, 1.0, 100], [50, 1.0, 2.0, 200]], "starts at 50, before the previous one ends at 100"),
    ],
)
def test_mistakes_are_explained(written: object, fact: str) -> None:
    with pytest.raises(ValueFault) as caught:
        structure(written, Schedule)
    assert fact in str(caught.value)


def test_range_of_an_option_holds_for_every_value() -> None:
    limits: Range = attrs.fields(attrs.make_class("C", {"weight": option(Schedule.of(0), help="", min=0)}))[0].metadata[
        "range"
    ]
    assert limits.fault(Schedule.of([0.0, 1.0, 5])) is None
    assert "-1" in (limits.fault(Schedule.of([[0.0, 1.0, 5], [6, 1.0, -1.0, 7]])) or "")


def test_schedule_may_begin_at_an_excluded_bound_but_not_stay_there() -> None:
    limits = Range(min=0, exclusive_min=True)
    assert limits.fault(Schedule.of([0.0, 1e-2, 500])) is None
    assert limits.fault(Schedule.of(0)) and limits.fault(Schedule.of([0.0, 0.0, 500]))
