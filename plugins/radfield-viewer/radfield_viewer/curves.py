"""The curves of a training on the page."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np
import viser

MOST_POINTS = 500
"""A curve that has more points is thinned to half of them."""

EVERY_SECONDS = 1.0


class Curves:
    """The curves of the loss and of the PSNR."""

    def __init__(self, server: viser.ViserServer):
        with server.gui.add_folder("Training"):
            self._text = server.gui.add_markdown("")
            x, y = np.zeros(1), np.zeros(1)
            self._plots = {
                name: server.gui.add_uplot(
                    (x, y), series=({"label": "step"}, {"label": name, "stroke": color, "width": 2}), aspect=2.0,
                    scales={"x": {"time": False}},
                )
                for name, color in (("psnr", "#2a7"), ("loss", "#27c"))
            }  # fmt: skip
        self._rows: list[tuple[float, float, float]] = []
        self._shown = 0.0

    def add(self, step: int, scalars: Mapping[str, float]) -> None:
        """Add the scalars of a step."""
        self._rows.append((float(step), float(scalars.get("psnr", np.nan)), float(scalars.get("loss", np.nan))))
        if len(self._rows) > MOST_POINTS:
            self._rows = self._rows[::2]
        if time.monotonic() - self._shown > EVERY_SECONDS:
            self.show()

    def back_to(self, step: int) -> None:
        """Remove the steps that will be repeated."""
        self._rows = [row for row in self._rows if row[0] <= step]
        self.show()

    def say(self, text: str) -> None:
        """Show a line of text above the curves."""
        self._text.content = text

    def show(self) -> None:
        """Send the curves to the page."""
        self._shown = time.monotonic()
        if self._rows:
            steps, psnr, loss = np.array(self._rows).T
            self._plots["psnr"].data = (steps, psnr)
            self._plots["loss"].data = (steps, loss)
