"""The splits of a run's data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from radfield_core.config.run import RunConfig
from radfield_core.data.normalize import prepare_scene
from radfield_core.data.scene import Scene
from radfield_core.errors import NoSuchSplit, UsageError
from radfield_core.interfaces.dataparser import open_data_set


class Scenes:
    """The splits of a run's data. Each split is read once, and is normalized in the same way as the training split.

    Args:
        run: the run's options.
        left_out: numbers of the views to exclude, by split.
    """

    def __init__(self, run: RunConfig, left_out: Mapping[str, Sequence[int]] | None = None):
        self.left_out = dict(left_out or {})
        self._config = run.scene
        self._parser = open_data_set(run.data)
        self._parsed: dict[str, Scene] = {}

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits that the data's format defines."""
        return self._parser.splits

    def get(self, split: str) -> Scene:
        """Return a split in scene coordinates.

        Raises:
            UsageError: the data's format has no such split.
            NoSuchSplit: the split is empty.
        """
        if split not in self.splits:
            hint = "Use " + " or ".join(f"--split {name}" for name in self.splits)
            raise UsageError(f"the data has no split {split!r}", path="--split", hint=hint)
        return prepare_scene(self._parse(split), self._config, self._parse("train"))

    def leave_out(self, views: Mapping[str, Sequence[int]]) -> None:
        """Exclude more views. `views` maps a split to the numbers of its views.

        The numbers refer to all views of the split, including views that were excluded before.
        """
        for split, numbers in views.items():
            known = self.left_out.get(split, ())
            if set(numbers) - set(known):
                self.left_out[split] = sorted({*known, *numbers})
                self._parsed.pop(split, None)

    def _parse(self, split: str) -> Scene:
        if split not in self._parsed:
            scene = self._parser.parse(split)
            if out := set(self.left_out.get(split, ())):
                scene = scene.only([view for view in range(len(scene.cameras)) if view not in out])
            if len(scene.cameras) == 0:
                raise NoSuchSplit(f"split {split!r} has no images", path="data")
            self._parsed[split] = scene
        return self._parsed[split]
