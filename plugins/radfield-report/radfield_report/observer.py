"""observer:report, which writes report.html when training has ended."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from radfield_core import ObservedRun, Observer, UsageError
from radfield_core.files import write_durably
from radfield_core.runs import find_run
from radfield_report.config import ReportConfig
from radfield_report.one_run import report_on
from radfield_report.several_runs import comparison_of

NAME = "report.html"


class Report(Observer):
    """Writes report.html into the run's folder when training has ended.

    The run is opened again for it, so the report shows what is on the disk.
    """

    config: ReportConfig

    def started(self, run: ObservedRun) -> None:
        """Remember the folder of the run."""
        self._folder = run.folder

    def finished(self, step: int, reason: str) -> None:
        """Write the report, unless a signal ended the training: whoever sent it does not want to wait."""
        if reason != "signal":
            self.write([self._folder])

    def write(
        self, runs: Sequence[Path], out: Path | None = None, *, device: str | None = None, data: Path | None = None
    ) -> Path:
        """Write a report about one run, or one that compares several, and return the file.

        Args:
            runs: run folders, or checkpoints of runs.
            out: the file; by default report.html in the folder of the only run.
            device: device to render on.
            data: the present place of the data of the only run, if they were moved.

        Raises:
            UsageError: there is no run at a path, or several runs are given without a file.
            OSError: the file cannot be written.
        """
        if out is None and len(runs) > 1:
            raise UsageError("a report on several runs needs a file", path="--out", hint="Add --out compared.html")
        target = find_run(runs[0])[0].path / NAME if out is None else out
        one = len(runs) == 1
        content = report_on(runs[0], self.config, device, data) if one else comparison_of(runs, self.config, device)
        write_durably(target, content)
        return target
