"""The table of first-party parts: each missing one can be installed, and the table agrees with the plugins."""

from __future__ import annotations

import pytest

from radfield_core.errors import PluginError
from radfield_core.plugins.discovery import CORE
from radfield_core.plugins.first_party import FIRST_PARTY
from radfield_core.plugins.registry import Registry


@pytest.mark.parametrize("key", [key for keys in FIRST_PARTY.values() for key in keys])
def test_an_absent_part_of_ours_says_how_to_install_it(key):
    kind, name = key.split(":")
    with pytest.raises(PluginError) as caught:
        Registry([], hooks=None).find(kind, name)
    (line,) = [f"pip install {dist}" for dist, keys in FIRST_PARTY.items() if key in keys]
    assert caught.value.problems[0].hint == line


def test_the_table_of_known_distributions_agrees_with_what_is_installed():
    known = {key: distribution for distribution, keys in FIRST_PARTY.items() for key in keys}
    for part in Registry.discover({}).components:
        if part.distribution.startswith("radfield-") and part.distribution != CORE:
            for key in (f"{part.kind}:{name}" for name in part.names):
                assert known.get(key) == part.distribution, f"{key} is missing in FIRST_PARTY"
