"""Dataparsers read files into a scene.

A scene holds cameras and images in scene coordinates, and the transform from scene coordinates to data coordinates.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from radfield_core.data.scene import Scene


class DataParser(ABC):
    """Reader of one format of data sets, constructed as `DataParser(config)`.

    Attributes:
        config: the parser's options. The option `root` is the folder or file of the data set.
        splits: names of the splits that the format may have.

    Example:
        >>> class TrainOnly(DataParser):
        ...     splits = ("train",)
        ...
        ...     def parse(self, split):
        ...         raise NotImplementedError("read self.config.root and return a Scene")
        >>> TrainOnly.sniff(Path("scene")) is None
        True
    """

    splits: tuple[str, ...] = ("train", "val", "test")

    def __init__(self, config: Any):
        self.config = config

    @staticmethod
    def sniff(path: Path) -> str | None:
        """Return the reason why a path is in the parser's format, or None if the path is not in this format.

        This method must be fast, so read only file names and small headers.
        """
        return None

    @abstractmethod
    def parse(self, split: str) -> Scene:
        """Read the metadata of one split. Images are read later, when they are first used.

        Raises:
            NoSuchSplit: the data has no split of this name.
            DatasetError: the data cannot be used. The error lists every fault.
        """
