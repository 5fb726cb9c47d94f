"""Converters write a data set in another format. The command is `radfield data convert NAME SRC DST`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from radfield_core.runtime.progress import ProgressCallback


class Converter(ABC):
    """Writer of data sets in one format, constructed as `Converter(config)`.

    Attributes:
        config: the converter's options.
        remarks: sentences that the command line prints after `convert`.
        stage: what `convert` is doing now, such as "features". The progress display shows it. A converter with several
            stages sets it before it reports progress, which then counts the items of this stage.

    Example:
        >>> class Copy(Converter):
        ...     def convert(self, source, target, progress=None):
        ...         target.write_bytes(source.read_bytes())
        ...         return [target]
        >>> Copy(config=None).remarks
        []
    """

    def __init__(self, config: Any):
        self.config = config
        self.remarks: list[str] = []
        self.stage = ""

    @abstractmethod
    def convert(self, source: Path, target: Path, progress: ProgressCallback | None = None) -> list[Path]:
        """Convert a data set. If the conversion fails, no file is written.

        Args:
            source: folder or file of the data set.
            target: folder to write, which must be absent or empty.
            progress: called as progress(done, total) after each file; both are numbers of files.

        Returns:
            The paths of the files that were written.

        Raises:
            DatasetError: the source cannot be converted. The error lists every fault.
        """
