"""Dataparsers read files into a scene.

A scene holds cameras and images in scene coordinates, and the transform from scene coordinates to data coordinates.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from radfield_core.config.view_options import ViewOptions, divided
from radfield_core.data.known_points import with_known_points
from radfield_core.data.missing_images import missing_views
from radfield_core.data.resized import resized, smaller_sizes
from radfield_core.data.scene import Scene
from radfield_core.data.view_selection import selected
from radfield_core.errors import SplitWithoutImages

if TYPE_CHECKING:
    from radfield_core.config.slots import Choice


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


def open_data_set(choice: Choice, *, triangulated: bool = True) -> DataParser:
    """Return the dataparser that was chosen for a data set. Its scenes have the views and sizes that the user chose.

    If the data set has no points, its training split has those that `radfield data points` triangulated for it.

    All commands open data sets with this function, so that the view options apply to every format and every command in
    the same way.

    Args:
        choice: the dataparser with its options, as in `RunConfig.data`.
        triangulated: False to leave out triangulated points.

    Raises:
        PluginError: the dataparser cannot be imported.
    """
    own, options = divided(choice.config)
    return _ChosenViews(own, choice.load()(own), options, choice.name if triangulated else None)


class _ChosenViews(DataParser):
    """A dataparser that applies the view options to the scenes of another dataparser, and adds triangulated points.

    Args:
        config: options of the other dataparser.
        parser: the other dataparser.
        options: the view options.
        name: name of the other dataparser; None to add no points.
    """

    def __init__(self, config: Any, parser: DataParser, options: ViewOptions, name: str | None):
        super().__init__(config)
        self._parser, self._options, self._name = parser, options, name
        self.splits = parser.splits

    def parse(self, split: str) -> Scene:
        """Read the metadata of one split. Return a scene with the chosen views in the chosen size.

        Raises:
            SplitWithoutImages: no image of a held-out split exists. The split then counts as absent.
        """
        options, scene = self._options, self._parser.parse(split)
        count = len(scene.cameras)
        if split != "train" and count and len(missing_views(scene)) == count:
            what = "1 image, which does not exist" if count == 1 else f"{count} images, none of which exists"
            raise SplitWithoutImages(f"the {split} split lists {what}")
        scene = selected(scene, split, options.views, options.every)
        if split == "train" and self._name is not None:
            scene = with_known_points(scene, self._name, self.config)
        return resized(scene, smaller_sizes(scene.cameras.sizes, options.downscale, options.size))
