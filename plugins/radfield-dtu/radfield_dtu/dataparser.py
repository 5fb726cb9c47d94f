"""dataparser:dtu — scenes in the layout of IDR and NeuS: the file cameras_sphere.npz, and folders image and mask."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from radfield_core import Cameras, DataParser, DatasetError, Problems, Scene, SceneBox
from radfield_core.data import (
    FileImages,
    FileMasks,
    ImageHeader,
    WithAlpha,
    choose_split,
    holdout_splits,
    listed,
    orientation_notes,
    pair_names,
    pair_with_numbers,
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
        images = _images_of(root / "image", problems)
        images, projections, to_data, notes = _cameras_of(self._cameras_file(root), images, problems)
        masks, more = _masks_of(root / "mask", images, problems)
        if masks is None and self.config.apply_mask:
            problems.add(root / "mask", "there are no masks to apply", "Set data.apply_mask=false")
        problems.raise_as(DatasetError)
        headers = _headers(images, masks, problems)
        intrinsics, c2w = _cameras(projections, images, problems)
        problems.raise_as(DatasetError)

        truth, truth_notes = read_truth(root, to_data)
        splits = holdout_splits(len(images), self.config.hold_every, root, "hold_every")
        rows = choose_split(splits, split, root)
        cameras = Cameras(
            torch.from_numpy(c2w[rows]), torch.from_numpy(intrinsics[rows]),
            _sizes(headers)[rows],
        )  # fmt: skip
        distance = np.linalg.norm(c2w[:, :, 3], axis=1)
        pictures = FileImages([images[row] for row in rows], 3, headers=[headers[row] for row in rows])
        covers = None if masks is None else FileMasks([masks[row] for row in rows])
        return Scene(
            cameras=cameras, images=WithAlpha(pictures, covers) if self.config.apply_mask and covers else pictures,
            masks=covers, near=max(0.05, float(distance.min()) - 1.0), far=float(distance.max()) + 1.0,
            box=SceneBox(torch.zeros(3), 1.0, "sphere"), to_data=torch.from_numpy(to_data), unit=self.config.unit,
            ground_truth=truth, names=[images[row].stem for row in rows],
            notes=(*notes, *more, *truth_notes, *split_notes(splits), *orientation_notes(headers)),
        )  # fmt: skip

    def _cameras_file(self, root: Path) -> Path:
        if self.config.cameras is not None:
            return safe_join(root, self.config.cameras)
        return next(
            (root / name for name in sniff.CAMERA_FILES if (root / name).is_file()), root / sniff.CAMERA_FILES[0]
        )


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())


def _images_of(folder: Path, problems: Problems) -> list[Path]:
    images = _files(folder)
    if not folder.is_dir():
        problems.found.extend(missing_files([folder], folder.parent))
    elif not images:
        problems.add(folder, "has no images")
    return images


def _masks_of(folder: Path, images: list[Path], problems: Problems) -> tuple[list[Path] | None, list[str]]:
    """Return two values: the mask of each image (or None if there are no masks), and messages for the user."""
    masks = _files(folder)
    if not masks:
        return None, [f"{folder.name}/ has no images, so there are no masks"] if folder.is_dir() else []
    partners, unused = pair_names(images, masks)
    alone = [image.name for image, partner in zip(images, partners, strict=True) if partner is None]
    if alone:
        problems.add(folder, f"there is no mask for {listed(alone)}", "Give each mask the name of its image")
    if unused:
        problems.add(
            folder, f"there is no image for the mask {listed([masks[i].name for i in unused])}",
            "Give each mask the name of its image, and remove all other masks",
        )  # fmt: skip
    return [masks[partner] for partner in partners if partner is not None], []


def _cameras_of(path: Path, images: list[Path], problems: Problems) -> tuple[list[Path], list[Array], Array, list[str]]:
    """Return four values: the images in the order of their cameras, their projections, the unit sphere, and messages
    for the user.

    A projection [3, 4] maps points in the coordinates of the unit sphere to pixels. The unit sphere is given by the
    transform [4, 4] from its coordinates to the world. The image with the number i in its name belongs to world_mat_i.
    """
    if missing := missing_files([path], path.parent):
        problems.found.extend(missing)
        return images, [], np.eye(4), []
    known = [name[10:] for name in npz_names(path) if name.startswith("world_mat_")]
    entries = sorted(int(number) for number in known if number.isascii() and number.isdecimal() and len(number) < 10)
    if not images:
        return images, [], np.eye(4), []
    try:
        numbers, note = pair_with_numbers(images, entries, "world_mat_")
    except ValueError as error:
        problems.add(path.name, str(error), "Name the images by the numbers of their cameras: 000.png is world_mat_0")
        return images, [], np.eye(4), []
    pairs = sorted(zip(numbers, images, strict=True))
    projections, to_data = _matrices(path, [number for number, _ in pairs], problems)
    return [image for _, image in pairs], projections, to_data, [note] if note else []


def _matrices(path: Path, numbers: list[int], problems: Problems) -> tuple[list[Array], Array]:
    """Return the projection [3, 4] of each camera and the transform [4, 4] from the unit sphere to the world."""
    names = [f"{kind}_{i}" for i in numbers for kind in ("world_mat", "scale_mat")]
    arrays = {name: _four_rows(array) for name, array in read_npz(path, names, max_bytes=2**20).items()}
    for name, matrix in arrays.items():
        if matrix.shape != (4, 4) or matrix.dtype.kind not in "fiu" or not np.isfinite(matrix).all():
            problems.add(f"{path.name}: {name}", f"is {matrix.dtype} {matrix.shape}, not a finite 4x4 or 3x4 matrix")
    problems.raise_as(DatasetError)
    scales = [arrays[f"scale_mat_{i}"].astype(np.float64) for i in numbers]
    for i, scale in zip(numbers, scales, strict=True):
        fault = _not_a_scale(scale)
        if fault is None and np.abs(scale - scales[0]).max() > 1e-4 * abs(scales[0][0, 0]):
            fault = f"differs from scale_mat_{numbers[0]}, but all views must share one sphere"
        if fault:
            problems.add(f"{path.name}: scale_mat_{i}", fault)
    worlds = [arrays[f"world_mat_{i}"].astype(np.float64) for i in numbers]
    with np.errstate(over="ignore", invalid="ignore"):  # `decompose` reports numbers that are not finite
        return [(world @ scale)[:3] for world, scale in zip(worlds, scales, strict=True)], scales[0]


def _four_rows(matrix: np.ndarray) -> np.ndarray:
    """Append the row (0, 0, 0, 1) to a matrix [3, 4]. Return any other matrix unchanged."""
    if matrix.shape != (3, 4) or matrix.dtype.kind not in "fiu":
        return matrix
    return np.concatenate([matrix, np.array([[0, 0, 0, 1]], matrix.dtype)])


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
