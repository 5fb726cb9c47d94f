"""The share of the time that rendering may take."""

from __future__ import annotations

import pytest

pytest.importorskip("viser", reason="radfield-viewer is not installed: pip install -e plugins/radfield-viewer")

from radfield_viewer.pacing import Pace


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
def test_a_greedy_viewer_gets_its_share_and_no_more(share: float) -> None:
    """A training step takes 0.03 s and a piece 0.05 s, in turns for as long as the pace allows."""
    now = spent = 0.0
    pace = Pace(share, lambda: now)
    for _ in range(4000):
        now += 0.03
        while pace.allows(0.05):
            pace.spend(0.05)
            spent, now = spent + 0.05, now + 0.05
        assert spent <= share * now + 1e-9
    assert spent >= 0.95 * share * now


def test_a_pause_is_free_and_earns_nothing() -> None:
    now = 0.0
    pace = Pace(0.2, lambda: now)
    now = 100.0
    pace.forgive(100.0)
    assert not pace.allows(0.01)
