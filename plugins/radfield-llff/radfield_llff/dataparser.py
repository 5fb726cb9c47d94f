"""dataparser:llff — captures with poses_bounds.npy (Mildenhall et al. 2019) and images in one or more sizes."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from radfield_core import DataParser, DatasetError, Problem, Problems, Scene, plural, warped_box
from radfield_core.data import (
    IMAGE_SUFFIXES,
    Capture,
    SurfaceFiles,
    check_poses,
    choose_split,
    find_maps,
    focus_point,
    holdout_splits,
    in_other_order,
    listed,
    scene_box,
    similarity_matrix,
    similarity_scale,
    split_notes,
    transform_cameras,
)
from radfield_core.files import read_npy, safe_join
from radfield_llff.config import LlffConfig, uses_ndc
from radfield_llff.gaps import with_missing
from radfield_llff.paths import average, circle, look, spiral
from radfield_llff.sniff import sniff

_MAX_BYTES = 256 * 2**20
_ANY_DIRECTION = np.array([0.1, 0.2, 0.3])


class Llff(DataParser):
    """Parser of captures in the format of LLFF.

    A row of poses_bounds.npy holds a 3×5 matrix, then the nearest and the farthest depth. The columns of the matrix
    are the camera's down, right and back axes, the camera center, and (height, width, focal length).
    """

    config: LlffConfig
    sniff = staticmethod(sniff)

    def parse(self, split: str) -> Scene:
        """Return one split, centered and scaled as the options say. Raises a DatasetError that lists every fault."""
        config, root = self.config, Path(self.config.root)
        if config.spherify and config.ndc:
            raise DatasetError("spherify and ndc exclude each other", path="data", hint="Set data.ndc=false")
        problems = Problems()
        table = _table(root / "poses_bounds.npy", problems)
        folder = _images_folder(root, config.factor)
        images = _list_images(folder, len(table), problems)
        bounds = table[:, 15:]
        c2w, notes = check_poses(_poses(table), [path.name for path in images], problems, config)
        problems.raise_as(DatasetError)
        names = [path.name for path in images]
        depths, normals = (find_maps(root, kind, names) for kind in ("depths", "normals"))
        height, width, focal = table[:, :15].reshape(-1, 3, 5)[:, :, 4].T
        capture = Capture(
            root=root.resolve(), names=names, images=images, c2w=c2w,
            intrinsics=np.stack([focal, focal, width / 2, height / 2], axis=-1),
            sizes=np.stack([width, height], axis=-1).round().astype(np.int64), notes=tuple(notes),
            surface=SurfaceFiles(config, depths, normals) if depths or normals else None,
        ).fitted(problems)  # fmt: skip
        problems.raise_as(DatasetError)
        to_scene = _recenter(c2w, bounds, config.bound_factor)
        if config.spherify:
            to_scene = _spherify(transform_cameras(to_scene, c2w)) @ to_scene
        posed, bounds = transform_cameras(to_scene, c2w), bounds * similarity_scale(to_scene)
        splits = self._splits(posed, root)
        path = circle(posed) if config.spherify else spiral(posed, bounds)
        near, far = 0.9 * float(bounds.min()), float(bounds.max())
        center, radius = _seen_box(capture, posed, far) if not config.spherify else (np.zeros(3), _reach(posed))
        scene = capture.scene(
            choose_split(splits, split, root), to_scene, near=near, far=far,
            notes=[*_folder_notes(root, folder), *_order_notes(images), *split_notes(splits)],
            box=scene_box(center, radius, np.eye(4), measured=not config.spherify),
        )  # fmt: skip
        cameras = replace(scene.cameras, pixel_center=config.pixel_center)
        scene = replace(scene, cameras=cameras, limits_along="axis", render_path=torch.from_numpy(path))
        if not uses_ndc(config):
            return scene
        everything = capture.scene(range(len(c2w)), to_scene, near=0.0, far=1.0, box=scene.box)
        return replace(scene, ndc=True, near=0.0, far=1.0, box=warped_box(replace(everything, ndc=True)))

    def _splits(self, posed: np.ndarray, root: Path) -> dict[str, list[int]]:
        n = len(posed)
        if self.config.validation == "every" or n == 1:
            return holdout_splits(n, self.config.holdout, root)
        central = int(np.linalg.norm(posed[:, :, 3] - posed[:, :, 3].mean(0), axis=-1).argmin())
        return {"train": [i for i in range(n) if i != central], "val": [central], "test": [central]}


def _table(path: Path, problems: Problems) -> np.ndarray:
    """Return the rows [V, 17] of poses_bounds.npy as float64. All numbers are checked, but the rotations may be
    invalid."""
    table = read_npy(path, _MAX_BYTES)
    if table.ndim != 2 or table.shape[1] != 17 or table.dtype.kind not in "fiu" or not len(table):
        raise DatasetError(
            f"has shape {table.shape} and type {table.dtype}; rows of 17 numbers are expected", path=str(path)
        )
    table = table.astype(np.float64)
    for i, row in enumerate(table):
        height, width, focal = row[:15].reshape(3, 5)[:, 4]
        near, far = row[15:]
        if not np.isfinite(row).all():
            problems.add(path.name, f"row {i} holds NaN or infinity", "Remove the row and its image")
        elif not (1 <= height < 1e6 and 1 <= width < 1e6 and 0.01 <= focal < 1e9):
            problems.add(
                path.name, f"row {i}: height {height:g}, width {width:g} and focal length {focal:g} are not usable"
            )
        elif not 1e-6 < near < far < 1e9:
            problems.add(path.name, f"row {i}: near is {near:g} and far is {far:g}; 0 < near < far is needed")
    problems.raise_as(DatasetError)
    return table


def _poses(table: np.ndarray) -> np.ndarray:
    """Return the poses [V, 3, 4] as they are stored: by default, with the axes down, right, back."""
    return table[:, :15].reshape(-1, 3, 5)[..., :4]


def _images_folder(root: Path, factor: int | None) -> Path:
    """Return the folder of images for `factor`. If `factor` is None, return the folder that holds the smallest copies.

    Raises:
        DatasetError: there is no such folder.
    """
    wanted = [factor] if factor is not None else [8, 4, 2, 1]
    folders = [root / ("images" if each == 1 else f"images_{each}") for each in wanted]
    for folder in folders:
        if folder.is_dir():
            return safe_join(root, folder.name)
    there = ", ".join(sorted(path.name for path in root.glob("images*") if path.is_dir()))
    names = ", ".join(folder.name for folder in folders)
    raise DatasetError(
        f"there is no folder {names}", path=str(root), hint=f"Set data.factor to read {there}" if there else ""
    )


def _folder_notes(root: Path, folder: Path) -> list[str]:
    """If the images exist in several sizes, return a note that says which folder is read. Otherwise return []."""
    others = sorted(path.name for path in root.glob("images*") if path.is_dir() and path.name != folder.name)
    return [f"reading {folder.name}, not {', '.join(others)}; set data.factor to read another size"] if others else []


def _list_images(folder: Path, n: int, problems: Problems) -> list[Path]:
    """Return the n images, sorted by name, which is the order of the rows of poses_bounds.npy.

    If images are missing, and it is certain which ones, their names are included.

    Raises:
        DatasetError: the folder does not hold n images, and it is not certain which ones are missing.
    """
    names = with_missing(folder, n)
    if len(names) != n:
        problems.add(
            folder.name, f"has {plural(len(names), 'image')}, but poses_bounds.npy has {plural(n, 'row')}",
            "Keep exactly the images that the poses were solved for",
        )  # fmt: skip
        problems.raise_as(DatasetError)
    images = [safe_join(folder, name) for name in names]
    problems.found += _other_images(images, folder)
    return images


def _other_images(images: list[Path], folder: Path) -> list[Problem]:
    """Return a problem if some images of `images_<factor>`, but not all, have the name of a full-size image.

    The rows of poses_bounds.npy belong to the images in images/. Smaller copies may have other names. But if only some
    of the names are the same, a copy is missing, and all later rows would belong to wrong images.
    """
    whole = folder.parent / "images"
    if folder.name == "images" or not whole.is_dir():
        return []
    stems = {Path(name).stem for name in os.listdir(whole) if name.lower().endswith(IMAGE_SUFFIXES)}
    strangers = [path.name for path in images if path.stem not in stems]
    if not strangers or len(strangers) == len(images):
        return []
    return [Problem(folder.name, f"images/ has no image with the name of {listed(strangers)}", "Make the copies again")]


def _order_notes(images: list[Path]) -> list[str]:
    """Return a note if the alphabetical order of the images, in which rows are read, differs from the order of their
    numbers.

    LLFF's own script writes the rows in alphabetical order, but other programs may not.
    """
    if not in_other_order(images):
        return []
    names = sorted(path.name for path in images)
    return [
        f"row 0 of poses_bounds.npy belongs to {names[0]}, row 1 to {names[1]}, and so on in alphabetical order; "
        "if the rows are in the order of the numbers, rename the images with leading zeros"
    ]


def _recenter(c2w: np.ndarray, bounds: np.ndarray, bound_factor: float) -> np.ndarray:
    """Return the transform `to_scene` [4, 4] from data coordinates to scene coordinates.

    In the scene, the pose of the mean camera is the identity, and the nearest depth is 1 / bound_factor.
    """
    middle = average(c2w)
    return similarity_matrix(middle[:, :3].T, middle[:, 3], 1.0 / (bound_factor * float(bounds.min())))


def _spherify(c2w: np.ndarray) -> np.ndarray:
    """Return the similarity [4, 4] that moves the cameras' common focus to the origin (NeRF's spherify_poses).

    The focus is the point that the cameras look at. The direction from the focus to the mean camera center becomes +z,
    and the root mean square distance of the cameras from the focus becomes 1.
    """
    focus = focus_point(c2w)
    up = c2w[:, :, 3].mean(0) - focus
    axes = look(up, np.cross(up, np.cross(_ANY_DIRECTION, up)), focus)
    distance = float(np.sqrt(np.square(c2w[:, :, 3] - focus).sum(-1).mean()))
    return similarity_matrix(axes[:, :3].T, focus, 1.0 / distance)


def _reach(posed: np.ndarray) -> float:
    return 1.1 * float(np.abs(posed[:, :, 3]).max())


def _seen_box(capture: Capture, posed: np.ndarray, far: float) -> tuple[np.ndarray, float]:
    """Return the center [3] and half the side of a cube that contains the cameras and their views up to the depth
    `far`."""
    half = capture.sizes / 2 / capture.intrinsics[:, :2]
    signs = np.array([(x, y) for x in (-1, 1) for y in (-1, 1)], dtype=np.float64)
    local = np.concatenate([half[:, None] * signs, np.full((len(half), 4, 1), -1.0)], axis=-1)
    corners = posed[:, None, :, 3] + far * np.einsum("vij,vcj->vci", posed[:, :, :3], local)
    everything = np.concatenate([corners.reshape(-1, 3), posed[:, :, 3]])
    low, high = everything.min(0), everything.max(0)
    return (low + high) / 2, float((high - low).max() / 2)
