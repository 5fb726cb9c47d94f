"""Read NumPy files of unknown origin. The header of an array is checked before the data. Nothing is unpickled."""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from radfield_core.errors import DatasetError
from radfield_core.files.untrusted import missing_files

MAX_ARRAY_BYTES = 4 * 2**30
"""Default limit for the size of an array, in bytes."""

MAX_HEADER_BYTES = 4096
"""Largest allowed header of an array, in bytes. NumPy usually writes headers of 128 bytes."""

MAX_NAMES_SHOWN = 20

Array = npt.NDArray[Any]


def read_npy(path: Path, max_bytes: int = MAX_ARRAY_BYTES) -> Array:
    """Read the array in an .npy file.

    Args:
        path: the file.
        max_bytes: largest allowed array in bytes; 4 GiB by default.

    Raises:
        DatasetError: the file does not exist, is not an .npy file, contains Python objects, is shorter than its header
            states, or contains an array larger than `max_bytes`.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "a.npy"
        ...     np.save(path, np.arange(3))
        ...     read_npy(path).tolist()
        [0, 1, 2]
    """
    _require_file(path)
    try:
        with path.open("rb") as stream:
            _check_header(stream, os.fstat(stream.fileno()).st_size, max_bytes)
            stream.seek(0)
            array: Array = np.load(stream, allow_pickle=False)
            return array
    except Exception as error:  # numpy raises exceptions of many classes for damaged headers
        raise DatasetError(f"is not a usable .npy file: {error}", path=str(path)) from None


def read_npz(path: Path, names: Iterable[str], max_bytes: int = MAX_ARRAY_BYTES) -> dict[str, Array]:
    """Read the named arrays in an .npz file, and return them by name.

    Args:
        path: the file.
        names: names of the arrays to read.
        max_bytes: largest allowed array in bytes; 4 GiB by default.

    Raises:
        DatasetError: the file is not an .npz file or lacks one of the arrays, or an array has a fault for which
            `read_npy` raises DatasetError.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "a.npz"
        ...     np.savez(path, x=np.arange(3), y=np.zeros(2))
        ...     {name: array.tolist() for name, array in read_npz(path, ["x"]).items()}
        {'x': [0, 1, 2]}
    """
    _require_file(path)
    wanted = list(names)
    try:
        with zipfile.ZipFile(path) as archive:
            _check_archive(archive, wanted, path, max_bytes)
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in wanted}
    except DatasetError:
        raise
    except Exception as error:  # zipfile, zlib and numpy raise exceptions of many classes for damaged files
        raise DatasetError(f"is not a usable .npz file: {error}", path=str(path)) from None


def npz_names(path: Path) -> set[str]:
    """Return the names of the arrays in an .npz file, without reading the arrays.

    If the file does not exist or is not an .npz file, the set is empty.

    Example:
        >>> npz_names(Path("/nowhere"))
        set()
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return {name.removesuffix(".npy") for name in archive.namelist()}
    except Exception:  # damaged files raise many classes of errors; here they are simply no .npz files
        return set()


def _require_file(path: Path) -> None:
    for problem in missing_files([path], path.parent):
        raise DatasetError(problems=[problem._replace(path=str(path))])


def _check_archive(archive: zipfile.ZipFile, wanted: list[str], path: Path, max_bytes: int) -> None:
    members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
    absent = [name for name in wanted if name not in members]
    if absent:
        there = ", ".join(sorted(members)[:MAX_NAMES_SHOWN]) or "none"
        raise DatasetError(f"has no array {', '.join(absent)}; its arrays are {there:.300}", path=str(path))
    if len(members) != len(archive.infolist()):
        raise DatasetError("has two arrays of the same name", path=str(path))
    for name in wanted:
        with archive.open(members[name]) as stream:
            _check_header(stream, members[name].file_size, max_bytes)


def _check_header(stream: IO[bytes], size: int, max_bytes: int) -> None:
    """Raise ValueError unless a header describes an array of plain numbers that is not too large.

    An array is too large if it takes more than `max_bytes` bytes, or more than the `size` bytes of the file.
    """
    version = np.lib.format.read_magic(stream)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"unknown version {version} of the .npy format")
    shape, _, dtype = readers[version](stream, max_header_size=MAX_HEADER_BYTES)
    if dtype.hasobject:
        raise ValueError("the array holds Python objects, which are never loaded")
    if any(length < 0 for length in shape):
        raise ValueError(f"the shape {shape} has a negative length")
    needed = math.prod(shape) * dtype.itemsize
    if needed > max_bytes:
        raise ValueError(f"the array takes {needed / 2**20:.0f} MiB; at most {max_bytes / 2**20:.0f} MiB are allowed")
    if needed > size:
        raise ValueError(f"the header describes {needed} bytes, but the file has {size}")
