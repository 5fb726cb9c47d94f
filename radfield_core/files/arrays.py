"""Read NumPy files of unknown origin. The header of an array is checked before the data. Nothing is unpickled."""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from radfield_core.errors import DatasetError
from radfield_core.files.regular import open_regular
from radfield_core.files.untrusted import missing_files

MAX_ARRAY_BYTES = 4 * 2**30
"""Default limit for the size of an array, in bytes."""

MAX_HEADER_BYTES = 4096
"""Largest allowed header of an array, in bytes. NumPy usually writes headers of 128 bytes."""

MAX_RATIO = 100
"""Largest ratio of unpacked to packed size of an array. It applies to arrays that unpack to more than `FREE_BYTES`."""

FREE_BYTES = 64 * 2**20
"""Arrays that unpack to at most this many bytes may have any ratio. An array of zeros, for example, packs tightly."""

MAX_DIRECTORY_BYTES = 16 * 2**20
"""Largest list of the arrays in an archive, in bytes. One array takes about a hundred."""

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
        with open_regular(path, follow_links=True) as stream:
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
        with open_regular(path, follow_links=True) as stream, _archive(stream) as archive:
            members = _checked_members(archive, wanted, path, max_bytes)
            return {name: _read_member(archive, members[name]) for name in wanted}
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
        with open_regular(path, follow_links=True) as stream, _archive(stream) as archive:
            return {name.removesuffix(".npy") for name in archive.namelist()}
    except Exception:  # damaged files raise many classes of errors; here they are simply no .npz files
        return set()


def _require_file(path: Path) -> None:
    for problem in missing_files([path], path.parent):
        raise DatasetError(problems=[problem._replace(path=str(path))])


def _archive(stream: BinaryIO) -> zipfile.ZipFile:
    """Open an archive. Raises ValueError if its list of files is absurdly long, because opening reads it completely."""
    length = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, length - 2**16 - 200))
    tail = stream.read()
    end = tail.rfind(b"PK\5\6")
    size = int.from_bytes(tail[end + 12 : end + 16], "little") if end >= 0 else 0
    end = tail.rfind(b"PK\6\6")  # the same record with larger numbers, which takes precedence
    if end >= 0:
        size = max(size, int.from_bytes(tail[end + 40 : end + 48], "little"))
    if size > MAX_DIRECTORY_BYTES:
        raise ValueError(f"the list of its arrays takes {size / 2**20:.0f} MiB")
    return zipfile.ZipFile(stream)


def _checked_members(
    archive: zipfile.ZipFile, wanted: list[str], path: Path, max_bytes: int
) -> dict[str, zipfile.ZipInfo]:
    """Return the wanted members of an archive by name. Check their sizes before anything is unpacked."""
    members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
    absent = [name for name in wanted if name not in members]
    if absent:
        there = ", ".join(sorted(members)[:MAX_NAMES_SHOWN]) or "none"
        raise DatasetError(f"has no array {', '.join(absent)}; its arrays are {there:.300}", path=str(path))
    if len(members) != len(archive.infolist()):
        raise DatasetError("has two arrays of the same name", path=str(path))
    for name in wanted:
        info = members[name]
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"array {name} is packed by a method that numpy does not use")
        if info.file_size > max(FREE_BYTES, MAX_RATIO * info.compress_size):
            raise ValueError(
                f"array {name} unpacks from {info.compress_size / 2**20:.1f} MiB to {info.file_size / 2**20:.0f} MiB, "
                f"more than {MAX_RATIO} times as much"
            )
    total = sum(members[name].file_size for name in wanted)
    if total > max_bytes + MAX_HEADER_BYTES * len(wanted):
        raise ValueError(
            f"its arrays take {total / 2**20:.0f} MiB together; at most {max_bytes / 2**20:.0f} MiB are allowed"
        )
    for name in wanted:
        with archive.open(members[name]) as stream:
            _check_header(stream, members[name].file_size, max_bytes)
    return members


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Array:
    with archive.open(member) as stream:
        array: Array = np.lib.format.read_array(stream, allow_pickle=False, max_header_size=MAX_HEADER_BYTES)
        if stream.read(1):
            raise ValueError(f"{member.filename} is longer than its header states")
        return array


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
