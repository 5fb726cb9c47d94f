"""dataparser:dtu — scenes in the layout of IDR and NeuS: the file cameras_sphere.npz, and folders image and mask."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from radfield_core import Cameras, DataParser, DatasetError, Problems, Scene, SceneBox, plural
from radfield_core.data import (
    FileImages,
    ImageHeader,
    WithAlpha,
    choose_split,
    holdout_splits,
    orientation_notes,
    read_headers,
    split_notes,
)
from radfield_core.files import missing_files, npz_names, read_npz, safe_join
from radfield_dtu import sniff
from radfield_dtu.config import DtuConfig
from radfield_dtu.projection import Array, decompose
from radfield_dtu.truth import read_truth

MAX_SKEW = 0.05
"""Largest skew, in pixels, that is ignored. Rounding leaves a skew of about 1e-4 in published matrices."""

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")


class DtuParser(DataParser):
    """Parser of scenes in the layout of IDR and NeuS.

    The scene is the unit sphere, which the matrix scale_mat maps to the world. In NeuS, the center of the first pixel
    is at (0, 0). Here it is at (0.5, 0.5), so half a pixel is added to the principal point.
    """

    config: DtuConfig

    @staticmethod
    def sniff(path: Path) -> str | None:
        """Return the reason why a folder is recognized as this layout, or None if it is not."""
        return sniff.sniff(path)

    def parse(self, split: str) -> Scene:
        """Return the split "train", "val" or "test". Raises a DatasetError that lists every fault of the files."""
        root = Path(self.config.root)
        problems = Problems()
        images = _files(root / "image", problems)
        projections, to_data = _matrices(self._cameras_file(root), len(images), problems)
        masks = _files(root / "mask", problems) if (root / "mask").is_dir() else None
        if masks is not None and len(masks) != len(images):
            counts = f"has {plural(len(masks), 'mask')} for {plural(len(images), 'image')}"
            problems.add(root / "mask", counts + _unmatched(images, masks))
        if masks is None and self.config.apply_mask:
            problems.add(root / "mask", "there are no masks to apply", "Set data.apply_mask=false")
        problems.raise_as(DatasetError)
        headers = _headers(images, masks, problems)
        intrinsics, c2w = _cameras(projections, images, problems)
        problems.raise_as(DatasetError)

        splits = holdout_splits(len(images), self.config.hold_every, root, "hold_every")
        rows = choose_split(splits, split, root)
        cameras = Cameras(
            torch.from_numpy(c2w[rows]), torch.from_numpy(intrinsics[rows]),
            _sizes(headers)[rows],
        )  # fmt: skip
        distance = np.linalg.norm(c2w[:, :, 3], axis=1)
        pictures = FileImages([images[row] for row in rows], 3, headers=[headers[row] for row in rows])
        covers = None if masks is None else FileImages([masks[row] for row in rows], 1)
        return Scene(
            cameras=cameras, images=WithAlpha(pictures, covers) if self.config.apply_mask and covers else pictures,
            masks=covers, near=max(0.05, float(distance.min()) - 1.0), far=float(distance.max()) + 1.0,
            box=SceneBox(torch.zeros(3), 1.0, "sphere"), to_data=torch.from_numpy(to_data), unit=self.config.unit,
            ground_truth=read_truth(root, to_data), names=[images[row].stem for row in rows],
            notes=(*split_notes(splits), *orientation_notes(headers)),
        )  # fmt: skip

    def _cameras_file(self, root: Path) -> Path:
        if self.config.cameras is not None:
            return safe_join(root, self.config.cameras)
        return next(
            (root / name for name in sniff.CAMERA_FILES if (root / name).is_file()), root / sniff.CAMERA_FILES[0]
        )


def _files(folder: Path, problems: Problems) -> list[Path]:
    found = (
        sorted(path for path in folder.glob("*") if path.suffix.lower() in IMAGE_SUFFIXES) if folder.is_dir() else []
    )
    if not folder.is_dir():
        problems.found.extend(missing_files([folder], folder.parent))
    elif not found:
        problems.add(folder, "has no images")
    return found


def _unmatched(images: list[Path], masks: list[Path]) -> str:
    """Return text, for the end of a message, that lists the images without a mask. If all have one, return "".

    A mask has the same name as its image, apart from leading zeros: 012.png can be the mask of 000012.png.
    """
    known = {path.stem.lstrip("0") for path in masks}
    alone = [path.name for path in images if path.stem.lstrip("0") not in known]
    return f"; there is no mask for {', '.join(alone[:5])}{' …' if len(alone) > 5 else ''}" if alone else ""


def _matrices(path: Path, n: int, problems: Problems) -> tuple[list[Array], Array]:
    """Return the projection [3, 4] of each view and the transform [4, 4] from the unit sphere to the world.

    A projection maps points in the coordinates of the unit sphere to pixels.
    """
    if missing := missing_files([path], path.parent):
        problems.found.extend(missing)
        return [], np.eye(4)
    there = sum(name.startswith("world_mat_") and name[10:].isdigit() for name in npz_names(path))
    if there != n:
        problems.add(path, f"has {plural(there, 'camera')} for {plural(n, 'image')}")
        return [], np.eye(4)
    names = [f"{kind}_{i}" for i in range(n) for kind in ("world_mat", "scale_mat")]
    arrays = read_npz(path, names, max_bytes=2**20)
    for name in names:
        matrix = arrays[name]
        if matrix.shape != (4, 4) or matrix.dtype.kind != "f" or not np.isfinite(matrix).all():
            problems.add(f"{path.name}: {name}", f"is {matrix.dtype} {matrix.shape}, not a finite 4x4 matrix")
    problems.raise_as(DatasetError)
    scales = [arrays[f"scale_mat_{i}"].astype(np.float64) for i in range(n)]
    for i, scale in enumerate(scales):
        fault = _not_a_scale(scale)
        if fault is None and np.abs(scale - scales[0]).max() > 1e-4 * abs(scales[0][0, 0]):
            fault = "differs from scale_mat_0, but all views must share one sphere"
        if fault:
            problems.add(f"{path.name}: scale_mat_{i}", fault)
    worlds = [arrays[f"world_mat_{i}"].astype(np.float64) for i in range(n)]
    return [(world @ scale)[:3] for world, scale in zip(worlds, scales, strict=True)], scales[0]


def _not_a_scale(matrix: Array) -> str | None:
    size = matrix[0, 0]
    if size <= 0 or np.abs(matrix[:3, :3] / size - np.eye(3)).max() > 1e-4 or (matrix[3] != [0, 0, 0, 1]).any():
        return "is not a uniform scale and a translation"
    return None


def _cameras(projections: list[Array], images: list[Path], problems: Problems) -> tuple[Array, Array]:
    """Return c2w [V, 3, 4] and intrinsics [V, 4]. Half a pixel has been added to the principal points."""
    intrinsics, c2w = np.zeros((len(images), 4)), np.zeros((len(images), 3, 4))
    for view, projection in enumerate(projections):
        try:
            k, c2w[view] = decompose(projection)
        except ValueError as error:
            problems.add(images[view].name, str(error))
            continue
        if abs(k[0, 1]) > MAX_SKEW:
            problems.add(images[view].name, f"its camera has a skew of {k[0, 1]:.3g} pixels, which is not supported")
        intrinsics[view] = k[0, 0], k[1, 1], k[0, 2] + 0.5, k[1, 2] + 0.5
    return intrinsics, c2w


def _headers(images: list[Path], masks: list[Path] | None, problems: Problems) -> list[ImageHeader]:
    """Return the headers of the images, and check that each mask has the size of its image.

    Unreadable files are added to `problems` only if there are other problems too, or if no image can be read.
    """
    headers, faults = read_headers(images)
    unreadable = len(faults) == len(images)
    if masks is not None:
        covers, more = read_headers(masks)
        faults += more
        for path, header, cover in zip(masks, headers, covers, strict=True):
            if cover.width and header.width and cover[:2] != header[:2]:
                problems.add(path, f"is {cover.width}×{cover.height}, but its image is {header.width}×{header.height}")
    if problems or unreadable:
        problems.found.extend(faults)
    return headers


def _sizes(headers: list[ImageHeader]) -> torch.Tensor:
    """Return the width and height of each view [V, 2]. An unreadable image gets the size of the first readable
    image."""
    stand_in = next((header[:2] for header in headers if not header.fault), (0, 0))
    return torch.tensor([stand_in if header.fault else header[:2] for header in headers])
