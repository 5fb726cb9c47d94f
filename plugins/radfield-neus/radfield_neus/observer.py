"""Observers of NeuS, which act on events of a training run.

One observer logs a warning when the surface has vanished. Another draws the signed distance after a completed run.

This module does not import torch, because the plugin's declaration imports it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from radfield_core.plugin import hookimpl

log = logging.getLogger(__name__)

VANISHED_BELOW = 0.01
"""The surface counts as vanished if the mean rendering weight inside the scene is below this value."""

ENTRIES_BEFORE_WARNING = 5
"""A warning is logged when the surface has vanished in this many consecutive log entries."""


class SurfaceWatch:
    """Counter of consecutive log entries in which the surface has vanished."""

    def __init__(self) -> None:
        self._vanished = 0

    def started(self) -> None:
        """Reset the counter for a new run."""
        self._vanished = 0

    def step(self, step: int, scalars: Mapping[str, float]) -> str | None:
        """Return a warning if this log entry calls for one, and None otherwise.

        The warning is returned once, when the surface has vanished in `ENTRIES_BEFORE_WARNING` consecutive entries.

        Args:
            step: training step of the entry.
            scalars: scalars of the model. An entry is ignored if it lacks "weight_inside", which field:neus logs.
        """
        if "weight_inside" not in scalars:
            return None
        self._vanished = self._vanished + 1 if scalars["weight_inside"] < VANISHED_BELOW else 0
        if self._vanished != ENTRIES_BEFORE_WARNING:
            return None
        return (
            f"step {step}: the surface has vanished: only {scalars['weight_inside']:.2%} of the rendered light comes "
            "from inside the scene. Try another trainer.seed, a larger field.init_radius, or data with masks"
        )


WATCH = SurfaceWatch()


@hookimpl
def radfield_train_started() -> None:
    """Reset the watch at the start of a run."""
    WATCH.started()


@hookimpl
def radfield_step_ended(step: int, scalars: Mapping[str, float]) -> None:
    """Log a warning when the surface has vanished."""
    warning = WATCH.step(step, scalars)
    if warning is not None:
        log.warning(warning)


@hookimpl
def radfield_run_finished(folder: Path, reason: str) -> None:
    """After a completed run that used field:neus of this distribution, write sdf-slices.png into the run's folder."""
    if reason not in ("max_steps", "max_seconds"):
        return
    import tomllib

    table = tomllib.loads((folder / "config.toml").read_text(encoding="utf-8")).get("field", {})
    if table.get("type", "").rpartition(":")[2] != "neus":  # other parts of the run may not be installed any more
        return
    from radfield_core import compose, get_registry

    field = compose(get_registry(), file=folder / "config.toml").run.field
    if field is None or (field.component.distribution, field.component.name) != ("radfield-neus", "neus"):
        return
    from radfield_core import compose_part, export, open_run

    slices = compose_part(get_registry(), "exporter", "radfield-neus:sdf-slices", [])
    export(open_run(folder), slices, folder / "sdf-slices.png")
