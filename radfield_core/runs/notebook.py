"""A trained run as HTML, which notebooks display: what it is, its curves, and its last strip of pictures."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from radfield_core.files.regular import open_regular
from radfield_core.runs.checkpoint_names import named_step
from radfield_core.runs.folder import RunFolder
from radfield_core.runs.stored_log import read_log

WIDTH, HEIGHT, MARGIN = 320, 140, 26  # pixels of a diagram
MAX_POINTS = 400  # of a curve
MAX_STRIP_BYTES = 4 * 2**20
CURVES = {"loss": "loss", "psnr": "PSNR of training pixels in dB"}


def as_html(folder: RunFolder, title: str, facts: Mapping[str, object]) -> str:
    """Return a run as HTML without scripts. All names in it are escaped.

    Args:
        folder: the run's folder.
        title: heading.
        facts: name -> value, each a row of a table.
    """
    entries = read_log(folder.metrics)
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(str(value))}</td></tr>" for name, value in facts.items())
    curves = "".join(curve(entries, name, words) for name, words in CURVES.items())
    return f"<h4>{escape(title)}</h4><table>{rows}</table><div>{curves}</div>{_last_strip(folder)}"


def curve(entries: Sequence[Mapping[str, Any]], name: str, title: str) -> str:
    """Return a diagram of a value over the steps as SVG, or "" if fewer than two finite values are known.

    Example:
        >>> entries = [{"step": 10, "psnr": 12.0}, {"step": 20, "psnr": 18.0}]
        >>> 'points="26.0,114.0 294.0,26.0"' in curve(entries, "psnr", "PSNR")
        True
    """
    points = [(float(entry["step"]), float(entry[name])) for entry in entries if _is_number(entry, name)]
    if len(points) < 2:
        return ""
    every = -(-len(points) // MAX_POINTS)
    shown = [*points[:-1:every], points[-1]]
    low, high = (limit(value for _, value in shown) for limit in (min, max))
    first, last = shown[0][0], shown[-1][0]
    across, up = (WIDTH - 2 * MARGIN) / max(last - first, 1e-12), (HEIGHT - 2 * MARGIN) / max(high - low, 1e-12)
    path = " ".join(f"{MARGIN + (x - first) * across:.1f},{HEIGHT - MARGIN - (y - low) * up:.1f}" for x, y in shown)
    texts = (
        (MARGIN, MARGIN - 10, f"{title}: {points[-1][1]:.4g}"),
        (MARGIN, HEIGHT - MARGIN + 14, f"{first:g}"),
        (WIDTH - MARGIN - 40, HEIGHT - MARGIN + 14, f"step {last:g}"),
    )
    words = "".join(f'<text x="{x}" y="{y}" font-size="11">{escape(text)}</text>' for x, y, text in texts)
    line = f'<polyline points="{path}" fill="none" stroke="#2a6f97" stroke-width="1.5"/>'
    return f'<svg width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}">{words}{line}</svg>'


def _is_number(entry: Mapping[str, Any], name: str) -> bool:
    values = (entry.get("step"), entry.get(name))
    return all(isinstance(each, (int, float)) and math.isfinite(each) for each in values)


def _last_strip(folder: RunFolder) -> str:
    """Return the last strip of pictures as an image in the page, or "" if there is none."""
    found = sorted(path for path in folder.pictures.glob("step-*.png") if named_step(path.with_suffix("")) is not None)
    data = _read(found[-1]) if found else b""
    if not data.startswith(b"\x89PNG"):
        return ""
    source = base64.b64encode(data).decode("ascii")
    words = f"step {named_step(found[-1].with_suffix(''))}: truth, rendering, depth, error"
    return f'<figure><img src="data:image/png;base64,{source}" alt="{words}"><figcaption>{words}</figcaption></figure>'


def _read(path: Path) -> bytes:
    """Return the content of a file, or nothing if it is too large or cannot be read."""
    try:
        with open_regular(path) as file:
            data = file.read(MAX_STRIP_BYTES + 1)
    except OSError:
        return b""
    return data if len(data) <= MAX_STRIP_BYTES else b""
