"""Reader of the points in a PLY file, ASCII or binary. Every size is checked before it is used."""

from __future__ import annotations

from codecs import BOM_UTF8
from pathlib import Path

import numpy as np

from radfield_core import DatasetError
from radfield_core.files import read_limited

_MAX_BYTES = 2**30
_TYPES = {
    "char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4", "float": "f4",
    "double": "f8", "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4",
    "float32": "f4", "float64": "f8",
}  # fmt: skip
_BYTE_ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">"}


def read_points(path: Path) -> np.ndarray:
    """Return the float64 vertices [P, 3] of a PLY file. Raises DatasetError unless vertices are the file's first
    element.

    The coordinates are returned as they are stored, so they may be NaN or infinite.
    """
    data = read_limited(path, _MAX_BYTES).removeprefix(BOM_UTF8)
    try:
        return _parse(data)
    except (ValueError, IndexError, UnicodeDecodeError, OverflowError) as error:
        raise DatasetError(f"is not a usable PLY file: {error!s:.200}", path=str(path)) from None


def _parse(data: bytes) -> np.ndarray:
    end = data.find(b"end_header", 0, 65536)
    start = data.find(b"\n", end) + 1
    if not data.startswith(b"ply") or end < 0 or start == 0:
        raise ValueError("it has no PLY header")
    lines = [line.split() for line in data[:end].decode("ascii").splitlines()]
    form = next(line[1] for line in [*lines, ["format", ""]] if line[:1] == ["format"])
    elements = [i for i, line in enumerate(lines) if line[:1] == ["element"]]
    if not elements or lines[elements[0]][1] != "vertex" or len(lines[elements[0]][2]) > 12:
        raise ValueError("its first element is not vertex")
    n = int(lines[elements[0]][2])
    if n < 0:
        raise ValueError(f"its header states {n} vertices")
    last = elements[1] if len(elements) > 1 else len(lines)
    columns = [line[1:] for line in lines[elements[0] : last] if line[:1] == ["property"]]
    if any(len(column) != 2 or column[0] not in _TYPES for column in columns):
        raise ValueError("the vertices have a property of an unknown type")
    names = [name for _, name in columns]
    if len(set(names)) != len(names) or not {"x", "y", "z"} <= set(names):
        raise ValueError("the vertices lack x, y or z, or have a property twice")
    if form == "ascii":
        rows = data[start:].decode("ascii").split("\n", n)[:n]
        table = np.array([[float(word) for word in row.split()[: len(names)]] for row in rows], dtype=np.float64)
        if table.shape != (n, len(names)) and n > 0:
            raise ValueError(f"its header states {n} vertices of {len(names)} numbers, which the file does not hold")
        points = table.reshape(n, len(names))[:, [names.index(axis) for axis in "xyz"]]
    elif form in _BYTE_ORDERS:
        dtype = np.dtype([(name, _BYTE_ORDERS[form] + _TYPES[kind]) for kind, name in columns])
        if n * dtype.itemsize > len(data) - start:
            raise ValueError(f"its header states {n} vertices, for which the file is too short")
        records = np.frombuffer(data, dtype, n, start)
        with np.errstate(invalid="ignore"):  # a signaling NaN
            points = np.stack([records[axis].astype(np.float64) for axis in "xyz"], axis=-1)
    else:
        raise ValueError(f"its format is {form!r}; ascii and {' and '.join(_BYTE_ORDERS)} can be read")
    return points
