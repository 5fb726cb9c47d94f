"""Photographs -> cameras: features, matches and mapping by pycolmap, an optional dependency."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from radfield_colmap.config import PhotographsConfig
from radfield_colmap.reading import read_model
from radfield_core import Converter, DatasetError, PluginError, Problems, ProgressCallback
from radfield_core.data import IMAGE_SUFFIXES, read_headers
from radfield_core.files import atomic_path, require_empty

EXHAUSTIVE_UP_TO = 150
"""Photographs of which every pair is compared; of more only neighbors by name, as in a video."""

ENOUGH = 0.8
"""Share of the photographs that must be registered for nothing to be advised."""

_FEATURES_TOGETHER = 4
_POLL_SECONDS = 0.5
_MANY = 30  # photographs that can hold down a lens of four coefficients; of fewer one is asked

_SHARES = {"features": (0, 40), "matches": (40, 30), "mapping": (70, 30)}
"""Stage -> where it begins and how much it is, in hundredths of the whole."""

Stages = Callable[[str, int, int], None]
"""Called with the stage, how much of it is done, and how much there is."""


class Photographs(Converter):
    """Photographs -> images and sparse/0. Says how many were registered, how well, and what to try if too few were."""

    config: PhotographsConfig

    def convert(self, source: Path, target: Path, progress: ProgressCallback | None = None) -> list[Path]:
        """Solve the cameras of the photographs in folder `source`; see `process`."""

        def shown(stage: str, done: int, of: int) -> None:
            if progress is not None:
                progress(int(_SHARES[stage][0] + _SHARES[stage][1] * done / max(of, 1)), 100)

        report = process(source, target, self.config, shown)
        self.remarks += summary(report)
        return sorted(path for path in target.rglob("*") if path.is_file())


class Registered(NamedTuple):
    """What became of the photographs: which were registered, the mean reprojection error in pixels, what to try."""

    names: tuple[str, ...]
    left_out: tuple[str, ...]
    n_points: int
    reprojection_error: float
    advice: tuple[str, ...]

    @property
    def total(self) -> int:
        """How many photographs there were."""
        return len(self.names) + len(self.left_out)


def summary(report: Registered) -> list[str]:
    """What became of the photographs, in lines."""
    lines = [
        f"registered {len(report.names)} of {report.total} photographs, {report.n_points} points, "
        f"mean reprojection error {report.reprojection_error:.2f} px"
    ]
    if report.left_out:
        more = " …" if len(report.left_out) > 5 else ""
        lines.append(f"left out: {', '.join(report.left_out[:5])}{more}")
    return lines + [f"  try: {line}" for line in report.advice]


def process(photos: Path, folder: Path, config: PhotographsConfig, progress: Stages) -> Registered:
    """Solve the cameras of all photographs in a folder and store images and sparse/0 in another, absent or empty.

    DatasetError names every file that is no image, and says what to try if nothing could be registered; PluginError if
    pycolmap is not installed.
    """
    pycolmap = _pycolmap()
    paths = _photographs(photos)
    require_empty(folder)
    headers, faults = read_headers(paths)
    if faults:
        raise DatasetError(problems=faults)
    names = [path.name for path in paths]
    one_camera = len({header[:2] for header in headers}) == 1
    with tempfile.TemporaryDirectory() as scratch, atomic_path(folder) as result, _quiet(pycolmap):
        (result / "images").mkdir(parents=True)
        for path in paths:
            shutil.copyfile(path, result / "images" / path.name)
        database = Path(scratch) / "database.db"
        pycolmap.set_random_seed(config.seed)
        _find_features(pycolmap, database, result / "images", names, one_camera, config.max_size, progress)
        _match(pycolmap, database, len(names), config.pairs, progress)
        largest = _map(
            pycolmap, database, result / "images", Path(scratch) / "models", len(names), config.seed, progress
        )
        if largest is None:
            raise DatasetError("no two photographs could be put into one scene", path=str(photos), hint=_ADVICE[0])
        (result / "sparse" / "0").mkdir(parents=True)
        largest.write_binary(result / "sparse" / "0")
        report = _report(result / "sparse" / "0", names, float(largest.compute_mean_reprojection_error()))
    return report


_ADVICE = (
    "photographs from many places (not turning on the spot) that overlap by two thirds with their neighbors",
    "sharp, evenly lit photographs, blurred ones left out",
    "a scene that keeps still and has texture: no mirrors, glass or bare walls alone",
)


def _pycolmap() -> Any:
    try:
        import pycolmap
    except ImportError as error:
        raise PluginError(
            f"solving cameras needs pycolmap: {error}", hint='pip install "radfield-colmap[process]"'
        ) from None
    _take_back(signal.SIGTERM)
    return pycolmap


def _take_back(number: signal.Signals) -> None:
    """Let Python's handler have a signal again, for which pycolmap prints a stack trace and ends the process."""
    handler = signal.getsignal(number)
    if handler is not None and threading.current_thread() is threading.main_thread():
        signal.signal(number, handler)


@contextmanager
def _quiet(pycolmap: Any) -> Iterator[None]:
    """Nothing of COLMAP's own log, which runs through the progress and leaves files: what fails raises, and a
    photograph that cannot be used is named as left out."""
    before = pycolmap.logging.minloglevel
    pycolmap.logging.minloglevel = pycolmap.logging.Level.FATAL.value
    try:
        yield
    finally:
        pycolmap.logging.minloglevel = before


def _photographs(photos: Path) -> list[Path]:
    if not photos.is_dir():
        raise DatasetError("there is no such folder", path=str(photos))
    found = sorted(path for path in photos.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())
    if len(found) < 3:
        raise DatasetError(f"holds {len(found)} photographs; three are the least", path=str(photos), hint=_ADVICE[0])
    return found


def _find_features(
    pycolmap: Any, database: Path, images: Path, names: list[str], one_camera: bool, max_size: int, progress: Stages
) -> None:
    extraction = pycolmap.FeatureExtractionOptions()
    extraction.max_image_size = max_size
    extraction.use_gpu = False
    reader = pycolmap.ImageReaderOptions()
    reader.camera_model = "OPENCV" if len(names) >= _MANY else "SIMPLE_RADIAL"
    mode = pycolmap.CameraMode.SINGLE if one_camera else pycolmap.CameraMode.PER_IMAGE
    for start in range(0, len(names), _FEATURES_TOGETHER):
        progress("features", start, len(names))
        if one_camera and start:
            reader.existing_camera_id = 1
        pycolmap.extract_features(
            database, images, names[start : start + _FEATURES_TOGETHER], camera_mode=mode, reader_options=reader,
            extraction_options=extraction, device=pycolmap.Device.cpu,
        )  # fmt: skip
    progress("features", len(names), len(names))


def _match(pycolmap: Any, database: Path, n: int, which: str, progress: Stages) -> None:
    """Every pair of few photographs, neighbors of many; how many pairs are done is asked of the database."""
    exhaustive = which == "all" or (which == "auto" and n <= EXHAUSTIVE_UP_TO)
    pairing = None if exhaustive else pycolmap.SequentialPairingOptions()
    pairs = n * (n - 1) // 2 if pairing is None else n * pairing.overlap
    done, failure = threading.Event(), []

    def work() -> None:
        try:
            if pairing is None:
                pycolmap.match_exhaustive(database, device=pycolmap.Device.cpu)
            else:
                pycolmap.match_sequential(database, pairing_options=pairing, device=pycolmap.Device.cpu)
        except Exception as error:  # handed to the caller's thread
            failure.append(error)
        finally:
            done.set()

    thread = threading.Thread(target=work, name="matching", daemon=True)
    thread.start()
    while not done.wait(_POLL_SECONDS):
        progress("matches", min(_matched(pycolmap, database), pairs), pairs)
    thread.join()
    if failure:
        raise DatasetError(f"matching failed: {failure[0]}", path=str(database))
    progress("matches", pairs, pairs)


def _matched(pycolmap: Any, database: Path) -> int:
    try:
        with pycolmap.Database.open(database) as opened:
            return int(opened.num_matched_image_pairs())
    except Exception:  # the database is busy: no news this time
        return 0


def _map(pycolmap: Any, database: Path, images: Path, models: Path, n: int, seed: int, progress: Stages) -> Any | None:
    """The largest reconstruction, or None."""
    options = pycolmap.IncrementalPipelineOptions()
    options.random_seed = seed
    options.min_model_size = 3
    options.num_threads = os.cpu_count() or 1

    count = 0

    def placed(so_far: int) -> None:
        nonlocal count
        count = min(so_far, n)
        progress("mapping", count, n)

    models.mkdir()
    found = pycolmap.incremental_mapping(
        database, images, models, options, initial_image_pair_callback=lambda: placed(2),
        next_image_callback=lambda: placed(count + 1),
    )  # fmt: skip
    return max(found.values(), key=lambda model: model.num_reg_images(), default=None)


def _report(model: Path, names: list[str], error: float) -> Registered:
    """What is stored, read back by our own reader."""
    stored = read_model(model)
    registered = {image.name for image in stored.images}
    missing = tuple(name for name in names if name not in registered)
    problems = Problems()
    if not registered <= set(names):
        problems.add(model, "names images that were not given")
    problems.raise_as(DatasetError)
    advice = _ADVICE if len(registered) < ENOUGH * len(names) else ()
    return Registered(tuple(sorted(registered)), missing, len(stored.points), error, advice)
