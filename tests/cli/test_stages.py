"""Progress of a converter shows each stage by its name, with the stage's own counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from radfield_core import Converter
from radfield_core.cli.stages import StageProgress


class TwoStages(Converter):
    def convert(self, source, target, progress=None):
        for self.stage, of in (("features", 3), ("matches", 2)) if source.name == "staged" else (("", 4),):
            for done in range(of + 1):
                progress(done, of)
        return []


@pytest.mark.parametrize(("source", "shown"), [("staged", ["features", "matches"]), ("plain", ["convert x"])])
def test_each_stage_has_a_bar_with_its_name(source, shown, monkeypatch):
    bars = []

    class Bar:
        def __init__(self, name, total, quiet):
            bars.append([name, total, quiet, []])

        def __enter__(self):
            return self

        def __exit__(self, *error):
            bars[-1].append("closed")

        def report(self, done, total):
            bars[-1][3].append((done, total))

    monkeypatch.setattr("radfield_core.runtime.progress.Progress", Bar)
    converter = TwoStages(None)
    with StageProgress(converter, quiet=True, otherwise="convert x") as stages:
        converter.convert(Path(source), Path("out"), stages.report)
    assert [bar[0] for bar in bars] == shown
    assert all(bar[3] == [(done, bar[1]) for done in range(bar[1] + 1)] and bar[4:] == ["closed"] for bar in bars)
    assert all(bar[2] is True for bar in bars)
