"""Held-out views beside the truth: which ones are shown, how large, and how."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from radfield_core import Scene, Trained
from radfield_core.runs import ComparedView, compared_views, seconds_per_ray
from radfield_report.cameras import splits_of
from radfield_report.charts import number
from radfield_report.config import ReportConfig
from radfield_report.embed import data_uri, encoded_within
from radfield_report.markup import Html, join, tag

SMALLEST_SIDE = 64
"""Rendering never shrinks a view below this to save time; it leaves out views instead."""

PROBES = 3
"""Number of times that the time of rendering is measured before views are shrunk or left out."""

WORST = 2
"""Number of the shown views that are the worst of those whose PSNR is known."""

SHOWN = ("truth", "rendered", "error", "similarity", "depth", "normals")
CAPTIONS = {
    "truth": "truth", "rendered": "rendered", "error": "error", "similarity": "SSIM", "depth": "depth",
    "normals": "normals",
}  # fmt: skip


@dataclass(frozen=True)
class HeldOut:
    """Rendered views of one split.

    Attributes:
        split: name of the split, or "" if the run has no views.
        views: the views, in the order of their numbers.
        of: number of views of the split.
        note: why the pictures are smaller or fewer than asked for, or "".
        seconds: time of rendering.
    """

    split: str
    views: Sequence[ComparedView]
    of: int
    note: str = ""
    seconds: float = 0.0


def held_out(
    trained: Trained, config: ReportConfig, psnr: Mapping[str, float] | None = None, *, spread: bool = False
) -> HeldOut:
    """Render views of the test split or, without one, of another split.

    Args:
        trained: the run.
        config: the options of the report.
        psnr: name of a view -> its PSNR, as far as it is known.
        spread: True to show evenly spread views only, so that all runs on the same data show the same ones.
    """
    scenes = splits_of(trained)
    split = next((name for name in ("test", "val", *scenes) if name in scenes), "")
    if not split or not config.views:
        return HeldOut(split, [], len(scenes[split].cameras) if split else 0)
    scene = scenes[split]
    chosen = _chosen(scene, config.views, {} if spread or psnr is None else psnr)
    chosen, side, note = _affordable(trained, scene, chosen, config)
    views = list(compared_views(trained, split, chosen, side))
    return HeldOut(split, views, len(scene.cameras), note, sum(view.seconds for view in views))


def _chosen(scene: Scene, count: int, psnr: Mapping[str, float]) -> list[int]:
    """Return the numbers of views to show: evenly spread ones, and the worst ones if it is known which they are."""
    n = len(scene.cameras)
    count = min(count, n)
    names = [scene.names[i] if scene.names else f"{i:04d}" for i in range(n)]
    known = sorted((psnr[name], i) for i, name in enumerate(names) if math.isfinite(psnr.get(name, math.nan)))
    worst = [i for _, i in known[: min(WORST, count // 3)]]
    rest = [i for i in range(n) if i not in worst]
    spread = count - len(worst)
    return sorted({*worst, *(rest[(2 * i + 1) * len(rest) // (2 * spread)] for i in range(spread))})


def _affordable(trained: Trained, scene: Scene, chosen: list[int], config: ReportConfig) -> tuple[list[int], int, str]:
    """Return the views and the size that can be rendered in time, and a sentence if they are fewer or smaller."""
    sizes = [scene.cameras.sizes[i].tolist() for i in chosen]
    side = min(config.size, max(max(size) for size in sizes))
    shares = [min(1.0, side / max(size)) ** 2 for size in sizes]
    rays = sum(share * width * height for share, (width, height) in zip(shares, sizes, strict=True))
    needed = math.inf
    for _ in range(PROBES):  # a first measurement may include the compilation of kernels
        needed = min(needed, seconds_per_ray(trained) * rays)
        if needed <= config.seconds:
            return chosen, side, ""
    smaller = max(min(SMALLEST_SIDE, side), math.floor(side * math.sqrt(config.seconds / needed)))
    needed *= (smaller / side) ** 2
    count = max(1, math.floor(len(chosen) * min(1.0, config.seconds / needed)))
    kept = [chosen[(2 * i + 1) * len(chosen) // (2 * count)] for i in range(count)]
    what = "Fewer and smaller" if count < len(chosen) else "Smaller"
    time = f"so that rendering takes about {config.seconds:g} s"
    return kept, smaller, f"{what} views are shown, {time}. For more: radfield report RUN seconds=600"


def encoded(groups: Sequence[HeldOut], limit: float) -> list[list[dict[str, str]]]:
    """Return the pictures of all views of each group as kind -> `data:` address, with at most `limit` bytes in all."""
    flat = [view.pictures[kind] for group in groups for view in group.views for kind in SHOWN if kind in view.pictures]
    found = iter(map(data_uri, encoded_within([np.ascontiguousarray(picture) for picture in flat], limit)))
    return [
        [{kind: next(found) for kind in SHOWN if kind in view.pictures} for view in group.views] for group in groups
    ]


def article(view: ComparedView, pictures: Mapping[str, str], unit: str | None, id: str) -> Html:
    """Return a view: a slider between truth and rendering, and its maps with their scales."""
    height, width = next(iter(view.pictures.values())).shape[:2]
    size = {"width": width, "height": height}

    def image(kind: str, what: str) -> Html:
        return tag("img", src=pictures[kind], alt=f"{what} of {view.name}", **size)

    if "truth" in pictures:
        label = f"boundary between truth and rendering of {view.name}"
        handle = tag("input", type="range", min=0, max=100, step="0.5", value=50, aria_label=label)
        before = tag("figure", image("truth", "true image"), tag("figcaption", "truth"), class_="before")
        after = tag("figure", image("rendered", "rendering"), tag("figcaption", "rendered"), class_="after")
        main = tag("div", before, after, handle, class_="slider")
    elif "rendered" in pictures:
        main = tag("figure", image("rendered", "rendering"), tag("figcaption", "rendered; the true image is missing"))
    else:
        main = Html("")
    maps = [
        tag("figure", image(kind, CAPTIONS[kind]), tag("figcaption", CAPTIONS[kind], _scale(kind, view, unit)))
        for kind in SHOWN[2:]
        if kind in pictures
    ]
    shown = tag("div", main, tag("div", *maps, class_="maps"), class_="view")
    numbers = tag("span", metrics_text(view.metrics), class_="numbers")
    return tag("article", tag("h3", tag("span", view.name), numbers), shown, id=id)


def metrics_text(metrics: Mapping[str, Any]) -> str:
    """Return PSNR and SSIM of a view as text."""
    parts = [f"PSNR {metrics['psnr']:.2f} dB"] if "psnr" in metrics else []
    return " · ".join([*parts, *([f"SSIM {metrics['ssim']:.4f}"] if "ssim" in metrics else [])])


def _scale(kind: str, view: ComparedView, unit: str | None) -> Html | None:
    """Return the scale of the colors of a map."""
    ends = {"error": ("0", "0.25 and more"), "similarity": ("1", "0")}.get(kind)
    if kind == "depth":
        if view.depths is None:
            return None
        near, far = view.depths
        ends = number(near), f"{number(far)} {unit or ''}".strip()
    if ends is None:
        return tag("small", "x, y, z as red, green, blue")
    colors = "turbo" if kind == "depth" else "inferno"
    return tag("span", ends[0], tag("span", class_=f"bar {colors}"), ends[1], class_="scale")


def same_views(groups: Mapping[str, HeldOut], pictures: Sequence[Sequence[Mapping[str, str]]]) -> Html:
    """Return the views that runs have in common, side by side: the truth, and the rendering and error of each run."""
    tables = {
        run: {(group.split, view.name): (view, shown) for view, shown in zip(group.views, encoded_views, strict=True)}
        for (run, group), encoded_views in zip(groups.items(), pictures, strict=True)
    }
    order = dict.fromkeys(key for table in tables.values() for key in table)
    articles = []
    for key in order:
        having = {run: table[key] for run, table in tables.items() if key in table}
        if len(having) < 2:
            continue
        first, shown = next(iter(having.values()))
        cells = [_cell(shown["truth"], "truth", "truth", first)] if "truth" in shown else []
        for run, (view, images) in having.items():
            if "rendered" in images:
                caption = f"{run}: {metrics_text(view.metrics)}" if view.metrics else run
                cells.append(_cell(images["rendered"], caption, f"rendering by {run}", view))
        errors = [
            _cell(images["error"], f"{run}: error", f"error of {run}", view)
            for run, (view, images) in having.items()
            if "error" in images
        ]
        rows = [tag("div", *row, class_="row") for row in (cells, errors) if row]
        articles.append(tag("article", tag("h3", tag("span", first.name)), *rows))
    return join(articles)


def _cell(source: str, caption: str, alt: str, view: ComparedView) -> Html:
    height, width = next(iter(view.pictures.values())).shape[:2]
    image = tag("img", src=source, alt=f"{alt} of {view.name}", width=width, height=height)
    return tag("figure", image, tag("figcaption", caption))
