"""NumPy files of strangers: .npy and .npz, header looked at before anything is read, never pickled objects."""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import numpy as np

from radfield_core.errors import DatasetError
from radfield_core.files.untrusted import missing_files

MAX_ARRAY_BYTES = 4 * 2**30
_MAX_HEADER = 4096


def read_npy(path: Path, max_bytes: int = MAX_ARRAY_BYTES) -> np.ndarray:
    """The array of an .npy file; DatasetError for pickled objects, a lying header or more than `max_bytes`."""
    _need_file(path)
    try:
        with path.open("rb") as stream:
            _check_header(stream, os.fstat(stream.fileno()).st_size, max_bytes)
            stream.seek(0)
            return np.load(stream, allow_pickle=False)
    except Exception as error:  # numpy raises many kinds on mangled headers
        raise DatasetError(f"is not a usable .npy file: {error}", path=str(path)) from None


def read_npz(path: Path, names: Iterable[str], max_bytes: int = MAX_ARRAY_BYTES) -> dict[str, np.ndarray]:
    """The named arrays of an .npz file; DatasetError names those missing, and refuses as `read_npy` does."""
    _need_file(path)
    wanted = list(names)
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            absent = [name for name in wanted if name not in members]
            if absent:
                there = ", ".join(sorted(members)[:20]) or "nothing"
                raise DatasetError(f"holds no array {', '.join(absent)}; it holds {there:.300}", path=str(path))
            if len(members) != len(archive.infolist()):
                raise DatasetError("holds two arrays of one name", path=str(path))
            for name in wanted:
                with archive.open(members[name]) as stream:
                    _check_header(stream, members[name].file_size, max_bytes)
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in wanted}
    except DatasetError:
        raise
    except Exception as error:  # zipfile, zlib and numpy raise many kinds on mangled input
        raise DatasetError(f"is not a usable .npz file: {error}", path=str(path)) from None


def npz_names(path: Path) -> set[str]:
    """Names of the arrays in an .npz file; empty if it is none. Reads the directory only."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {name.removesuffix(".npy") for name in archive.namelist()}
    except Exception:  # as above; the caller asks "is it one of mine?", and the answer is no
        return set()


def _need_file(path: Path) -> None:
    problems = missing_files([path], path.parent)
    if problems:
        raise DatasetError(problems[0].message, path=str(path), hint=problems[0].hint)


def _check_header(stream: IO[bytes], size: int, max_bytes: int) -> None:
    """ValueError unless the header's shape and type are plain numbers that fit the bytes that follow."""
    version = np.lib.format.read_magic(stream)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"unknown version {version}")
    shape, _, dtype = readers[version](stream, max_header_size=_MAX_HEADER)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which are never loaded")
    if any(length < 0 for length in shape):
        raise ValueError(f"shape {shape}")
    needed = math.prod(shape) * dtype.itemsize
    if needed > max_bytes:
        raise ValueError(f"{needed / 2**20:.0f} MiB are more than the {max_bytes / 2**20:.0f} MiB allowed")
    if needed > size:
        raise ValueError(f"the header promises {needed} bytes, the file has {size}")
