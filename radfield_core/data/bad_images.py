"""Find all images that cannot be read, before training starts. If the user allows it, leave them out of the run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from radfield_core.data.masks import WithAlpha
from radfield_core.data.resized import stored
from radfield_core.data.scene import ImageSource, Scene
from radfield_core.errors import DatasetError, Problem, Problems
from radfield_core.names import plural
from radfield_core.runtime.progress import Progress

if TYPE_CHECKING:
    from radfield_core.config.run import SceneConfig

SKIP_HINT = "Add --skip-bad-images (scene.skip_bad_images=true) to leave them out"


class BadImage(NamedTuple):
    """A view whose image or mask cannot be read.

    Attributes:
        split: name of the split.
        view: number of the view in the split.
        name: name of the view.
        reason: why the image or mask cannot be read.
    """

    split: str
    view: int
    name: str
    reason: str

    @property
    def problem(self) -> Problem:
        """The fault, for an error message."""
        return Problem(f"image {self.view} of {self.split}, {self.name}", self.reason)

    def __str__(self) -> str:
        return str(self.problem)


def find_bad_images(
    scene: Scene, split: str, cache_mb: int | None, *, quiet: bool, seen: dict[Path, str] | None = None
) -> list[BadImage]:
    """Find the bad images of a split. Return them sorted by the number of the view. Each file is decoded once.

    Args:
        scene: the scene of the split.
        split: name of the split, for messages.
        cache_mb: memory in MiB for the decoded images, which are then kept for training (see `decode_all`). If None,
            decoded images are dropped after the check.
        quiet: if True, show no progress.
        seen: results of earlier calls: file -> the reason why it cannot be read, or "" if it can. Files in this
            dictionary are not decoded again, and the files of this split are added to it. Pass the same dictionary for
            all splits, so that a file in two splits is decoded only once.
    """
    seen = {} if seen is None else seen
    failure = None
    if cache_mb is not None:
        try:
            decode_all(scene, cache_mb, quiet=quiet)
        except DatasetError as error:
            failure = error
    quiet = quiet or cache_mb is not None  # `decode_all` has shown the progress and remembers the faults
    found = []
    for images, prefix in image_and_mask_sources(scene):
        for index, reason in _faults(images, seen, f"check {split} images", quiet=quiet):
            found.append(BadImage(split, index, scene.name(index), prefix + reason))
    if failure is not None and not found:
        raise failure
    return sorted(found)


def image_and_mask_sources(scene: Scene) -> Iterator[tuple[ImageSource, str]]:
    """Yield the source of a scene's images and the source of its masks, if it has masks.

    Each source comes with a prefix for messages about its files.
    """
    if isinstance(
        stored(scene.images), WithAlpha
    ):  # its alpha channel holds the masks; `scene.masks` would be the same files
        if isinstance(scene.images, WithAlpha):
            yield scene.images.images, ""
            yield scene.images.masks, "its mask "
        else:
            yield scene.images, ""  # reduced together with its alpha channel; its faults name the masks
        return
    yield scene.images, ""
    if scene.masks is not None:
        yield scene.masks, "its mask "


def _faults(images: ImageSource, seen: dict[Path, str], title: str, *, quiet: bool) -> list[tuple[int, str]]:
    """Return the number of each image that cannot be decoded, with the reason.

    Files in `seen` are not decoded again. All other files are decoded and added to `seen`.
    """
    files = stored(images)
    paths = [files.path(index) for index in range(len(images))]
    new = [index for index, path in enumerate(paths) if path is None or path not in seen]
    unseen = images if len(new) == len(images) else images.only(new)
    new_files = any(paths[index] is not None for index in new)
    with Progress(title, len(new), quiet=quiet or not new_files) as progress:
        reasons = {new[index]: reason for index, reason in unseen.check(progress.report)}
    for index in new:
        if (path := paths[index]) is not None:
            seen[path] = reasons.get(index, "")
    known = {index: seen[path] for index, path in enumerate(paths) if path is not None and seen[path]}
    return sorted((known | reasons).items())


def decode_all(scene: Scene, cache_mb: int, *, quiet: bool) -> None:
    """Decode all images and masks of a scene once, and store the pixels for training. Show the progress.

    Args:
        scene: the scene of a split.
        cache_mb: memory for the images in MiB. The masks may take the same amount in addition.
        quiet: if True, show no progress.

    Raises:
        DatasetError: some images or masks cannot be used. The problems list all of them.
    """
    problems = Problems()
    for images in (scene.images, scene.masks):
        if images is None:
            continue
        with Progress("read images", len(images), quiet=quiet) as progress:
            try:
                images.prepare(cache_mb, progress.report)
            except DatasetError as error:
                problems.found += error.problems
    problems.raise_as(DatasetError)


def raise_if_any(found: Sequence[BadImage]) -> None:
    """If there are bad images, raise a DatasetError that lists them."""
    if found:
        raise DatasetError(problems=[each.problem for each in found])


def choose_left_out(
    found: Sequence[BadImage], scenes: Mapping[str, Scene], config: SceneConfig
) -> dict[str, list[int]]:
    """Return the views to leave out, as a dictionary: split -> view numbers.

    Args:
        found: the bad images of all splits.
        scenes: split -> scene. A view that belongs to two splits counts once.
        config: the options that say whether images may be left out, and how many.

    Raises:
        DatasetError: there are bad images that the user does not allow to leave out, or too many of them.
    """
    if not found:
        return {}
    views = {_key(split, index, scene) for split, scene in scenes.items() for index in range(len(scene.cameras))}
    bad = {_key(each.split, each.view, scenes[each.split]) for each in found}
    few = len(bad) <= config.max_bad_share * len(views)
    if not (config.skip_bad_images and few):
        count = f"{len(bad)} of {plural(len(views), 'image')} cannot be read"
        if config.skip_bad_images:
            count += f", more than the {config.max_bad_share:.0%} that may be left out"
        enough = math.ceil(100 * len(bad) / len(views)) / 100
        more = f"Repair them, or add --skip-bad-images scene.max_bad_share={enough:g} to leave them out"
        summary = Problem("", count, SKIP_HINT if few else more)
        raise DatasetError(problems=[*(each.problem for each in found), summary])
    result: dict[str, list[int]] = {}
    for each in found:
        result.setdefault(each.split, []).append(each.view)
    return result


def _key(split: str, index: int, scene: Scene) -> tuple[str, int] | str:
    """Return a key that identifies a view: its name or, if the views have no names, its split and number."""
    return scene.names[index] if scene.names else (split, index)
