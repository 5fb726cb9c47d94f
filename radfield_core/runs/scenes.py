"""The splits of a run's data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from radfield_core.config.run import RunConfig
from radfield_core.data.normalize import prepare_scene
from radfield_core.data.scene import Scene
from radfield_core.errors import NoSuchSplit, UsageError
from radfield_core.interfaces import DataParser


class Scenes:
    """The splits of a run's data, each read once and prepared like the training split.

    left_out: split -> numbers of the views that the run does without.
    """

    def __init__(self, run: RunConfig, left_out: Mapping[str, Sequence[int]] | None = None):
        self.left_out = dict(left_out or {})
        self._config = run.scene
        self._parser: DataParser = run.data.load()(run.data.config)
        self._raw: dict[str, Scene] = {}

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that the format has."""
        return self._parser.splits

    def get(self, split: str) -> Scene:
        """A split in scene coordinates. Raises UsageError for an unknown one, NoSuchSplit for an empty one."""
        if split not in self.splits:
            raise UsageError(f"the data has no split {split!r}", path="--split", hint=" or ".join(self.splits))
        return prepare_scene(self._parse(split), self._config, self._parse("train"))

    def leave_out(self, views: Mapping[str, Sequence[int]]) -> None:
        """Do without these views as well; numbers are those of the data, whatever was left out before."""
        for split, numbers in views.items():
            known = self.left_out.get(split, ())
            if set(numbers) - set(known):
                self.left_out[split] = sorted({*known, *numbers})
                self._raw.pop(split, None)

    def _parse(self, split: str) -> Scene:
        if split not in self._raw:
            scene = self._parser.parse(split)
            if out := self.left_out.get(split):
                scene = scene.only([view for view in range(len(scene.cameras)) if view not in set(out)])
            if len(scene.cameras) == 0:
                raise NoSuchSplit(f"split {split!r} has no images", path="data")
            self._raw[split] = scene
        return self._raw[split]
