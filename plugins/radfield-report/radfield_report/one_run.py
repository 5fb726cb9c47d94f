"""The report on one run."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from radfield_core import NoSurface, RadfieldError, Trained, open_run
from radfield_core.runs import find_run
from radfield_report import facts, surface, views
from radfield_report.cameras import Stage, stage_of, still
from radfield_report.charts import charts_of, draw
from radfield_report.config import ReportConfig
from radfield_report.embed import data_uri
from radfield_report.facts import Story
from radfield_report.markup import Html, join, section, tag
from radfield_report.page import page, small_enough
from radfield_report.views import HeldOut

THUMBNAIL_BYTES = 500_000


@dataclass(frozen=True)
class Content:
    """Everything that a report on one run shows.

    Attributes:
        story: what the run's folder says.
        trained: the run with its model, or None if it cannot be opened.
        stage: the cameras, or None.
        held_out: the rendered views.
        mesh: the surface, or None.
        slices: a picture of the signed distance, or None.
        seconds: time that it took to collect all this.
    """

    story: Story
    trained: Trained | None
    stage: Stage | None
    held_out: HeldOut
    mesh: surface.Surface | None
    slices: bytes | None
    seconds: float


def report_on(path: Path, config: ReportConfig, device: str | None = None, data: Path | None = None) -> bytes:
    """Return the report on a run.

    Args:
        path: a run folder, or a checkpoint.
        config: the options of the report.
        device: device to render on; by default that of the run.
        data: the present place of the run's data, if they were moved.
    """
    content = _content(path, config, device, data)
    return small_enough(lambda limit: _page(content, limit))


def opened(path: Path, device: str | None, data: Path | None) -> tuple[Trained | None, str]:
    """Return a run with its model, or None and the reason why there is none.

    Raises:
        UsageError: there is no run at the path.
    """
    find_run(path)
    try:
        return open_run(path, device, data), ""
    except RadfieldError as error:
        return None, f"The model could not be loaded, so cameras and views are missing: {error.problems[0].message}"


def _content(path: Path, config: ReportConfig, device: str | None, data: Path | None) -> Content:
    started = time.perf_counter()
    trained, note = opened(path, device, data)
    story = facts.story_of(path, trained)
    if trained is None:
        story.notes.append(note)
        return Content(story, None, None, HeldOut("", [], 0), None, None, time.perf_counter() - started)
    stage = stage_of(trained, THUMBNAIL_BYTES)
    held_out = views.held_out(trained, config, story.psnr)
    story.notes.extend(filter(None, [held_out.note]))
    mesh = _mesh(trained, stage, story, config)
    slices = surface.slices(trained)
    return Content(story, trained, stage, held_out, mesh, slices, time.perf_counter() - started)


def _mesh(trained: Trained, stage: Stage | None, story: Story, config: ReportConfig) -> surface.Surface | None:
    """Return the surface, if it is asked for and there is one."""
    if stage is None or not config.mesh:
        return None
    try:
        found = surface.surface_of(trained, stage, config.resolution)
    except NoSurface as error:
        story.notes.append(f"The mesh is missing: {error.problems[0].message}")
        return None
    if found is None:
        story.notes.append("The mesh is missing: no installed exporter can extract it from this run.")
    return found


def _page(content: Content, limit: float) -> bytes:
    """Return the page. The pictures of views have at most `limit` bytes."""
    story, stage, mesh, held_out = content.story, content.stage, content.mesh, content.held_out
    shown = views.encoded([held_out], limit)[0]
    times = {"rendering of views": held_out.seconds, "all else": content.seconds - held_out.seconds}
    turntable = facts.turntable_section(story)  # may add a note
    sections = [
        facts.warnings_section(story, content.trained),
        section("Cameras", _cameras(stage, content.trained), id="cameras"),
        section("Curves", charts(map(draw, charts_of(story.log))), id="curves"),
        _views(held_out, shown, content.trained),
        facts.metrics_table(story, {view.name: f"view-{view.index}" for view in held_out.views}),
        turntable,
        section("Surface", *_surface(mesh, content.slices, facts.geometry_table(story)), id="surface"),
        facts.training_section(story, times),
        facts.options_section(story),
    ]
    data = {} if stage is None else {"stage": stage.data(), "atlas": data_uri(stage.atlas)}
    data |= {} if mesh is None else {"mesh": mesh.data()}
    subtitle = facts.cards(story, {} if stage is None else stage.counts)
    return page(facts.name_of(story), subtitle, sections, data)


def _cameras(stage: Stage | None, trained: Trained | None) -> Html | None:
    """Return the 3-D view of the cameras and facts about them."""
    if stage is None or trained is None:
        return None
    keys = [
        tag(
            "label",
            tag("input", type="checkbox", checked=True, data_split=split),
            tag("i", class_=f"s{i % 4}"),
            f"{split} ({n})",
        )
        for i, (split, n) in enumerate(stage.counts.items())
    ]
    view = tag("div", still(stage), class_="view3d", data_kind="cameras")
    hint = tag("p", "Drag to turn, wheel to zoom, double click to reset; arrow keys and + − work too.", class_="hint")
    return join([tag("p", *keys, class_="keys"), view, hint, facts.data_facts(trained)])


def charts(figures: Iterable[Html]) -> Html | None:
    drawn = list(figures)
    return tag("div", *drawn, class_="charts") if drawn else None


def _views(found: views.HeldOut, shown: Sequence[Mapping[str, str]], trained: Trained | None) -> Html:
    """Return the held-out views."""
    if trained is None or not found.views:
        return Html("")
    unit = trained.scenes.views(found.split).unit
    articles = [
        views.article(view, pictures, unit, f"view-{view.index}")
        for view, pictures in zip(found.views, shown, strict=True)
    ]
    text = f"{len(found.views)} of {found.of} views of the split {found.split}."
    return section("Held-out views", tag("p", text), *articles, id="views")


def _surface(mesh: surface.Surface | None, slices: bytes | None, measured: Html | None) -> list[Html | None]:
    """Return what is known of the surface: the mesh in 3-D, slices of the signed distance, and measured distances."""
    parts: list[Html | None] = []
    if mesh is not None:
        size = f"{len(mesh.faces):,} triangles"
        image = tag("img", src=data_uri(mesh.still()), alt="the mesh", class_="still")
        keys: list[Html] = []
        if mesh.distances is not None:
            bar = tag("span", "0", tag("span", class_="bar heat"), f"{mesh.span:.3g} and more", class_="scale")
            box = tag("input", type="checkbox", class_="heat")
            keys = [tag("label", box, "color by the distance to the true surface"), bar]
        parts += [tag("p", size, *keys, class_="keys"), tag("div", image, class_="view3d", data_kind="mesh")]
    if slices is not None:
        parts.append(tag("img", src=data_uri(slices), alt="signed distance on three planes", class_="slices"))
    return [*parts, measured]
