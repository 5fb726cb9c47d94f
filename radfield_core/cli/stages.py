"""Progress display of converters that work in stages."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from radfield_core.interfaces import Converter


class StageProgress:
    """Progress display of a converter: one bar for each stage, with the stage's name and its own counts.

    A converter that names no stage has one bar with the text `otherwise`.
    """

    def __init__(self, converter: Converter, *, quiet: bool, otherwise: str = ""):
        from radfield_core.runtime.progress import Progress

        self._converter, self._quiet, self._stage, self._otherwise = converter, quiet, "", otherwise
        self._shown: Progress | None = None

    def __enter__(self) -> StageProgress:
        return self

    def __exit__(self, *error: object) -> None:
        if self._shown is not None:
            self._shown.__exit__(*error)
            self._shown = None

    def report(self, done: int, total: int) -> None:
        """Show that `done` of `total` items of the present stage are done."""
        from radfield_core.runtime.progress import Progress

        if self._shown is None or self._converter.stage != self._stage:
            self.__exit__(None, None, None)
            self._stage = self._converter.stage
            self._shown = Progress(self._stage or self._otherwise, max(total, 1), quiet=self._quiet).__enter__()
        self._shown.report(done, total)
