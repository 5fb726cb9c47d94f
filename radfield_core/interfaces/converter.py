"""Converters: a data set in one layout -> the same in another (`radfield data convert NAME SRC DST`)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from radfield_core.runtime.progress import ProgressCallback


class Converter(ABC):
    """Writes one layout. Subclasses take their options as `Converter(config)`."""

    def __init__(self, config: Any):
        self.config = config
        self.remarks: list[str] = []
        """What to tell the user when `convert` is done."""

    @abstractmethod
    def convert(self, source: Path, target: Path, progress: ProgressCallback | None = None) -> list[Path]:
        """Write the data set at `source` into folder `target`, whole or not at all; returns the files written.

        The target must be absent or empty. progress: called after each file. Raises DatasetError with every fault of
        the source.
        """
