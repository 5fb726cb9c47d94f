"""observer:viewer, which shows the model in the browser while it trains, and trained runs for `radfield view`."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

import numpy as np
import viser

from radfield_core import LiveRun, ObservedRun, Observer
from radfield_viewer.config import ViewerConfig
from radfield_viewer.guard import Guard
from radfield_viewer.pacing import Pace
from radfield_viewer.page import Page, until
from radfield_viewer.server import start, stop, url_of

logger = logging.getLogger(__name__)

LONGEST_LOOK = 0.2
"""Training goes on after so many seconds of rendering, even if more is allowed."""


class Viewer(Observer):
    """Shows the model in the browser.

    While training, the model is rendered between two steps, for at most a share of the time.
    """

    config: ViewerConfig

    def __init__(self, config: ViewerConfig):
        super().__init__(config)
        self._server: viser.ViserServer | None = None
        self._page: Page | None = None
        self._pace = Pace(config.share)

    def started(self, run: ObservedRun) -> None:
        """Open the page."""
        self._open(run, training=True)
        self._pace = Pace(self.config.share)

    def wants_look(self) -> bool:
        """Return True if there is something to render and time for it, or if training is paused."""
        page = self._page
        return page is not None and (page.paused or (page.busy and self._pace.allows(page.seconds)))

    def look(self, live: LiveRun) -> None:
        """Render for a short time, or until training is resumed."""
        assert self._page is not None
        page, begun = self._page, time.perf_counter()
        if page.paused:
            until(lambda: not page.held, page, live)
            page.take_step()
            self._pace.forgive(time.perf_counter() - begun)
            return
        while page.busy and time.perf_counter() - begun < LONGEST_LOOK:
            before = time.perf_counter()
            if not self._pace.allows(page.seconds):
                break
            page.work(live)
            self._pace.spend(time.perf_counter() - before)

    def step_ended(self, step: int, scalars: Mapping[str, float]) -> None:
        """Show the scalars of a step."""
        if self._page is not None and self._page.curves is not None:
            self._page.curves.add(step, scalars)

    def evaluated(
        self,
        step: int,
        split: str,
        metrics: Mapping[str, float],
        pictures: Mapping[str, Mapping[str, np.ndarray]],
    ) -> None:
        """Show the metrics of an evaluation."""
        if self._page is not None and self._page.curves is not None:
            listed = ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())
            self._page.curves.say(f"step {step:,} · {split}: {listed}")

    def rolled_back(self, step: int) -> None:
        """Remove the steps that will be repeated from the curves."""
        if self._page is not None and self._page.curves is not None:
            self._page.curves.back_to(step)

    def finished(self, step: int, reason: str) -> None:
        """Close the page."""
        self._close()

    def show(self, run: ObservedRun, live: LiveRun) -> None:
        """Show a trained run until Ctrl-C."""
        page = self._open(run, training=False)
        logger.info("Ctrl-C ends the viewer")
        try:
            until(lambda: False, page, live)
        except KeyboardInterrupt as end:
            if type(end) is not KeyboardInterrupt:  # SIGTERM, which has an exit code of its own
                raise
        finally:
            self._close()

    def _open(self, run: ObservedRun, training: bool) -> Page:
        config = self.config
        guard = Guard(config.host, config.clients)
        self._server = start(config.host, config.port, guard)
        self._page = Page(self._server, run, config.side, training)
        logger.setLevel(logging.INFO)
        logger.info("viewer   %s", url_of(config.host, self._server.get_port(), guard))
        return self._page

    def _close(self) -> None:
        if self._server is not None:
            stop(self._server)
        self._server = self._page = None
