"""What NeuS says beside training: that the surface has vanished; and the slices it leaves at the end. No torch."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

VANISHED = 0.01
"""Mean weight inside the scene under which hardly anything of a picture comes from the surface."""

PATIENCE = 5
"""Log entries in a row, after the first ones, until that is said."""


class Watch:
    """Counts the log entries in which the surface was gone; `scalars` are those of field:neus."""

    def __init__(self) -> None:
        self._gone = 0

    def started(self) -> None:
        """A run begins."""
        self._gone = 0

    def step(self, step: int, scalars: Mapping[str, float]) -> str | None:
        """A warning, once each time that the surface has been gone for long."""
        if "weight_inside" not in scalars:
            return None
        self._gone = self._gone + 1 if scalars["weight_inside"] < VANISHED else 0
        if self._gone != PATIENCE:
            return None
        return (
            f"step {step}: the surface has vanished, {scalars['weight_inside']:.2%} of the pictures comes from inside "
            "the scene; try another trainer.seed, a larger field.init_radius, or masks"
        )


WATCH = Watch()


def warn(step: int, scalars: Mapping[str, float]) -> None:
    """Say on stderr what `WATCH` finds."""
    warning = WATCH.step(step, scalars)
    if warning is not None:
        print(f"warning: {warning}", file=sys.stderr)


def leave_slices(folder: Path) -> None:
    """Write sdf-slices.png into a run whose field is this package's; other runs are left alone."""
    from radfield_core import compose, compose_part, get_registry

    field = compose(get_registry(), file=folder / "config.toml").run.field.component
    if (field.distribution, field.name) != ("radfield-neus", "neus"):
        return
    from radfield_core import export, open_run

    slices = compose_part(get_registry(), "exporter", "radfield-neus:sdf-slices", [])
    export(open_run(folder), slices, folder / "sdf-slices.png")
