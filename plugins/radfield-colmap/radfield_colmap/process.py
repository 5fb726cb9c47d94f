"""converter:photographs — computes the cameras of photographs with pycolmap, an optional dependency."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from radfield_colmap import causes
from radfield_colmap.config import PhotographsConfig
from radfield_colmap.measured import distance, scale_to
from radfield_colmap.model import camera_to_world
from radfield_colmap.photographs import AT_LEAST, HEIF_SUFFIXES, collect
from radfield_colmap.reading import read_model
from radfield_colmap.solver import Stages, import_pycolmap, quiet
from radfield_colmap.solving import ENOUGH, find_features, match_photographs, reconstruct, refined
from radfield_colmap.still import MOSTLY_STILL, drop_still, still_share
from radfield_colmap.video import DEFAULT_FRAMES, cut
from radfield_core import Converter, DatasetError, Problems, ProgressCallback, UsageError, natural_key, plural
from radfield_core.data import IMAGE_SUFFIXES, fold_warnings
from radfield_core.files import atomic_path, require_empty


class Photographs(Converter):
    """Converter from photographs, or from a video, to images/ and sparse/0.

    A photograph is registered if COLMAP has found its pose. The messages in `remarks` state how many photographs were
    registered, and the mean reprojection error. If too few were registered, they give advice.
    """

    config: PhotographsConfig

    def convert(self, source: Path, target: Path, progress: ProgressCallback | None = None) -> list[Path]:
        """Solve the cameras of photographs or of a video's frames. Return the files written. See `process`.

        `stage` is "photographs" (or frames of the video), then "features", both counted in photographs, "matches" in
        pairs, "cameras" in registered photographs, and "lens" in lens models.
        """

        def shown(stage: str, done: int, of: int) -> None:
            self.stage = stage
            if progress is not None:
                progress(done, of)

        report = process(source, target, self.config, shown)
        self.remarks += summary(report)
        return sorted(path for path in target.rglob("*") if path.is_file())


class Registered(NamedTuple):
    """Result of solving the cameras.

    Attributes:
        names: names of the registered photographs.
        left_out: names of the photographs that were not registered.
        n_points: number of 3D points.
        reprojection_error: mean reprojection error in pixels.
        advice: suggestions for better photographs, if too few were registered.
        remarks: lines for the user about the files that were read, and those that were not.
    """

    names: tuple[str, ...]
    left_out: tuple[str, ...]
    n_points: int
    reprojection_error: float
    advice: tuple[str, ...]
    remarks: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """Number of all photographs, registered or not."""
        return len(self.names) + len(self.left_out)


def summary(report: Registered) -> list[str]:
    """Return the result of solving the cameras as lines of text."""
    lines = [
        f"registered {len(report.names)} of {plural(report.total, 'photograph')}, {plural(report.n_points, 'point')}, "
        f"mean reprojection error {report.reprojection_error:.2f} px"
    ]
    if report.left_out:
        more = " …" if len(report.left_out) > 5 else ""
        lines.append(f"not registered: {', '.join(report.left_out[:5])}{more}")
    return lines + [f"  try: {line}" for line in report.advice] + list(report.remarks)


def process(source: Path, folder: Path, config: PhotographsConfig, progress: Stages) -> Registered:
    """Solve the cameras of photographs or of a video's frames. Write images/ and sparse/0, and return a report.

    Args:
        source: a video, or a folder with photographs, which may be in subfolders.
        folder: target folder, which must be empty or not exist.
        config: options.
        progress: called as progress(stage, done, total).

    Raises:
        DatasetError: photographs cannot be read, or fewer than three can; the video cannot be decoded; the background
            stands still; fewer than three photographs, or less than a third of them, were registered; or they show
            several scenes. The message states what was measured.
        UsageError: a number of frames is set, but the source is no video; or the known distance has another form.
        PluginError: pycolmap is not installed.
    """
    pycolmap = import_pycolmap("solving cameras")
    if config.frames is not None and source.is_dir():
        raise UsageError(f"applies to a video, and {source} is a folder", path="--frames", hint="Leave out --frames")
    if config.between is not None:
        distance(config.between)  # a mistake in it is reported before the work begins
    require_empty(folder)
    with tempfile.TemporaryDirectory() as scratch, atomic_path(folder) as result, quiet(pycolmap):
        images = result / "images"
        images.mkdir(parents=True)
        names, remarks, where = _gather(source, images, config, partial(progress, "photographs"))
        run = _Run(pycolmap, source, images, names, Path(scratch), config, progress)
        remarks += run.find_features()
        model, more = run.solve(where)
        sparse = result / "sparse" / "0"
        sparse.mkdir(parents=True)
        model.write_binary(sparse)
        report = _report(sparse, names, float(model.compute_mean_reprojection_error()))
    return report._replace(remarks=(*report.remarks, *remarks, *more))


class _Run:
    """The steps of solving. `pycolmap` sees the photographs under the names 000000.jpg, 000001.jpg, … in their natural
    order."""

    def __init__(
        self, pycolmap: Any, source: Path, images: Path, names: Sequence[str], scratch: Path,
        config: PhotographsConfig, progress: Stages,
    ):  # fmt: skip
        self.pycolmap, self.source, self.images, self.names, self.scratch = pycolmap, source, images, names, scratch
        self.config, self.progress = config, progress
        self.known = None if config.between is None else distance(config.between)
        self.database, self.linked = scratch / "database.db", scratch / "images"
        self.linked.mkdir()
        self.numbered = [f"{i:06d}{Path(name).suffix.lower()}" for i, name in enumerate(names)]
        self.name_of = dict(zip(self.numbered, names, strict=True))
        for number, name in self.name_of.items():
            (self.linked / number).symlink_to((images / name).resolve())
        pycolmap.set_random_seed(config.seed)

    def find_features(self) -> list[str]:
        """Find features, and return remarks. Raises DatasetError if most features of all photographs stand still."""
        folders = [
            [number for number, _ in group]
            for _, group in groupby(self.name_of.items(), key=lambda each: Path(each[1]).parent)
        ]
        size, progress = self.config.max_size, self.progress
        find_features(self.pycolmap, self.database, self.linked, folders, size, progress)
        share = still_share(self.pycolmap, self.database)
        if self.config.turntable:
            dropped = drop_still(self.pycolmap, self.database)
            return [f"left out {plural(dropped, 'feature')} that stand still; train with masks of the object"]
        if share > MOSTLY_STILL:
            raise DatasetError(
                f"{100 * share:.0f} % of what photographs have in common stands still in the pictures: an object turns "
                "before a still background, and the background does not turn with it", path=str(self.source),
                hint="Add turntable=true to use the object alone, or walk around it with the camera",
            )  # fmt: skip
        return []

    def solve(self, where: str) -> tuple[Any, list[str]]:
        """Return the reconstruction to keep, with the photographs' own names, and remarks."""
        config, n = self.config, len(self.names)
        match_photographs(self.pycolmap, self.database, self.numbered, config.pairs, self.scratch, self.progress)
        models = reconstruct(
            self.pycolmap, self.database, self.linked, self.scratch, n, config.seed, self.progress
        )  # fmt: skip
        found = [frozenset(self._registered(model)) for model in models]
        chosen = causes.separate(found)
        scenes = [sorted(found[i], key=natural_key) for i in chosen]
        number = causes.check_scenes(scenes, config.scene, self.source)
        kept = len(scenes[number]) if scenes else max(map(len, found), default=0)
        if kept < causes.LEAST or (config.scene is None and kept < causes.LEAST_SHARE * n):
            features = causes.features_of(self.pycolmap, self.database)
            text = causes.too_few(kept, list(self.names), self.images, features, where)
            raise DatasetError(text, path=str(self.source), hint=causes.advice(text))
        remarks = [f"other scenes were found, too, and scene=2 keeps the next: {causes.described(scenes)}"]
        model = refined(self.pycolmap, models[chosen[number]], self.progress)
        for image in model.images.values():
            image.name = self.name_of[image.name]
        remarks = remarks if len(scenes) > 1 and config.scene is None else []
        return model, remarks + ([scale_to(self.pycolmap, model, self.known)] if self.known is not None else [])

    def _registered(self, model: Any) -> list[str]:
        return [self.name_of[model.images[number].name] for number in model.reg_image_ids()]


def _gather(
    source: Path, images: Path, config: PhotographsConfig, progress: Callable[[int, int], None]
) -> tuple[list[str], list[str], str]:
    """Copy the photographs, or write frames of the video.

    Returns:
        The names of the files, remarks for the user, and a text. The text states the numbers of photographs by
        subfolder, or is empty if there is only one folder.
    """
    if source.is_dir():
        found = collect(source, images, progress, skip_bad=config.skip_bad_images)
        return found.names, found.remarks(), found.where()
    if source.suffix.lower() in (*IMAGE_SUFFIXES, *HEIF_SUFFIXES):
        raise DatasetError(
            "is one photograph; a folder of photographs or a video is needed",
            path=str(source),
            hint=f"radfield data process {shlex.quote(str(source.parent))} DIR",
        )
    names, remarks = cut(source, images, config.frames or DEFAULT_FRAMES, progress)
    if len(names) < AT_LEAST:
        text = f"has {plural(len(names), 'frame')}; at least {AT_LEAST} are needed"
        raise DatasetError(text, path=str(source), hint="Give a longer video, or a folder of photographs")
    return names, remarks, ""


def _report(model: Path, names: Sequence[str], error: float) -> Registered:
    """Return the result. It is read from the files in the folder `model`, so that it describes what was written."""
    stored = read_model(model)
    registered = {image.name for image in stored.images}
    missing = tuple(name for name in names if name not in registered)
    problems = Problems()
    if not registered <= set(names):
        problems.add(model, "has images that are not among the photographs")
    problems.raise_as(DatasetError)
    advice = causes.ADVICE if len(registered) < ENOUGH * len(names) else ()
    kept = tuple(name for name in names if name in registered)
    c2w = np.stack([camera_to_world(image) for image in stored.images])
    folds = [f"warning: {text}" for text in fold_warnings([image.name for image in stored.images], c2w)]
    return Registered(kept, missing, len(stored.points), error, advice, tuple(folds))
