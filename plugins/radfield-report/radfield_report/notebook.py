"""observer:notebook, which shows curves and pictures in a cell of a notebook while a run trains there."""

from __future__ import annotations

import importlib
import logging
import sys
import time
from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np

from radfield_core import ObservedRun, Observer
from radfield_core.render import strip
from radfield_core.runs import curve
from radfield_report.config import NotebookConfig
from radfield_report.embed import data_uri, webp

logger = logging.getLogger(__name__)

MOST_POINTS = 1000
"""Curves that have more points are thinned to half of them."""

LARGEST_STRIP = 1200
"""Pixels along the longer side of the pictures."""


class Shown:
    """Content of the cell as HTML. A notebook displays an object by calling its method `_repr_html_`."""

    def __init__(self, html: str, text: str):
        self._html, self._text = html, text

    def _repr_html_(self) -> str:
        return self._html

    def __repr__(self) -> str:
        return self._text


class Notebook(Observer):
    """Shows the loss, the PSNR, the last evaluation and a strip of pictures in the cell that trains, and updates them.

    Outside of a notebook, it logs a warning and shows nothing. IPython is used only if the program has loaded it.
    """

    config: NotebookConfig

    def __init__(self, config: NotebookConfig):
        super().__init__(config)
        self.wants_pictures = config.pictures
        self._rows: list[dict[str, float]] = []
        self._state, self._evaluation, self._strip = "", "", ""
        self._cell: Any = None
        self._shown_at = -float("inf")

    def started(self, run: ObservedRun) -> None:
        """Open a display in the running cell."""
        self._title, self._last = f"{run.config.method.name} · {run.folder.name}", run.config.trainer.max_steps
        if not _in_ipython():
            logger.warning("observer:notebook shows nothing, because this is no notebook")
            return
        self._state = f"step {run.step:,} of {self._last:,}"
        self._cell = importlib.import_module("IPython.display").display(self._shown(), display_id=True)

    def step_ended(self, step: int, scalars: Mapping[str, float]) -> None:
        """Add a step to the curves."""
        self._rows.append({"step": step, **{name: scalars[name] for name in ("loss", "psnr") if name in scalars}})
        if len(self._rows) > MOST_POINTS:
            self._rows = self._rows[::2]
        self._state = f"step {step:,} of {self._last:,}"
        if time.perf_counter() - self._shown_at >= self.config.every:
            self._show()

    def evaluated(
        self,
        step: int,
        split: str,
        metrics: Mapping[str, float],
        pictures: Mapping[str, Mapping[str, np.ndarray]],
    ) -> None:
        """Show the metrics of an evaluation, and the pictures of its last view."""
        values = ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())
        self._evaluation = f"{split} at step {step:,}: {values}"
        if self.config.pictures and pictures and self._cell is not None:
            name, kinds = list(pictures.items())[-1]
            joined = strip(kinds)
            source = data_uri(webp(joined, min(1.0, LARGEST_STRIP / max(joined.shape))))
            words = escape(f"{name}: truth, rendering, depth, error")
            self._strip = f'<figure><img src="{source}" alt="{words}"><figcaption>{words}</figcaption></figure>'
        self._show()

    def rolled_back(self, step: int) -> None:
        """Remove the steps that will be repeated from the curves."""
        self._rows = [row for row in self._rows if row["step"] <= step]
        self._show()

    def finished(self, step: int, reason: str) -> None:
        """Say why the training ended."""
        self._state = f"step {step:,} of {self._last:,}; ended by {reason}"
        self._show()

    def _show(self) -> None:
        self._shown_at = time.perf_counter()
        if self._cell is not None:
            self._cell.update(self._shown())

    def _shown(self) -> Shown:
        lines = [text for text in (self._state, self._evaluation) if text]
        curves = "".join(curve(self._rows, name, words) for name, words in (("loss", "loss"), ("psnr", "PSNR, dB")))
        texts = "<br>".join(map(escape, lines))
        html = f"<h4>{escape(self._title)}</h4><div>{texts}</div><div>{curves}</div>{self._strip}"
        return Shown(html, " · ".join([self._title, *lines]))


def _in_ipython() -> bool:
    """Return True if the program runs in IPython or in the kernel of a notebook."""
    loaded = sys.modules.get("IPython")
    return loaded is not None and loaded.get_ipython() is not None
