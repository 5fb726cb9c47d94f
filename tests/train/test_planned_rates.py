"""The rates that are shown before a run are those that its optimizer gets."""

from __future__ import annotations

import pytest

from radfield_core import compose, get_registry
from radfield_core.train.planned_rates import planned_rates

SMALL = ["field.encoding.n_levels=2", "field.encoding.log2_table_size=8", "sampler.resolution=8"]


def test_groups_have_the_rates_of_the_method_and_the_decay_that_parts_set():
    words = [
        *SMALL,
        "trainer.max_steps=2000",
        "method.lr=0.02",
        "method.lr_milestones=[500,1500]",
        "method.lr_gamma=0.1",
    ]
    run = compose(get_registry(), method="ngp-small", overrides=words, needs_data=False).run
    networks, encodings = planned_rates(run)
    assert (networks.name, networks.weight_decay) == ("networks", 0.01)
    assert (encodings.name, encodings.weight_decay) == ("encodings", 0.0)
    for group in (networks, encodings):
        assert group.rates == pytest.approx((0.02, 0.002, 0.0002))
    assert encodings.size == 2 * 2 * 2**8
    assert networks.size == 64 * (4 + 16) + 64 * (32 + 3)  # one hidden layer of 64 units in each network


def test_a_schedule_replaces_the_decay_of_the_method():
    rate = 'method.lr={curve="exponential",values=[1e-2,1e-4]}'
    run = compose(get_registry(), method="ngp-small", overrides=[*SMALL, rate], needs_data=False).run
    assert planned_rates(run)[0].rates == pytest.approx((1e-2, 1e-3, 1e-4), rel=1e-3)
