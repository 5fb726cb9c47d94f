"""dataparser:tiny-nerf — the single file of the tiny NeRF notebook (Mildenhall et al. 2020)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from radfield_blender import sniff
from radfield_blender.config import TinyNerfConfig
from radfield_blender.limits import UP, limits_of
from radfield_core import Cameras, DataParser, DatasetError, NoSuchSplit, Problems, Scene, plural
from radfield_core.data import MemoryImages, check_poses
from radfield_core.files import read_npz


class TinyNerfParser(DataParser):
    """Parser of tiny NeRF files.

    The arrays are `images` [V, H, W, 3] on a black background (uint8, or floats in [0, 1]), `poses` [V, 4, 4] (c2w,
    OpenGL axes) and `focal`, a focal length in pixels. The first `n_train` views are for training. All other views are
    used for both validation and test.
    """

    config: TinyNerfConfig

    @staticmethod
    def sniff(path: Path) -> str | None:
        """Return the reason why a file is recognized as a tiny NeRF file, or None if it is not."""
        return sniff.tiny_nerf(path)

    def parse(self, split: str) -> Scene:
        """Return the split "train", "val" or "test". Raises a DatasetError that lists every fault of the arrays."""
        path = Path(self.config.root)
        if split not in self.splits:
            raise DatasetError(f"no split {split!r}; there are {', '.join(self.splits)}", path=str(path))
        arrays = read_npz(path, ("images", "poses", "focal"))
        problems = Problems()
        for name, fault in _faults(**arrays):
            problems.add(f"{path}: {name}", fault)
        problems.raise_as(DatasetError)
        images, poses, focal = arrays["images"], arrays["poses"], float(arrays["focal"].reshape(()))
        all_names = [f"view {i}" for i in range(len(images))]
        c2w, notes = check_poses(poses, all_names, problems, self.config)
        problems.raise_as(DatasetError)
        n_train = self.config.n_train
        chosen = slice(0, n_train) if split == "train" else slice(n_train, None)
        if not all_names[chosen]:
            raise NoSuchSplit(
                f"has {plural(len(images), 'view')}, all used for training: the {split} split is empty", path=str(path),
                hint=f"Set data.n_train={max(1, len(images) * 9 // 10)}",
            )  # fmt: skip
        _, height, width, _ = images.shape
        limits = limits_of(c2w)
        return Scene(
            cameras=Cameras.pinhole(torch.from_numpy(c2w[chosen]), focal, width, height, self.config.pixel_center),
            images=MemoryImages(torch.from_numpy(_eight_bits(images[chosen]))), near=limits.near,
            far=limits.far, limits_along="axis", box=limits.box, up=UP, names=all_names[chosen],
            notes=(*notes, *limits.notes),
            background=(0.0, 0.0, 0.0),
        )  # fmt: skip


def _faults(images: np.ndarray, poses: np.ndarray, focal: np.ndarray) -> list[tuple[str, str]]:
    """Return the faults of the arrays as pairs (name of the array, fault)."""
    found = []
    if images.ndim != 4 or images.shape[-1] != 3 or 0 in images.shape:
        found.append(("images", f"have the shape {images.shape}; [views, height, width, 3] is expected"))
    elif images.dtype != np.uint8 and images.dtype.kind != "f":
        found.append(("images", f"are {images.dtype}; floats in [0, 1] or uint8 are expected"))
    elif images.dtype.kind == "f" and not (images.min() >= 0 and images.max() <= 1):
        found.append(("images", f"are between {images.min():g} and {images.max():g}; [0, 1] is expected"))
    if poses.dtype.kind not in "fiu" or poses.shape != (len(images) if images.ndim else 0, 4, 4):
        found.append(("poses", f"are {poses.dtype} {poses.shape}; one [4, 4] matrix per image is expected"))
    if focal.size != 1 or focal.dtype.kind not in "fiu" or not 0 < float(focal.reshape(-1)[0]) < 1e6:
        found.append(("focal", f"is {focal!r:.80}; one positive number of pixels is expected"))
    return found


def _eight_bits(images: np.ndarray) -> np.ndarray:
    if images.dtype == np.uint8:
        return images
    return np.round(images.astype(np.float32) * 255).astype(np.uint8)
