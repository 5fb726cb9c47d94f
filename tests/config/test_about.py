"""What presets say about themselves: data that they fit, a reason and a time, from anybody's plugin."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from radfield_core.config import about
from radfield_core.config.about import CONTENTS, About, Preset, fitting, preset_of, presets, table
from radfield_core.config.layers import compose
from radfield_core.errors import BrokenPlugin
from radfield_core.plugins.registry import Registry, get_registry


def test_a_third_partys_preset_says_what_it_fits_and_what_it_costs(fakes: Registry) -> None:
    study = fakes.find("method", "study")
    preset = preset_of(fakes, study, "study-small")
    assert preset.about.fits == ("capture", "plain") and preset.about.why == "for the study of captures"
    assert preset.max_steps == 70 and preset.seconds == 35.0
    assert [each.name for each in fitting(fakes, "capture")] == ["study-small"] and fitting(fakes, "object") == []


def test_what_a_preset_says_about_itself_is_no_option_of_a_run(fakes: Registry) -> None:
    run = compose(fakes, method="study-small", needs_data=False).run
    assert run.trainer.max_steps == 70 and not hasattr(run, "about")


def test_a_preset_that_says_nothing_has_no_expected_time(fakes: Registry) -> None:
    preset = preset_of(fakes, fakes.find("method", "study"), "study")
    assert preset.about == About() and preset.max_steps == 700 and preset.seconds is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ({"fits": ["capture", "captrue"]}, "unknown word 'captrue'"),
        ({"fits": "capture"}, "about.fits"),
        ({"step_seconds": -1.0}, "about.step_seconds"),
        ({"whi": "x"}, "unknown option 'whi'"),
        ("x", "must be a table"),
    ],
)
def test_a_mistake_in_the_table_names_the_preset_and_hides_no_other(fakes, monkeypatch, text, says) -> None:
    whole = about.read_preset_file
    monkeypatch.setattr(
        about, "read_preset_file", lambda part, name: {"about": text} if name == "study" else whole(part, name)
    )
    with pytest.raises(BrokenPlugin, match="preset study of fake-parts") as caught:
        preset_of(fakes, fakes.find("method", "study"), "study")
    assert says in str(caught.value)
    assert "study-small" in [each.name for each in presets(fakes)]


def test_the_best_choices_come_first_then_the_quickest_and_last_those_without_a_time(monkeypatch) -> None:
    made = [
        Preset("slow", About(fits=("scan",), step_seconds=2.0), 10),
        Preset("unknown", About(fits=("scan",)), 10),
        Preset("quick", About(fits=("scan",), step_seconds=1.0), 10),
        Preset("best", About(fits=("scan",), best_for=("scan",), step_seconds=9.0), 10),
        Preset("other", About(fits=("object",)), 10),
    ]
    monkeypatch.setattr(about, "presets", lambda registry: iter(made))
    assert [each.name for each in fitting(get_registry(), "scan")] == ["best", "quick", "slow", "unknown"]


def test_a_table_states_the_reason_the_steps_the_time_and_the_processor() -> None:
    lines = table(
        [Preset("a", About(why="x", step_seconds=0.03, measured_on="an old CPU"), 12000), Preset("bcd", About(), None)]
    )
    assert lines == [
        "a    x  12,000 steps, about 6 min",
        "bcd",
        "Times are estimates for one core of an old CPU.",
    ]  # fmt: skip


def test_every_content_has_a_first_choice_among_the_installed_presets() -> None:
    for content in CONTENTS:
        best, *_ = fitting(get_registry(), content)
        assert content in best.about.best_for and best.seconds is not None, content


def test_the_times_of_our_presets_are_those_that_were_measured() -> None:
    results = json.loads((Path(__file__).resolve().parents[2] / "benchmarks/results/presets.json").read_text())
    measured = {name: row["step_seconds"] for name, row in results["presets"].items()}
    stated = {preset.name: preset.about.step_seconds for preset in presets(get_registry())}
    assert {name: seconds for name, seconds in stated.items() if seconds is not None} == measured
    assert all(seconds is not None for name, seconds in stated.items() if not name.startswith("neuralangelo"))
