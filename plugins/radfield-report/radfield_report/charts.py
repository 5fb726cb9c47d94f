"""Curves of a run's log, drawn as SVG."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from radfield_report.markup import Html, join, tag

WIDTH, HEIGHT = 420, 220
LEFT, RIGHT, TOP, BOTTOM = 58, 10, 10, 26
MAX_POINTS = 240
"""Number of intervals of steps, of each of which a curve shows the smallest and the largest value."""

MAX_SERIES = 12
MAX_CHARTS = 24
COLORS = 8
"""Number of colors of curves in the style sheet: the classes c0, c1, …"""

LOG_RANGE = 20.0
"""A chart whose values are all positive and differ by more than this factor has a logarithmic axis, if it may have."""

NOT_DRAWN = ("step", "seconds", "cpu_seconds", "skipped")
NAMES = {
    "psnr": "PSNR, dB", "ssim": "SSIM", "ms_ssim": "MS-SSIM", "flip": "FLIP", "lpips": "LPIPS", "lr": "learning rate",
    "ws_psnr": "WS-PSNR, dB", "psnr_masked": "PSNR inside masks, dB", "rays_per_second": "rays per second",
}  # fmt: skip
Points = list[tuple[float, float]]


@dataclass
class Chart:
    """Curves over the training step.

    Attributes:
        title: what the values are.
        series: name of a curve -> its points (step, value).
        logarithmic: True if the axis of values may be logarithmic.
    """

    title: str
    series: dict[str, Points] = field(default_factory=dict)
    logarithmic: bool = False


def charts_of(log: Iterable[Mapping[str, Any]]) -> list[Chart]:
    """Return the charts of a log: the losses and the metrics first, then all other numbers that it has."""
    charts = {"loss": Chart("loss", logarithmic=True), "psnr": Chart(NAMES["psnr"]), "ssim": Chart(NAMES["ssim"])}
    for entry in log:
        if not _is_number(entry.get("step")):
            continue
        step = float(entry["step"])
        if isinstance(entry.get("eval"), dict):
            where = str(entry.get("split", "evaluation"))
            for name, value in entry["eval"].items():
                _add(charts, str(name), f"{where} views", step, value)
            continue
        for name, value in entry.items():
            if name not in NOT_DRAWN:
                group, _, term = str(name).partition("/")
                series = {"psnr": "training rays", "loss": "total"}.get(str(name), term or str(name)).replace("_", " ")
                _add(charts, group, series, step, value)
    drawn = [chart for chart in charts.values() if any(len(points) > 0 for points in chart.series.values())]
    for chart in drawn:
        _drop_copies(chart)
    return drawn[:MAX_CHARTS]


def compared_charts(logs: Mapping[str, Iterable[Mapping[str, Any]]]) -> list[Chart]:
    """Return the charts that several runs have in common, with a curve for each run. `logs` maps their names."""
    found: dict[tuple[str, str], Chart] = {}
    for run, log in logs.items():
        for chart in charts_of(log):
            for name, points in chart.series.items():
                title = chart.title if name in ("total", chart.title) else f"{chart.title}: {name}"
                key = (chart.title, name)
                found.setdefault(key, Chart(title, logarithmic=chart.logarithmic)).series[run] = points
    return [chart for chart in found.values() if len(chart.series) > 1][:MAX_CHARTS]


def _add(charts: dict[str, Chart], chart: str, series: str, step: float, value: Any) -> None:
    """Add a point to a curve of a chart. Values that are no finite numbers are left out."""
    if not _is_number(value):
        return
    known = charts.setdefault(chart, Chart(NAMES.get(chart, chart.replace("_", " ")), logarithmic=chart == "lr"))
    if series in known.series or len(known.series) < MAX_SERIES:
        known.series.setdefault(series, []).append((step, float(value)))


def _drop_copies(chart: Chart) -> None:
    """Remove a single term of the loss that equals the total."""
    total = chart.series.get("total")
    if total is not None and len(chart.series) == 2:
        for name in [name for name, points in chart.series.items() if name != "total" and points == total]:
            del chart.series[name]


def draw(chart: Chart) -> Html:
    """Return a chart as a figure with an SVG picture and a legend."""
    thinned = {name: thin(points) for name, points in chart.series.items()}
    values = [value for points in thinned.values() for _, value in points]
    steps = [step for points in thinned.values() for step, _ in points]
    low, high, first, last = min(values), max(values), min(steps), max(steps)
    log = chart.logarithmic and low > 0 and high / low > LOG_RANGE
    up, ticks = _scale(low, high, log)
    across = (WIDTH - LEFT - RIGHT) / (last - first) if last > first else 0.0

    def x(step: float) -> float:
        return LEFT + across * (step - first) if across else LEFT + (WIDTH - LEFT - RIGHT) / 2

    parts: list[Html] = []
    for value in ticks:
        y = up(value)
        parts.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=f"{y:.1f}", y2=f"{y:.1f}", class_="grid"))
        parts.append(tag("text", number(value), x=LEFT - 6, y=f"{y + 4:.1f}", text_anchor="end"))
    for step in dict.fromkeys((first, last)):
        anchor = "middle" if not across else "start" if step == first else "end"
        parts.append(tag("text", number(step), x=f"{x(step):.1f}", y=HEIGHT - 8, text_anchor=anchor))
    for index, points in enumerate(thinned.values()):
        color = f"c{index % COLORS}"
        where = Html(" ".join(f"{x(step):.1f},{up(value):.1f}" for step, value in points))
        if len(points) > 1:
            parts.append(tag("polyline", points=where, class_=f"curve {color}"))
        else:
            (step, value), *_ = points
            parts.append(tag("circle", cx=f"{x(step):.1f}", cy=f"{up(value):.1f}", r=3, class_=f"dot {color}"))
    label = f"{chart.title} over training steps"
    picture = tag("svg", *parts, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=label)
    names = [
        tag("span", tag("i", class_=f"c{index % COLORS}"), f"{name} {number(points[-1][1])}")
        for index, (name, points) in enumerate(thinned.items())
    ]
    title = f"{chart.title}{', logarithmic' if log else ''}"
    return tag("figure", tag("figcaption", tag("b", title), join(names)), picture, class_="chart")


def thin(points: Sequence[tuple[float, float]]) -> Points:
    """Return at most 2 · `MAX_POINTS` points of a curve, with the smallest and the largest value of each interval.

    Example:
        >>> len(thin([(step, float(step % 2)) for step in range(10_000)])) <= 2 * MAX_POINTS
        True
    """
    if len(points) <= 2 * MAX_POINTS:
        return list(points)
    kept: list[int] = []
    bounds = [len(points) * i // MAX_POINTS for i in range(MAX_POINTS + 1)]
    for start, end in pairwise(bounds):
        inside = range(start, end)
        kept += sorted({min(inside, key=lambda i: points[i][1]), max(inside, key=lambda i: points[i][1])})
    return [points[i] for i in kept]


def _scale(low: float, high: float, log: bool) -> tuple[Any, list[float]]:
    """Return a function from a value to its height in the picture, and the values at which there are lines."""
    if high == low:
        low, high = low - (abs(low) or 1.0) / 2, high + (abs(high) or 1.0) / 2
    to: Any = math.log10 if log else float
    bottom, top = to(low), to(high)
    if log:
        decades = [10.0**power for power in range(math.floor(bottom), math.ceil(top) + 1)]
        ticks = [value for value in decades if low <= value <= high] or [low, high]
        ticks = ticks[:: max(1, len(ticks) // 5)]
    else:
        step = 10.0 ** math.floor(math.log10(max((high - low) / 4, 1e-300)))
        step *= next((m for m in (1, 2, 5, 10) if (high - low) / (step * m) <= 5), 10)
        count = int((high - low) / step) + 2 if step > 0 and math.isfinite(step) else 0
        ticks = [round(low / step) * step + i * step for i in range(-1, min(count, 12))] if count else []
        ticks = [value for value in ticks if low <= value <= high]
    span = (top - bottom) or 1.0
    return lambda value: HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * (to(value) - bottom) / span, ticks


def number(value: float) -> str:
    """Return a number in few characters, such as "1.5k".

    Example:
        >>> number(20000), number(0.00012345), number(31.416), number(-0.0)
        ('20k', '0.000123', '31.4', '0')
    """
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1e4 and size < 1e10:
        power, unit = next((p, u) for p, u in ((1e9, "G"), (1e6, "M"), (1e3, "k")) if size >= p)
        return f"{value / power:.3g}{unit}"
    return f"{value:.4g}" if size >= 1000 else f"{value:.3g}"


def _is_number(value: Any) -> bool:
    kind = isinstance(value, (int, float)) and not isinstance(value, bool)
    return kind and abs(value) < 1e300 and math.isfinite(value)
