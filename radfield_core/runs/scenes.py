"""The splits of a run's data."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from radfield_core.config.run import RunConfig
from radfield_core.data.normalize import prepare_scene
from radfield_core.data.scene import Scene
from radfield_core.errors import NoSuchSplit, UsageError
from radfield_core.interfaces import Model
from radfield_core.interfaces.dataparser import open_data_set
from radfield_core.model import corrected_scene
from radfield_core.runs.folder import RunFolder
from radfield_core.runs.known_data import KnownData
from radfield_core.runs.stored_run import check_data, data_root, moved_data

logger = logging.getLogger(__name__)


class Scenes:
    """The splits of a run's data. Each split is read once, and is normalized in the same way as the training split.

    Args:
        run: the run's options.
        left_out: numbers of the views to exclude, by split.
        trained: folder of the run, if it has been trained. The cameras are read from it, and only images from the data.
    """

    def __init__(
        self,
        run: RunConfig,
        left_out: Mapping[str, Sequence[int]] | None = None,
        trained: RunFolder | None = None,
    ):
        self._run, self._trained = run, trained
        self._known = KnownData() if trained is None else KnownData.read(trained)
        self._compared: set[str] = set()
        self.left_out = dict(left_out or {})
        self._config = run.scene
        self._parser = open_data_set(run.data)
        self._parsed: dict[str, Scene] = {}
        self._kept: dict[str, Scene] = {}
        self._model: Model | None = None

    def fit_to(self, model: Model) -> None:
        """From now on, return scenes whose cameras fit to a model. They differ if the model has a ray transform."""
        self._model = model

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
        return self._fitted(self._given(split), split)

    def _given(self, split: str) -> Scene:
        """Return a split in scene coordinates, with the cameras that the data set states."""
        if split not in self.splits:
            hint = "Use " + " or ".join(f"--split {name}" for name in self.splits)
            raise UsageError(f"the data has no split {split!r}", path="--split", hint=hint)
        scene = prepare_scene(self._parse(split), self._config, self._parse("train"))
        if split not in self._compared:
            self._compared.add(split)
            geometry, files = self._known.changes(split, scene, data_root(self._run))
            for line in (*geometry, *files):
                logger.warning("the data have changed: %s", line)
        return scene

    def views(self, split: str) -> Scene:
        """Return a split as `get` does, but read its images only when they are first used.

        If the folder of a trained run contains the cameras of the split, the data need not exist until then.
        """
        stored = self._known.scene(split, lambda: self._given(split))
        return self._fitted(self._given(split) if stored is None else stored, split)

    def _fitted(self, scene: Scene, split: str) -> Scene:
        return scene if self._model is None else corrected_scene(self._model, scene, split)

    def leave_out(self, views: Mapping[str, Sequence[int]]) -> None:
        """Exclude more views. `views` maps a split to the numbers of its views.

        The numbers refer to all views of the split, including views that were excluded before.
        """
        for split, numbers in views.items():
            known = self.left_out.get(split, ())
            if set(numbers) - set(known):
                self.left_out[split] = sorted({*known, *numbers})
                self._kept.pop(split, None)

    def numbers(self, split: str) -> list[int]:
        """Return the numbers, among all views of a split, of those views that `get` returns."""
        out = set(self.left_out.get(split, ()))
        return [view for view in range(len(self._whole(split).cameras)) if view not in out]

    def _whole(self, split: str) -> Scene:
        if split not in self._parsed:
            if self._trained is not None:
                check_data(self._run, self._trained)
                if not self._parsed and (moved := moved_data(self._trained)) is not None:
                    logger.info("the data are not where they were; they are read from %s", moved)
            self._parsed[split] = self._parser.parse(split)
        return self._parsed[split]

    def _parse(self, split: str) -> Scene:
        if split not in self._kept:
            scene = self._whole(split)
            kept = self.numbers(split)
            if not kept:
                raise NoSuchSplit(f"split {split!r} has no images", path="data")
            self._kept[split] = scene if len(kept) == len(scene.cameras) else scene.only(kept)
        return self._kept[split]
