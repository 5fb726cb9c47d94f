"""Observers of NeuS: a warning when the surface has vanished, and slices of the distance after a run. No torch."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from radfield_core.plugin import hookimpl

log = logging.getLogger(__name__)

VANISHED_BELOW = 0.01
"""Mean weight inside the scene below which almost nothing in an image comes from the surface."""

ENTRIES_BEFORE_WARNING = 5
"""Consecutive log entries with a vanished surface after which it is reported."""


class SurfaceWatch:
    """Counter of consecutive log entries in which the surface has vanished."""

    def __init__(self) -> None:
        self._vanished = 0

    def started(self) -> None:
        """Reset the counter for a new run."""
        self._vanished = 0

    def step(self, step: int, scalars: Mapping[str, float]) -> str | None:
        """The warning for a log entry; None unless the surface has just been gone for long enough.

        Args:
            step: training step of the entry.
            scalars: scalars of the model; those of other fields than field:neus are ignored.
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
    """Start to watch the surface of a new run."""
    WATCH.started()


@hookimpl
def radfield_step_ended(step: int, scalars: Mapping[str, float]) -> None:
    """Log a warning when the surface has vanished."""
    warning = WATCH.step(step, scalars)
    if warning is not None:
        log.warning(warning)


@hookimpl
def radfield_run_finished(folder: Path, reason: str) -> None:
    """Write sdf-slices.png into the folder of a completed run, if its field is this distribution's."""
    if reason not in ("max_steps", "max_seconds"):
        return
    from radfield_core import compose, get_registry

    field = compose(get_registry(), file=folder / "config.toml").run.field.component
    if (field.distribution, field.name) != ("radfield-neus", "neus"):
        return
    from radfield_core import compose_part, export, open_run

    slices = compose_part(get_registry(), "exporter", "radfield-neus:sdf-slices", [])
    export(open_run(folder), slices, folder / "sdf-slices.png")
