"""The report that compares several runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from radfield_report import facts, views
from radfield_report.charts import compared_charts, draw
from radfield_report.config import ReportConfig
from radfield_report.facts import Story
from radfield_report.markup import Html, join, section, table, tag
from radfield_report.one_run import charts, opened
from radfield_report.page import page, small_enough
from radfield_report.views import HeldOut


def comparison_of(paths: Sequence[Path], config: ReportConfig, device: str | None = None) -> bytes:
    """Return the report that compares runs: their results, curves, views, options and versions.

    Args:
        paths: run folders, or checkpoints of runs.
        config: the options of the report.
        device: device to render on; by default that of each run.
    """
    stories: dict[str, Story] = {}
    groups: dict[str, HeldOut] = {}
    for i, path in enumerate(paths):
        name = chr(ord("A") + i) if i < 26 else str(i + 1)
        trained, note = opened(path, device, None)
        stories[name] = facts.story_of(path, trained)
        stories[name].notes.extend(filter(None, [note]))
        groups[name] = HeldOut("", [], 0) if trained is None else views.held_out(trained, config, spread=True)
        stories[name].notes.extend(filter(None, [groups[name].note]))
    return small_enough(lambda limit: _page(stories, groups, limit))


def _page(stories: Mapping[str, Story], groups: Mapping[str, HeldOut], limit: float) -> bytes:
    """Return the page. The pictures of views have at most `limit` bytes."""
    shown = views.encoded(list(groups.values()), limit)
    found = [story.facts for story in stories.values()]
    drawn = compared_charts({name: story.log for name, story in stories.items()})
    sections = [
        section("Results", _results(stories), id="results"),
        section("Curves", charts(map(draw, drawn)), id="curves"),
        section("Views", views.same_views(groups, shown), id="views"),
        _differing("option", [each.options for each in found], list(stories)),
        _differing("version", [each.plugins for each in found], list(stories)),
    ]
    lines = [tag("li", tag("b", name), f" {facts.name_of(story)}") for name, story in stories.items()]
    return page(f"{len(stories)} runs compared", tag("ul", *lines, class_="runs"), sections, {})


def _differing(what: str, tables: Sequence[Mapping[str, str]], names: Sequence[str]) -> Html:
    """Return a section with the options or versions in which runs differ, or nothing if there are none."""
    rows = list(facts.differences(tables))[: facts.MAX_ROWS]
    return section(f"Different {what}s", table((what, *names), rows) if rows else None, id=f"{what}s")


def _results(stories: Mapping[str, Story]) -> Html:
    """Return the metrics of runs as a table."""
    found = {name: story.facts for name, story in stories.items()}
    rows: list[tuple[object, ...]] = [
        ("step", *("" if each.step is None else f"{each.step:,}" for each in found.values())),
        ("training", *("" if each.seconds is None else facts.duration(each.seconds) for each in found.values())),
        ("size", *(facts.size(each.size) for each in found.values())),
    ]
    measured = [each.measured for each in found.values()]
    rows.append(("measured on", *("" if m is None else f"{m.split}, {m.views} views, step {m.step}" for m in measured)))
    for metric in dict.fromkeys(metric for m in measured if m is not None for metric in m.metrics):
        values = ["" if m is None or metric not in m.metrics else f"{m.metrics[metric]:.4g}" for m in measured]
        rows.append((metric.upper(), *values))
    notes = [tag("p", f"{name}: {note}") for name, story in stories.items() for note in story.notes]
    return join([table(("", *found), rows, class_="numbers"), *notes])
