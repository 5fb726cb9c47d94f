"""What a run's folder says about it, as tables and lists. Nothing here needs the model."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from radfield_core import RadfieldError, Trained, camera_findings, plural
from radfield_core.files import read_json, read_limited, safe_join
from radfield_core.runs import RunFacts, RunFolder, facts, find_run, preset_changes, read_log, read_trainings
from radfield_report.cameras import splits_of
from radfield_report.charts import number
from radfield_report.embed import data_uri
from radfield_report.markup import Html, escaped, listed, section, table, tag

MAX_ROWS = 500
"""Largest number of rows of a table."""

MAX_RESULTS_BYTES = 2**26
MAX_VIDEO_BYTES = 1_200_000
"""A larger video of a turntable is left out, so that the page stays small enough to be mailed."""

VIDEOS = {"mp4": ("video/mp4", b"ftyp", 4), "webp": ("image/webp", b"WEBP", 8), "gif": ("image/gif", b"GIF8", 0)}
"""Ending of a video -> its media type, and the bytes that it has at a certain place."""


@dataclass(frozen=True)
class Story:
    """What is known about a run.

    Attributes:
        folder: the run's folder.
        facts: facts about the run.
        log: the entries of metrics.jsonl.
        results: the content of results.json, or {}.
        geometry: name of a metric of the surface -> content of its file.
        trainings: the entries of training.json.
        changes: options that differ from the preset, as (option, value, value of the preset).
        notes: why something is missing from the report.
    """

    folder: RunFolder
    facts: RunFacts
    log: Sequence[Mapping[str, Any]]
    results: Mapping[str, Any]
    geometry: Mapping[str, Mapping[str, Any]]
    trainings: Sequence[Mapping[str, Any]]
    changes: Sequence[tuple[str, str, str]] = ()
    notes: list[str] = field(default_factory=list)

    @property
    def rows(self) -> list[Mapping[str, Any]]:
        """The metrics of each evaluated view, the worst first."""
        rows = self.results.get("per_image")
        known = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
        return sorted(known, key=lambda row: _number(row.get("psnr"), math.inf))

    @property
    def psnr(self) -> dict[str, float]:
        """Name of an evaluated view -> its PSNR."""
        return {str(row.get("name")): _number(row.get("psnr"), math.nan) for row in self.rows}


def story_of(path: Path, trained: Trained | None) -> Story:
    """Return what is known about a run. Whatever cannot be read is left out, with a note."""
    folder, checkpoint = find_run(path)
    notes: list[str] = []
    changes: Sequence[tuple[str, str, str]] = ()
    if trained is not None:
        try:
            changes = preset_changes(trained.run)
        except RadfieldError as error:
            notes.append(f"The options were not compared with the preset: {error.problems[0].message}")
    found = facts(folder.path, checkpoint)
    geometry = {}
    for name in ("chamfer", "point-to-mesh"):
        content = _results(folder.path / f"{name}.json")
        if content:
            geometry[name] = content
    return Story(
        folder, found, read_log(folder.metrics), _results(folder.results), geometry, read_trainings(folder), changes,
        notes,
    )  # fmt: skip


def _results(path: Path) -> Mapping[str, Any]:
    try:
        stored = read_json(path, MAX_RESULTS_BYTES) if path.is_file() else {}
    except (RadfieldError, OSError):
        return {}
    return stored if isinstance(stored, dict) else {}


def name_of(story: Story) -> str:
    """Return the title of a run."""
    return f"{story.facts.method or 'unknown method'} on {story.facts.scene or 'unknown data'}"


def cards(story: Story, stage_counts: Mapping[str, int]) -> Html:
    """Return the most important numbers of a run."""
    found, measured = story.facts, story.facts.measured
    shown: list[tuple[str, str]] = []
    if measured is not None:
        where = f"{measured.split}, {plural(measured.views, 'view')}"
        for name, form, unit in (("psnr", ".2f", " dB"), ("ssim", ".4f", ""), ("lpips", ".4f", "")):
            if name in measured.metrics:
                shown.append((f"{name.upper()} ({where})", f"{measured.metrics[name]:{form}}{unit}"))
    if found.step is not None:
        shown.append(("steps", f"{found.step:,}"))
    if found.seconds is not None:
        shown.append(("training", duration(found.seconds)))
    if stage_counts:
        shown.append(("images", ", ".join(f"{count} {split}" for split, count in stage_counts.items())))
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in shown), class_="cards")


def duration(seconds: float) -> str:
    """Return a time as text.

    Example:
        >>> duration(7.3), duration(95), duration(7320)
        ('7.3 s', '1 min 35 s', '2 h 2 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def warnings_section(story: Story, trained: Trained | None) -> Html:
    """Return the warnings of all trainings, those about the cameras, and the notes of the report."""
    found: dict[str, None] = {}
    for training in story.trainings:
        lines = training.get("warnings")
        found |= dict.fromkeys(str(line) for line in lines) if isinstance(lines, list) else {}
    for _, scene in splits_of(trained).items() if trained is not None else ():
        found |= dict.fromkeys([*scene.notes, *camera_findings(scene)[1]])
    return section("Warnings", listed(list(found)[:MAX_ROWS] + story.notes, "warnings"), id="warnings")


def data_facts(trained: Trained) -> Html:
    """Return facts about the cameras of the training split as a table."""
    scenes = splits_of(trained)
    scene = scenes.get("train", next(iter(scenes.values())))
    sizes = sorted({f"{w}×{h}" for w, h in scene.cameras.sizes.tolist()})
    rows = [
        ("images", ", ".join(f"{len(each.cameras)} {split}" for split, each in scenes.items())),
        ("size", sizes[0] if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"),
        ("lens", scene.cameras.model),
        ("limits", f"{scene.near:.4g} to {scene.far:.4g}{' in NDC' if scene.ndc else ''}"),
        *camera_findings(scene)[0],
    ]
    return table((), rows, class_="facts")


def metrics_table(story: Story, links: Mapping[str, str]) -> Html:
    """Return the metrics of each evaluated view, the worst first. `links` maps names of views to places in the page."""
    rows = story.rows
    if not rows:
        return Html("")
    keys = [key for key in dict.fromkeys(key for row in rows for key in row) if key not in ("name", "seconds")][:8]
    lines = [
        (_linked(str(row.get("name", "")), links), *(_formatted(key, row.get(key)) for key in keys))
        for row in rows[:MAX_ROWS]
    ]
    split, step = story.results.get("split", ""), story.results.get("step", "")
    means = story.results.get("metrics")
    if isinstance(means, dict):
        lines.append((tag("b", "mean"), *(_formatted(key, means.get(key)) for key in keys)))
    left_out = f" The {MAX_ROWS} worst of {len(rows)} are listed." if len(rows) > MAX_ROWS else ""
    text = f"Split {split}, step {step}, the worst first.{left_out} {story.results.get('protocol', '')}"
    heads = ("view", *(key.replace("_", " ").upper() for key in keys))
    return section("Metrics per image", tag("p", text), table(heads, lines, class_="numbers sortable"), id="metrics")


def _linked(name: str, links: Mapping[str, str]) -> Html:
    return tag("a", name, href=f"#{links[name]}") if name in links else escaped(name)


def _formatted(key: str, value: Any) -> str:
    known = _number(value, math.nan)
    return "" if math.isnan(known) else f"{known:.2f}" if "psnr" in key else f"{known:.4f}"


def training_section(story: Story, more: Mapping[str, float]) -> Html:
    """Return time by stage, memory and machine of each training. `more` are the stages of the report itself."""
    parts: list[Html] = []
    for training in story.trainings[-5:]:
        seconds = training.get("seconds") if isinstance(training.get("seconds"), dict) else {}
        rows = [(str(name), duration(max(_number(value, 0.0), 0.0))) for name, value in (seconds or {}).items()]
        memory = training.get("memory") if isinstance(training.get("memory"), dict) else {}
        rows += [(f"largest memory of the {name}", size(_number(value, 0.0))) for name, value in (memory or {}).items()]
        machine = training.get("machine") if isinstance(training.get("machine"), dict) else {}
        rows += [(str(name), str(value)) for name, value in (machine or {}).items()]
        first, last = training.get("first_step", "?"), training.get("last_step", "?")
        title = f"Steps {first} to {last}, ended by {training.get('end', '?')}, {training.get('ended', '')}"
        parts.append(tag("div", tag("h3", title), table((), rows[:40], class_="facts")))
    if more:
        rows = [(name, duration(seconds)) for name, seconds in more.items()]
        parts.append(tag("div", tag("h3", "This report"), table((), rows, class_="facts")))
    return section("Time and memory", tag("div", *parts, class_="columns"), id="time")


def size(n: float) -> str:
    """Return a number of bytes as text.

    Example:
        >>> size(1_500_000)
        '1.5 MB'
    """
    return f"{n / 1e9:.2f} GB" if n >= 1e9 else f"{n / 1e6:.1f} MB"


def options_section(story: Story) -> Html:
    """Return the options that differ from the preset, and all options. The place of the data is left out."""
    method = story.facts.method
    changed = [(name, tag("code", new), tag("code", old)) for name, new, old in story.changes[:MAX_ROWS]]
    heads = ("option", "value", f"preset {method}")
    differing = table(heads, changed) if changed else tag("p", f"All options are those of the preset {method}.")
    known = list(story.facts.options.items())[:MAX_ROWS]
    everything = [(name, tag("code", value)) for name, value in known if name != "data.root"]
    versions = table((), list(story.facts.plugins.items())[:MAX_ROWS], class_="facts")
    return section(
        "Options and versions",
        differing,
        tag("details", tag("summary", "All options"), table((), everything)),
        tag("details", tag("summary", "Versions"), versions, open=True),
        id="options",
    )


def turntable_section(story: Story) -> Html:
    """Return the video of a camera path that `radfield render` made, if there is one and it is small."""
    for ending, (kind, magic, at) in VIDEOS.items():
        for name in ("turntable", "spiral"):
            try:
                path = safe_join(story.folder.path, f"images/{name}.{ending}")
                if not path.is_file():
                    continue
                if path.stat().st_size > MAX_VIDEO_BYTES:
                    story.notes.append(f"images/{path.name} is too large for the report ({size(path.stat().st_size)}).")
                    continue
                content = read_limited(path, MAX_VIDEO_BYTES)
            except (RadfieldError, OSError):
                continue
            if content[at : at + len(magic)] != magic:
                continue
            source = data_uri(content, kind)
            shown = (
                tag("video", src=source, controls=True, loop=True, muted=True, playsinline=True)
                if kind.startswith("video")
                else tag("img", src=source, alt=f"video of the {name}")
            )
            return section("Turntable" if name == "turntable" else "Camera path", shown, id="turntable")
    return Html("")


def geometry_table(story: Story) -> Html | None:
    """Return the measured distances between the surface and the truth."""
    rows = [
        (name if metric in ("chamfer",) else f"{metric}: {name}", number(value))
        for metric, content in story.geometry.items()
        for name, value in _numbers(content)
        if name != "step"
    ]
    return table((), rows[:40], class_="facts") if rows else None


def _numbers(content: Mapping[str, Any], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, float]]:
    """Yield the numbers of a table and of the tables in it, with their dotted names."""
    for key, value in content.items():
        if isinstance(value, dict) and depth < 4:
            yield from _numbers(value, f"{prefix}{key}.", depth + 1)
        elif not math.isnan(_number(value, math.nan)):
            yield f"{prefix}{key}", float(value)


def differences(tables: Sequence[Mapping[str, str]]) -> Iterable[tuple[str, ...]]:
    """Yield a row for each name whose value is not the same in all tables."""
    for name in dict.fromkeys(name for each in tables for name in each):
        values = [each.get(name, "absent") for each in tables]
        if len(set(values)) > 1 and name != "data.root":
            yield name, *values


def _number(value: Any, otherwise: float) -> float:
    """Return a value if it is a finite number, or else another value."""
    kind = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if kind and abs(value) < 1e300 else otherwise
