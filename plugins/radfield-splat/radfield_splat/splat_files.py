"""Files of Gaussians: the PLY files of 3DGS, the .splat files of antimatter's viewer, and Niantic's .spz files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from radfield_core import DatasetError
from radfield_splat import dot_splat, ply, spz
from radfield_splat.gaussians import Gaussians


class Format(NamedTuple):
    """A file format.

    Attributes:
        write: writes Gaussians to a path.
        read: reads Gaussians from a path.
        losses: returns what a file of given Gaussians leaves out or rounds, one text for each loss.
    """

    write: Callable[[Path, Gaussians], None]
    read: Callable[[Path], Gaussians]
    losses: Callable[[Gaussians], list[str]]


FORMATS = {
    "ply": Format(ply.write, ply.read, lambda gaussians: []),
    "splat": Format(dot_splat.write, dot_splat.read, dot_splat.losses),
    "spz": Format(spz.write, spz.read, spz.losses),
}
"""The formats, by the ending of the file's name. The first one is the default of exports."""

_MOST = {"means": 1e9, "log_scales": 30.0, "quaternions": 1e9, "harmonics": 1e6}
"""Largest absolute values that are read. What lies beyond would overflow when it is drawn."""


def write_splats(path: Path, gaussians: Gaussians) -> list[str]:
    """Write Gaussians to a file. The ending of its name, .ply, .splat or .spz, decides its format.

    Returns:
        What the format leaves out or rounds, one text for each loss.

    Raises:
        DatasetError: the ending is none of these, or the format cannot hold the Gaussians.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> zeros = torch.zeros(1, 3)
        >>> one = Gaussians(zeros, zeros, torch.eye(4)[:1], torch.zeros(1), torch.zeros(1, 4, 3))
        >>> with TemporaryDirectory() as folder:
        ...     losses = write_splats(Path(folder) / "one.splat", one)
        ...     read_splats(Path(folder) / "one.splat").degree
        0
        >>> losses[0]
        'no harmonics, so colors no longer depend on the direction of view'
    """
    chosen = _format(path)
    chosen.write(path, gaussians)
    return chosen.losses(gaussians)


def read_splats(path: Path) -> Gaussians:
    """Read Gaussians from a .ply, .splat or .spz file. Files from strangers are safe to read.

    Returns:
        Gaussians in the coordinates of the file, as float32 on the CPU.

    Raises:
        DatasetError: the file is not such a file, is damaged, is too large, or holds values that cannot be drawn.
    """
    return checked(_format(path).read(path), path)


def _format(path: Path) -> Format:
    ending = path.suffix[1:].lower()
    if ending not in FORMATS:
        wanted = ", ".join(f".{name}" for name in FORMATS)
        raise DatasetError(f"is no file of Gaussians: its name must end in one of {wanted}", path=str(path))
    return FORMATS[ending]


def checked(gaussians: Gaussians, path: Path) -> Gaussians:
    """Return the Gaussians of a file, with infinite opacity logits and vanishing scales replaced by finite ones.

    Raises:
        DatasetError: there are none, or one of them cannot be drawn.
    """
    if not len(gaussians):
        raise DatasetError("holds no Gaussians", path=str(path))
    logits = torch.where(gaussians.opacity_logits.isnan(), torch.nan, gaussians.opacity_logits.clamp(-20.0, 20.0))
    scales = torch.where(gaussians.log_scales.isnan(), torch.nan, gaussians.log_scales.clamp_min(-_MOST["log_scales"]))
    names = ("means", "log_scales", "quaternions", "opacity_logits", "harmonics")
    values = (gaussians.means, scales, gaussians.quaternions, logits, gaussians.harmonics)
    for name, tensor in zip(names, values, strict=True):
        rows = tensor.flatten(1) if tensor.dim() > 1 else tensor[:, None]
        good = (rows.abs() <= _MOST.get(name, torch.inf)).all(-1)  # False for NaN
        _refuse(good, f"{name.replace('_', ' ')} of Gaussian", rows, path)
    _refuse(gaussians.quaternions.norm(dim=-1) > 1e-12, "rotation of Gaussian", gaussians.quaternions, path)
    return Gaussians(*values)


def _refuse(good: Tensor, what: str, rows: Tensor, path: Path) -> None:
    """Raise DatasetError if not all Gaussians are good, naming the first bad one and its values."""
    if not bool(good.all()):
        first = int(good.logical_not().nonzero()[0])
        values = ", ".join(f"{value:.4g}" for value in rows[first, :6].tolist())
        values += ", …" if rows.shape[1] > 6 else ""
        count = int(good.logical_not().sum())
        raise DatasetError(
            f"cannot be drawn: {what} {first} is ({values}); {count} of {len(good)} are like this",
            path=str(path),
        )
