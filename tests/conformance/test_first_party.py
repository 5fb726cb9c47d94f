"""Every part that the distributions in this repository offer keeps every law of the conformance kit."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from radfield_core.plugins.first_party import FIRST_PARTY
from radfield_core.plugins.registry import get_registry
from radfield_core.testing.kit import check_law, check_waivers, laws_for, part_under_test
from radfield_core.testing.law import LAWS

sys.path.insert(0, str(Path(__file__).parent))
from first_party import EXAMPLES, OPTIONS, READ, RUN, WAIVED

OURS = {"radfield-core", *FIRST_PARTY}
KEYS = [c.key for c in get_registry().components if c.distribution in OURS]


def part_of(key):
    return part_under_test(
        key, options=OPTIONS.get(key), run=RUN.get(key), example=EXAMPLES.get(key), read=READ.get(key)
    )


PAIRS = [(key, law.name) for key in KEYS for law in laws_for(part_of(key))]


@pytest.mark.parametrize(("key", "name"), PAIRS, ids=[f"{key}-{name}" for key, name in PAIRS])
def test_keeps_the_law(key, name):
    law = next(law for law in LAWS if law.name == name and key.partition(":")[0] in law.kinds)
    result = check_law(part_of(key), law, WAIVED.get(key))
    if result.state == "waived":
        pytest.xfail(result.message)
    assert result.state == "kept", result.message


def test_every_waiver_names_a_law_that_fits_and_gives_a_reason():
    for key, waivers in WAIVED.items():
        check_waivers(laws_for(part_of(key)), waivers)


def test_distributions_of_this_project_offer_only_parts_that_the_table_lists():
    own = {"sampler:importance", "renderer:volume", "loss:distortion"}
    assert {key for keys in FIRST_PARTY.values() for key in keys} | own >= set(KEYS)
