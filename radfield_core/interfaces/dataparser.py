"""Dataparsers: files -> cameras and images in scene coordinates, with the way back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from radfield_core.data.scene import Scene


class DataParser(ABC):
    """Reads one format. Subclasses take their options, which include `root`, as `DataParser(config)`."""

    splits: tuple[str, ...] = ("train", "val", "test")

    def __init__(self, config: Any):
        self.config = config

    @staticmethod
    def sniff(path: Path) -> str | None:
        """Why this path is in the parser's format, or None; looks at names and small headers only."""
        return None

    @abstractmethod
    def parse(self, split: str) -> Scene:
        """One split. Reads metadata, not pixels. Raises DatasetError with every fault found."""
