"""dataparser:blender-multiscale — scenes at several scales in mip-NeRF's layout (Barron et al. 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from radfield_blender import sniff
from radfield_blender.config import MultiscaleConfig
from radfield_blender.limits import FAR, RADIUS, UP
from radfield_core import Cameras, DataParser, DatasetError, NoSuchSplit, PoseOptions, Problems, Scene, SceneBox
from radfield_core.data import (
    FileImages,
    ImageHeader,
    add_unreadable,
    check_poses,
    orientation_notes,
    read_available_headers,
    read_pose,
)
from radfield_core.files import read_json, safe_join

METADATA = "metadata.json"
KEYS = ("file_path", "cam2world", "width", "height", "focal", "label", "near", "far", "lossmult", "pix2cam")
"""Keys of a split in the metadata. Each holds a list with one entry per image.

The list `focal` is not used, because `pix2cam` contains the focal length.
"""

_SCALARS = ("width", "height", "label", "near", "far", "lossmult")


class MultiscaleParser(DataParser):
    """Parser of mip-NeRF's multiscale layout.

    Each image has a pose (cam2world, OpenGL axes), pix2cam (K⁻¹ with the y and z axes negated), a size, and near and
    far limits along the optical axis. The label j of an image means the scale 1/2ʲ. The loss weight of its pixels is
    lossmult, the area that one pixel covers.
    """

    config: MultiscaleConfig

    @staticmethod
    def sniff(path: Path) -> str | None:
        """Return the reason why a folder is recognized as mip-NeRF's multiscale layout, or None if it is not."""
        return sniff.multiscale(path)

    def parse(self, split: str) -> Scene:
        """Return the split "train", "val" or "test". Raises a DatasetError that lists every faulty entry and file."""
        root = Path(self.config.root)
        if split not in self.splits:
            raise DatasetError(f"no split {split!r}; there are {', '.join(self.splits)}", path=str(root))
        problems = Problems()
        columns = _columns(root / METADATA, split, problems)
        names = [str(name) for name in columns["file_path"]]
        paths = _paths(root, columns["file_path"], problems)
        c2w, notes = _poses(columns["cam2world"], names, problems, self.config)
        intrinsics = _intrinsics(columns["pix2cam"], names, problems)
        numbers = _numbers(columns, names, problems)
        found = read_available_headers([path for path in paths if path is not None], root.resolve())
        sizes = numbers[:, :2]
        _check_sizes(names, sizes, [found.get(path) if path is not None else None for path in paths], problems)
        add_unreadable(found, root.resolve(), problems)
        problems.raise_as(DatasetError)
        files = [path for path in paths if path is not None]
        headers, far = [found[path] for path in files], float(numbers[:, 4].max())
        return Scene(
            cameras=Cameras(
                torch.from_numpy(c2w), torch.from_numpy(intrinsics), torch.from_numpy(sizes).to(torch.int64),
                self.config.pixel_center,
            ),
            images=FileImages(files, 4 if any(header.channels == 4 for header in headers) else 3, headers=headers),
            near=float(numbers[:, 3].min()), far=far, limits_along="axis",
            box=SceneBox(torch.zeros(3), RADIUS * far / FAR, usual_radius=RADIUS), up=UP,
            names=names, groups=[_scale(int(label)) for label in numbers[:, 2]],
            loss_weights=torch.from_numpy(numbers[:, 5]), notes=(*notes, *orientation_notes(headers)),
        )  # fmt: skip


def _scale(label: int) -> str:
    return "full" if label == 0 else f"1/{2**label}"


def _columns(file: Path, split: str, problems: Problems) -> Mapping[str, list[Any]]:
    """Return the lists of a split by key. Raises DatasetError if one is missing or their lengths differ."""
    data = read_json(file)
    table = data.get(split) if isinstance(data, dict) else None
    if not isinstance(table, dict):
        kind = DatasetError if split == "train" else NoSuchSplit
        raise kind(f"has no split {split!r}", path=str(file))
    names = table.get("file_path")
    for key in KEYS:
        if not isinstance(table.get(key), list):
            problems.add(f"{file} {split}", f"has no list {key!r}")
        elif isinstance(names, list) and len(table[key]) != len(names):
            problems.add(f"{file} {split}", f"{key} has {len(table[key])} entries, but file_path has {len(names)}")
    problems.raise_as(DatasetError)
    if not table["file_path"]:
        kind = DatasetError if split == "train" else NoSuchSplit
        raise kind("has no images: the split is empty", path=f"{file} {split}")
    return table


def _paths(root: Path, names: list[Any], problems: Problems) -> list[Path | None]:
    """Return the image file of each name. An unusable name is added to `problems`, and its file is None."""
    paths: list[Path | None] = []
    for name in names:
        try:
            paths.append(safe_join(root, name))
        except DatasetError as error:
            problems.found += error.problems
            paths.append(None)
    return paths


def _poses(
    values: list[Any], names: list[str], problems: Problems, stored: PoseOptions
) -> tuple[np.ndarray, list[str]]:
    """Return poses [V, 3, 4], and the notes from `check_poses`. Values that are not matrices are added to
    `problems`."""
    matrices = []
    for value, name in zip(values, names, strict=True):
        try:
            matrices.append((name, read_pose(value)))
        except ValueError as error:
            problems.add(name, str(error))
    return check_poses([matrix for _, matrix in matrices], [name for name, _ in matrices], problems, stored)


def _intrinsics(values: list[Any], names: list[str], problems: Problems) -> np.ndarray:
    """Return fx, fy, cx, cy [V, 4] from pix2cam = [[1/fx, 0, −cx/fx], [0, −1/fy, cy/fy], [0, 0, −1]]."""
    rows = np.ones((len(values), 4))
    for row, value, name in zip(rows, values, names, strict=True):
        try:
            matrix = np.array(value, dtype=np.float64)
        except (TypeError, ValueError):
            matrix = np.empty(0)
        if matrix.shape != (3, 3) or not np.isfinite(matrix).all():
            problems.add(name, "pix2cam is not a 3×3 matrix of numbers")
            continue
        if not (
            matrix[0, 0] > 0
            and matrix[1, 1] < 0
            and matrix[2, 2] == -1
            and not matrix[[0, 1, 2, 2], [1, 0, 0, 1]].any()
        ):
            problems.add(name, "pix2cam is not the inverse of a pinhole matrix with y and z negated")
            continue
        fx, fy = 1.0 / matrix[0, 0], -1.0 / matrix[1, 1]
        row[:] = fx, fy, -matrix[0, 2] * fx, matrix[1, 2] * fy
    return rows


def _numbers(columns: Mapping[str, list[Any]], names: list[str], problems: Problems) -> np.ndarray:
    """Return a float64 table [V, 6] with the columns width, height, label, near, far and lossmult."""
    numbers = np.ones((len(names), len(_SCALARS)))
    for i, name in enumerate(names):
        values = [columns[key][i] for key in _SCALARS]
        bad = [key for key, value in zip(_SCALARS, values, strict=True) if type(value) not in (int, float)]
        if bad:
            problems.add(name, f"{', '.join(bad)}: not a number")
            numbers[i] = 0.0
            continue
        width, height, label, near, far, weight = numbers[i] = values
        if not (width >= 1 and height >= 1 and float(width).is_integer() and float(height).is_integer()):
            problems.add(name, f"width {width:g} and height {height:g} are not a size in whole pixels")
        if label not in range(32):
            problems.add(name, f"label {label:g} is not a scale: 0 is full size, 1 is half, and so on")
        if not 0 <= near < far:
            problems.add(name, f"near is {near:g} and far is {far:g}; 0 <= near < far is needed")
        if not weight >= 0:
            problems.add(name, f"lossmult is {weight:g}; a weight cannot be negative")
    return numbers


def _check_sizes(names: list[str], sizes: np.ndarray, headers: list[ImageHeader | None], problems: Problems) -> None:
    whole = np.nan_to_num(sizes, nan=0.0).clip(0, 2**31).astype(int)
    for name, (width, height), header in zip(names, whole, headers, strict=True):
        if header is not None and header.width and width >= 1 and (header.width, header.height) != (width, height):
            problems.add(name, f"the image is {header.width}×{header.height}, but {METADATA} gives {width}×{height}")
