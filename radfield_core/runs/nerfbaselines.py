"""Results of an evaluation in the layout of NerfBaselines 1.2, so that its tools read them.

    predictions-<step>.tar.gz    info.json; color/NAME.png: rendered views; gt-color/NAME.png: true images
    results-<step>.json          metrics of each view and their means, with the checksums of both sets of images

`nerfbaselines evaluate predictions-<step>.tar.gz --output FILE` measures the same images again. Both sets of images are
on the background of the evaluation, so they have no alpha channel.

Metrics per view are stored as float32 numbers in base64. A checksum of images is the SHA-256 of their files, joined in
the order of their names.
"""

from __future__ import annotations

import base64
import hashlib
import struct
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from radfield_core import __version__
from radfield_core.errors import unwritable
from radfield_core.files.json_files import dump_json
from radfield_core.files.pictures import write_picture
from radfield_core.files.staging import put_files, staging_folder
from radfield_core.render.evaluation import ViewResult
from radfield_core.runs.folder import scene_name
from radfield_core.runs.trained import Trained
from radfield_core.runs.training_record import read_trainings

DECIMALS = 5
"""Digits after the point of the mean metrics."""

VERSION = f"radfield {__version__}"


class Predictions:
    """Collects the views of an evaluation. Made by `predictions_archive`.

    Args:
        folder: an empty folder for the images.
        info: what is known about the run.
    """

    def __init__(self, folder: Path, info: dict[str, Any]):
        self._folder, self._info = folder, info
        self._names: set[PurePosixPath] = set()
        self._metrics: dict[str, list[float]] = {}

    def add(self, view: ViewResult) -> None:
        """Add a view, whose pictures must contain `rendered` and `truth`."""
        name = self._name(view.name)
        self._names.add(name)
        for folder, kind in (("color", "rendered"), ("gt-color", "truth")):
            write_picture(self._folder / folder / name, view.pictures[kind])
        for metric, value in _metrics(view).items():
            self._metrics.setdefault(metric, []).append(value)

    def write_archive(self, path: Path) -> None:
        """Write the archive. Its images are compressed already."""
        (self._folder / "info.json").write_text(dump_json(self._info, indent=2), encoding="utf-8")
        with tarfile.open(path, "w:gz", compresslevel=1) as archive:
            archive.add(self._folder / "info.json", "info.json")
            for name in sorted(self._names):
                for folder in ("gt-color", "color"):
                    archive.add(self._folder / folder / name, f"{folder}/{name}")

    def results(self) -> dict[str, Any]:
        """Return the content of `results-<step>.json`."""
        info = dict(self._info)
        kept = ("render_datetime", "render_version", "render_dataset_metadata")
        return {
            **{name: info.pop(name) for name in kept},
            "nb_info": info,
            "evaluate_datetime": _now(),
            "evaluate_version": VERSION,
            "metrics": {name: round(float(np.mean(values)), DECIMALS) for name, values in self._metrics.items()},
            "metrics_raw": {name: packed(values) for name, values in self._metrics.items()},
            "metrics_sha256": _metrics_checksum(self._metrics),
            "predictions_sha256": _joined_checksum(self._folder / "color" / name for name in sorted(self._names)),
            "ground_truth_sha256": _joined_checksum(self._folder / "gt-color" / name for name in sorted(self._names)),
            "evaluation_protocol": info["evaluation_protocol"],
        }

    def _name(self, name: str) -> PurePosixPath:
        """Return the name of a view's files: that of its image, without parts that lead elsewhere, and not taken."""
        parts = [part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in ("/", ".", "..")]
        wanted = PurePosixPath(*parts or ["view"]).with_suffix(".png")
        names = (wanted, *(wanted.with_stem(f"{wanted.stem}-{n}") for n in range(2, len(self._names) + 3)))
        return next(each for each in names if each not in self._names)


@contextmanager
def predictions_archive(trained: Trained, split: str, out: Path) -> Iterator[Predictions]:
    """Provide a collection for the views of a split. After the `with` block, both files are put into the folder `out`.

    If the block raises an exception, nothing is written.

    Raises:
        StorageError: a file cannot be written.
    """
    archive, results = names_of(trained)
    try:
        with staging_folder(out / archive) as staged:
            (staged / "predictions").mkdir()
            predictions = Predictions(staged / "predictions", _info(trained, split))
            yield predictions
            predictions.write_archive(staged / archive)
            (staged / results).write_text(dump_json(predictions.results(), indent=2) + "\n", encoding="utf-8")
            put_files(staged, [archive, results], out)
    except OSError as error:
        raise unwritable(error, out) from error


def names_of(trained: Trained) -> tuple[str, str]:
    """Return the names of the archive and of the file with results."""
    return f"predictions-{trained.step}.tar.gz", f"results-{trained.step}.json"


def packed(values: list[float]) -> str:
    """Return numbers as float32 in base64.

    Example:
        >>> packed([0.5])
        'AAAAPw=='
    """
    return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode("ascii")


def _metrics(view: ViewResult) -> dict[str, float]:
    """Return the metrics of a view, by the names that NerfBaselines gives them."""
    rendered, truth = (view.pictures[kind].astype(np.float64) / 255.0 for kind in ("rendered", "truth"))
    known = {name: view.metrics[name] for name in ("psnr", "ssim", "lpips", "lpips_vgg") if name in view.metrics}
    return known | {"mae": float(np.abs(rendered - truth).mean()), "mse": float(np.square(rendered - truth).mean())}


def _metrics_checksum(metrics: Mapping[str, list[float]]) -> str:
    """Return the SHA-256 of the sorted values of all metrics."""
    sha = hashlib.sha256()
    for name in sorted(metrics):
        sha.update(name.lower().encode() + packed(sorted(metrics[name])).encode() + b"\n")
    return sha.hexdigest()


def _info(trained: Trained, split: str) -> dict[str, Any]:
    """Return what the layout tells about a run."""
    seconds = [entry.get("seconds", {}).get("steps") for entry in read_trainings(trained.folder)]
    known = [float(number) for number in seconds if isinstance(number, (int, float))]
    protocol = "nerf" if trained.run.data.name.startswith("blender") else "default"
    behind = _background(trained, split)
    checkpoint = sorted(path for path in trained.checkpoint.rglob("*") if path.is_file())
    data = {
        "id": trained.run.data.name, "scene": scene_name(trained.run), "split": split, "color_space": "srgb",
        "background_color": behind, "evaluation_protocol": protocol,
    }  # fmt: skip
    return {
        "method": f"radfield-{trained.run.method.name}", "nb_version": VERSION, "num_iterations": trained.step,
        "total_train_time": round(sum(known), 5) if known else None, "resources_utilization": {},
        "datetime": _now(), "config_overrides": {}, "dataset_metadata": data, "evaluation_protocol": protocol,
        "checkpoint_sha256": _joined_checksum(checkpoint), "render_version": VERSION,
        "render_datetime": _now(), "render_dataset_metadata": data,
    }  # fmt: skip


def _background(trained: Trained, split: str) -> list[int] | None:
    """Return the color of the background that evaluation uses, from 0 to 255, or None for none."""
    import torch

    from radfield_core.render.backgrounds import background_for

    scene = trained.scenes.views(split)
    color = background_for(scene, trained.method, None, 1, torch.device("cpu"))
    return None if color is None else [round(255 * float(value)) for value in color[0]]


def _joined_checksum(files: Iterable[Path]) -> str:
    """Return the SHA-256 of the contents of files, joined in the given order."""
    sha = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            while part := file.read(2**20):
                sha.update(part)
    return sha.hexdigest()


def _now() -> str:
    return datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="seconds")
