"""converter:photographs — computes the cameras of photographs with pycolmap, an optional dependency."""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from radfield_colmap.config import PhotographsConfig
from radfield_colmap.photographs import AT_LEAST, HEIF_SUFFIXES, collect
from radfield_colmap.reading import read_model
from radfield_colmap.solver import FEATURES_TOGETHER, Stages, import_pycolmap, match, quiet
from radfield_colmap.video import DEFAULT_FRAMES, cut
from radfield_core import Converter, DatasetError, Problems, ProgressCallback, UsageError, plural
from radfield_core.data import IMAGE_SUFFIXES, read_headers
from radfield_core.files import atomic_path, require_empty

EXHAUSTIVE_UP_TO = 150
"""Largest number of photographs for which all pairs are matched.

With more photographs, each one is matched only with its neighbors in the order of file names.
"""

ENOUGH = 0.8
"""If the share of registered photographs is smaller than this, the user gets advice."""

_MANY = 30  # with fewer photographs, the lens has one coefficient instead of four

_SHARES = {"photographs": (0, 10), "features": (10, 35), "matches": (45, 25), "mapping": (70, 30)}
"""Start and length of each stage, in percent of the whole progress."""


class Photographs(Converter):
    """Converter from photographs, or from a video, to images/ and sparse/0.

    A photograph is registered if COLMAP has found its pose. The messages in `remarks` state how many photographs were
    registered, and the mean reprojection error. If too few were registered, they give advice.
    """

    config: PhotographsConfig

    def convert(self, source: Path, target: Path, progress: ProgressCallback | None = None) -> list[Path]:
        """Solve the cameras of photographs or of a video's frames. Return the files written. See `process`."""

        def shown(stage: str, done: int, of: int) -> None:
            if progress is not None:
                progress(int(_SHARES[stage][0] + _SHARES[stage][1] * done / max(of, 1)), 100)

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
        progress: progress callback.

    Raises:
        DatasetError: fewer than three photographs can be read (the error lists the unreadable ones), the video cannot
            be decoded, or no photograph could be registered.
        UsageError: a number of frames is set, but the source is no video.
        PluginError: pycolmap is not installed.
    """
    pycolmap = import_pycolmap("solving cameras")
    if config.frames is not None and source.is_dir():
        raise UsageError(f"applies to a video, and {source} is a folder", path="--frames", hint="Leave out --frames")
    require_empty(folder)
    with tempfile.TemporaryDirectory() as scratch, atomic_path(folder) as result, quiet(pycolmap):
        images = result / "images"
        images.mkdir(parents=True)
        names, remarks, where = _gather(source, images, config.frames, partial(progress, "photographs"))
        database = Path(scratch) / "database.db"
        pycolmap.set_random_seed(config.seed)
        _find_features(pycolmap, database, images, names, config.max_size, progress)
        _match(pycolmap, database, len(names), config.pairs, progress)
        largest = _map(pycolmap, database, images, Path(scratch) / "models", len(names), config.seed, progress)
        if largest is None:
            text = f"no two photographs could be matched, of {len(names)}{f' ({where})' if where else ''}"
            raise DatasetError(text, path=str(source), hint=_ADVICE[0])
        (result / "sparse" / "0").mkdir(parents=True)
        largest.write_binary(result / "sparse" / "0")
        report = _report(result / "sparse" / "0", names, float(largest.compute_mean_reprojection_error()))
    return report._replace(remarks=tuple(remarks))


def _gather(
    source: Path, images: Path, frames: int | None, progress: Callable[[int, int], None]
) -> tuple[list[str], list[str], str]:
    """Copy the photographs, or write frames of the video.

    Returns:
        The names of the files, remarks for the user, and a text. The text states the numbers of photographs by
        subfolder, or is empty if there is only one folder.
    """
    if source.is_dir():
        found = collect(source, images, progress)
        return found.names, found.remarks(), found.where()
    if source.suffix.lower() in (*IMAGE_SUFFIXES, *HEIF_SUFFIXES):
        raise DatasetError(
            "is one photograph; a folder of photographs or a video is needed",
            path=str(source),
            hint=f"radfield data process {shlex.quote(str(source.parent))} DIR",
        )
    names, remarks = cut(source, images, frames or DEFAULT_FRAMES, progress)
    if len(names) < AT_LEAST:
        text = f"has {plural(len(names), 'frame')}; at least {AT_LEAST} are needed"
        raise DatasetError(text, path=str(source), hint="Give a longer video, or a folder of photographs")
    return names, remarks, ""


_ADVICE = (
    "Take photographs from many positions, not from a single one. Let each overlap its neighbors by two thirds",
    "Take sharp photographs in even light, and remove blurred ones",
    "Choose a static scene with texture, not only mirrors, glass or bare walls",
)


def _find_features(
    pycolmap: Any, database: Path, images: Path, names: list[str], max_size: int, progress: Stages
) -> None:
    """Find features in all photographs. Photographs in the same folder share one camera if they have the same size."""
    extraction = pycolmap.FeatureExtractionOptions()
    extraction.max_image_size = max_size
    extraction.use_gpu = False
    done = 0
    for folder in dict.fromkeys(Path(name).parent for name in names):
        inside = [name for name in names if Path(name).parent == folder]
        one_camera = len({header[:2] for header in read_headers([images / name for name in inside])[0]}) == 1
        mode = pycolmap.CameraMode.SINGLE if one_camera else pycolmap.CameraMode.PER_IMAGE
        reader = pycolmap.ImageReaderOptions()
        reader.camera_model = "OPENCV" if len(names) >= _MANY else "SIMPLE_RADIAL"
        for start in range(0, len(inside), FEATURES_TOGETHER):
            progress("features", done + start, len(names))
            if one_camera and start:
                reader.existing_camera_id = _newest_camera(pycolmap, database)
            pycolmap.extract_features(
                database, images, inside[start : start + FEATURES_TOGETHER], camera_mode=mode, reader_options=reader,
                extraction_options=extraction, device=pycolmap.Device.cpu,
            )  # fmt: skip
        done += len(inside)
    progress("features", len(names), len(names))


def _newest_camera(pycolmap: Any, database: Path) -> int:
    with pycolmap.Database.open(database) as opened:
        return max(int(camera.camera_id) for camera in opened.read_all_cameras())


def _match(pycolmap: Any, database: Path, n: int, which: str, progress: Stages) -> None:
    """Match all pairs of photographs, or only neighbors in the order of file names.

    If `which` is "auto", the number n of photographs decides.
    """
    exhaustive = which == "all" or (which == "auto" and n <= EXHAUSTIVE_UP_TO)
    pairing = None if exhaustive else pycolmap.SequentialPairingOptions()
    pairs = n * (n - 1) // 2 if pairing is None else n * pairing.overlap

    def work() -> None:
        if pairing is None:
            pycolmap.match_exhaustive(database, device=pycolmap.Device.cpu)
        else:
            pycolmap.match_sequential(database, pairing_options=pairing, device=pycolmap.Device.cpu)

    match(pycolmap, database, pairs, work, progress)


def _map(pycolmap: Any, database: Path, images: Path, models: Path, n: int, seed: int, progress: Stages) -> Any | None:
    """Return the reconstruction with the most images, or None if COLMAP found none."""
    options = pycolmap.IncrementalPipelineOptions()
    options.random_seed = seed
    options.min_model_size = 3
    options.num_threads = os.cpu_count() or 1

    count = 0

    def registered(so_far: int) -> None:
        nonlocal count
        count = min(so_far, n)
        progress("mapping", count, n)

    models.mkdir()
    found = pycolmap.incremental_mapping(
        database, images, models, options, initial_image_pair_callback=lambda: registered(2),
        next_image_callback=lambda: registered(count + 1),
    )  # fmt: skip
    return max(found.values(), key=lambda model: model.num_reg_images(), default=None)


def _report(model: Path, names: list[str], error: float) -> Registered:
    """Return the result. It is read from the files in the folder `model`, so that it describes what was written."""
    stored = read_model(model)
    registered = {image.name for image in stored.images}
    missing = tuple(name for name in names if name not in registered)
    problems = Problems()
    if not registered <= set(names):
        problems.add(model, "has images that are not among the photographs")
    problems.raise_as(DatasetError)
    advice = _ADVICE if len(registered) < ENOUGH * len(names) else ()
    return Registered(tuple(sorted(registered)), missing, len(stored.points), error, advice)
