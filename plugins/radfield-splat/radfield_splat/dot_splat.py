"""The .splat files of antimatter's web viewer: 32 bytes for each Gaussian, and no header.

A record holds the mean and the standard deviations along the axes (6 float32), the color and the opacity (4 bytes),
and the quaternion w, x, y, z (4 bytes, where 128 is 0 and 0 is −1). A color is that of all directions.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from radfield_core import DatasetError
from radfield_core.files import read_limited
from radfield_splat.gaussians import Gaussians
from radfield_splat.limits import MAX_FILE_BYTES, refuse_count

RECORD = np.dtype([("mean", "<f4", 3), ("scale", "<f4", 3), ("rgba", "u1", 4), ("quaternion", "u1", 4)])
"""Type of a record."""

BASE = 0.28209479177387814
"""The spherical harmonic of degree 0."""


def write(path: Path, gaussians: Gaussians) -> None:
    """Write Gaussians."""
    means, scales, quaternions, logits, harmonics = (x.detach().cpu().double() for x in gaussians.tensors())
    table = np.empty(len(gaussians), RECORD)
    table["mean"], table["scale"] = means.numpy(), scales.exp().numpy()
    rgba = torch.cat([0.5 + BASE * harmonics[:, 0], logits.sigmoid()[:, None]], 1)
    table["rgba"] = (255 * rgba).round().clamp(0, 255).numpy()
    # q and −q are the same rotation. A byte can hold −1 but not 1, so the largest component becomes negative.
    unit = torch.nn.functional.normalize(quaternions, dim=-1, eps=0.0)
    largest = unit.gather(1, unit.abs().argmax(-1, keepdim=True))
    table["quaternion"] = (128 - 128 * unit * largest.sign()).round().clamp(0, 255).numpy()
    path.write_bytes(table.tobytes())


def losses(gaussians: Gaussians) -> list[str]:
    """Return what a .splat file leaves out or rounds."""
    found = ["no harmonics, so colors no longer depend on the direction of view"] if gaussians.degree else []
    found.append("colors, opacities and rotations have 8 bits")
    colors = 0.5 + BASE * gaussians.harmonics.detach()[:, 0]
    n = int(((colors < -1e-3) | (colors > 1 + 1e-3)).any(-1).sum())
    return [*found, f"the colors of {n} of {len(gaussians)} Gaussians are limited to the range 0 to 1"] if n else found


def read(path: Path) -> Gaussians:
    """Read Gaussians.

    Raises:
        DatasetError: the file does not consist of records of 32 bytes, or a standard deviation is negative.
    """
    content = read_limited(path, MAX_FILE_BYTES, "file")
    if len(content) % RECORD.itemsize:
        raise DatasetError(f"has {len(content)} bytes, which is not a multiple of {RECORD.itemsize}", path=str(path))
    n = refuse_count(len(content) // RECORD.itemsize, path)
    table = np.frombuffer(content, RECORD)
    mean, scale, rgba, quaternion = (torch.from_numpy(table[name].astype(np.float32)) for name in RECORD.names or ())
    if bool((scale < 0).any()):
        first = int((scale < 0).any(-1).nonzero()[0])
        raise DatasetError(f"is damaged: Gaussian {first} of {n} has a negative size", path=str(path))
    colors, opacities = (rgba[:, :3] / 255 - 0.5) / BASE, (rgba[:, 3] / 255).clamp(1e-6, 1 - 1e-6)
    return Gaussians(mean, scale.log(), quaternion / 128 - 1, opacities.logit(), colors[:, None].contiguous())
