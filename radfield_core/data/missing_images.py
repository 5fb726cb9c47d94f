"""Find the images that a data set lists but does not have, and decide whether the rest can be used.

Published captures list frames without images, exports list cameras that were never rendered, and users delete blurred
photographs. Such views are left out, and the user is told. If most images are missing, the path is probably wrong.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from radfield_core.data.capture import is_missing
from radfield_core.data.images import FileImages
from radfield_core.data.masks import WithAlpha
from radfield_core.data.pairing import listed
from radfield_core.data.resized import stored
from radfield_core.data.scene import Scene
from radfield_core.errors import DatasetError
from radfield_core.names import plural

MAX_MISSING_SHARE = 0.5
"""By default, this share of the images may be missing. More is an error."""


class MissingImages(NamedTuple):
    """The views of a data set whose images do not exist.

    Attributes:
        views: split -> numbers of the views. Splits without such views are not listed.
        names: names of these views. A view that belongs to two splits is listed once.
        total: number of all views of the data set.
    """

    views: dict[str, list[int]]
    names: list[str]
    total: int

    @property
    def warning(self) -> str:
        """A sentence for the user that says which images are missing."""
        verb = "is" if len(self.names) == 1 else "are"
        counted = f"{len(self.names)} of {plural(self.total, 'image')} {verb} missing and {verb} left out"
        return f"{counted}: {listed(self.names)}"

    def check(self, max_share: float, n_train: int) -> None:
        """Raise DatasetError if too many images are missing: more than `max_share`, or all images for training.

        Args:
            max_share: the largest share of all images that may be missing.
            n_train: number of training views.
        """
        count, names = len(self.names), listed(self.names)
        if n_train and len(self.views.get("train", ())) == n_train:
            raise DatasetError(
                f"all {plural(n_train, 'training image')} are missing: {names}" if n_train > 1 else
                f"the only training image is missing: {names}",
                path="data", hint="Copy the images to where the data set lists them",
            )  # fmt: skip
        if count > max_share * self.total:
            enough = math.ceil(100 * count / self.total) / 100
            raise DatasetError(
                f"{count} of {plural(self.total, 'image')} are missing, and at most {max_share:.0%} may be: {names}",
                path="data", hint=f"Set scene.max_missing_share={enough:g} to use the other images",
            )  # fmt: skip


def missing_views(scene: Scene) -> list[int]:
    """Return the numbers of the views whose image files do not exist. No image is decoded."""
    images = stored(scene.images)
    files = images.images if isinstance(images, WithAlpha) else images
    if not isinstance(files, FileImages):
        return []
    return [view for view, header in enumerate(files.headers) if is_missing(header)]


def find_missing(scenes: Mapping[str, Scene]) -> MissingImages:
    """Return the views of a data set, given as split -> scene, whose images do not exist."""
    views = {split: missing for split, scene in scenes.items() if (missing := missing_views(scene))}
    names = dict.fromkeys(_key(split, view, scenes[split]) for split, numbers in views.items() for view in numbers)
    every = {_key(split, view, scene) for split, scene in scenes.items() for view in range(len(scene.cameras))}
    return MissingImages(views, list(names), len(every))


def _key(split: str, view: int, scene: Scene) -> str:
    return scene.names[view] if scene.names else f"{split} view {view}"
