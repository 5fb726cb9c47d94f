"""Images that cannot be read: all of them found before the first step, and left out where that is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from radfield_core.data.images import FileImages
from radfield_core.data.masks import WithAlpha
from radfield_core.data.scene import ImageSource, Scene
from radfield_core.errors import DatasetError, Problem, Problems
from radfield_core.runtime.progress import Progress

MOST = 0.05
"""The share of all images that may be left out."""

HINT = "--skip-bad-images (scene.skip_bad_images=true) leaves them out"
TOO_MANY = f"mending or removing them: --skip-bad-images leaves out {MOST:.0%} of all at most"


class BadImage(NamedTuple):
    """A view whose image or mask cannot be read: which of its split, counted from 0, and why."""

    split: str
    view: int
    name: str
    reason: str

    def __str__(self) -> str:
        return f"image {self.view} of {self.split}, {self.name}: {self.reason}"


def find_bad_images(
    scene: Scene, split: str, keep_mb: int | None, *, quiet: bool, seen: dict[Path, str] | None = None
) -> list[BadImage]:
    """Every bad image of a split, each of which is decoded once.

    keep_mb: keep what was decoded for drawing pixels from, as `keep` does; None keeps nothing. seen: file -> what is
    wrong with it, or nothing; those that other splits hold as well are not decoded again, and this split's are added.
    """
    seen = {} if seen is None else seen
    fault = None
    if keep_mb is not None:
        try:
            decode_all(scene, keep_mb, quiet=quiet)
        except DatasetError as error:
            fault = error
    found = []
    title = f"check {split} images"
    known = quiet or keep_mb is not None  # which images are bad: `keep` has decoded them and shown it
    both = scene.images if isinstance(scene.images, WithAlpha) else scene
    for source, prefix in ((both.images, ""), (both.masks, "its mask ")):
        for index, reason in _faults(source, seen, title, quiet=known) if source is not None else ():
            found.append(BadImage(split, index, scene.names[index] if scene.names else "", prefix + reason))
    if fault is not None and not found:
        raise fault
    return sorted(found)


def _faults(images: ImageSource, seen: dict[Path, str], title: str, *, quiet: bool) -> list[tuple[int, str]]:
    """Every image that cannot be decoded, with the reason, by what is known of its file already."""
    if not isinstance(images, FileImages):
        return images.check()
    new = [index for index, path in enumerate(images.paths) if path not in seen]
    looked_at = images if len(new) == len(images) else images.only(new)
    with Progress(title, len(new), quiet=quiet or not new) as progress:
        reasons = {new[index]: reason for index, reason in looked_at.check(progress.report)}
    seen.update({images.paths[index]: reasons.get(index, "") for index in new})
    return [(index, seen[path]) for index, path in enumerate(images.paths) if seen[path]]


def decode_all(scene: Scene, cache_mb: int, *, quiet: bool) -> None:
    """Decode all images and masks of a scene once, with `cache_mb` MiB of memory for each, and show how far it is.

    Raises DatasetError naming all that cannot be used.
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
    """Raise DatasetError with the whole list if there are bad images."""
    if found:
        raise DatasetError(problems=[Problem("", str(each)) for each in found])


def choose_left_out(found: Sequence[BadImage], scenes: Mapping[str, Scene], allowed: bool) -> dict[str, list[int]]:
    """Which views of which split to do without.

    Raises DatasetError with the whole list if there are bad images and they are not allowed, or more than 5 % of all.
    A view that belongs to two splits counts once.
    """
    if not found:
        return {}
    views = {_key(split, index, scene) for split, scene in scenes.items() for index in range(len(scene.cameras))}
    bad = {_key(each.split, each.view, scenes[each.split]) for each in found}
    if not allowed or len(bad) > MOST * len(views):
        hint = HINT if len(bad) <= MOST * len(views) else TOO_MANY
        count = f"{len(bad)} of {len(views)} images cannot be read"
        if allowed:
            count += f", more than the {MOST:.0%} that may be left out"
        raise DatasetError(problems=[*(Problem("", str(each)) for each in found), Problem("", count, hint)])
    result: dict[str, list[int]] = {}
    for each in found:
        result.setdefault(each.split, [])
        if each.view not in result[each.split]:
            result[each.split].append(each.view)
    return result


def _key(split: str, index: int, scene: Scene) -> tuple[str, int] | str:
    return scene.names[index] if scene.names else (split, index)
