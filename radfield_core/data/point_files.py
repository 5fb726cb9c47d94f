"""Reader and writer of points with colors in a PLY file, ASCII or binary. Every size is checked before it is used.

Symbols in shapes: P points.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from pathlib import Path

import numpy as np
import numpy.typing as npt

from radfield_core.data.similarity import Array
from radfield_core.errors import DatasetError
from radfield_core.files.untrusted import read_limited

_MAX_BYTES = 2**30
_TYPES = {
    "char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4", "float": "f4",
    "double": "f8", "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4",
    "float32": "f4", "float64": "f8",
}  # fmt: skip
_BYTE_ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">"}
_COLORS = (("red", "green", "blue"), ("diffuse_red", "diffuse_green", "diffuse_blue"), ("r", "g", "b"))


def read_ply_points(path: Path) -> tuple[Array, npt.NDArray[np.uint8] | None]:
    """Return the vertices [P, 3] of a PLY file as float64, and their colors [P, 3], or None if they have no colors.

    The coordinates are returned as they are stored, so they may be NaN or infinite. Colors stored as floating-point
    numbers must lie in [0, 1], those stored as `ushort` have 65535 as the largest value, and those of other types 255.

    Raises:
        DatasetError: the file is damaged, or vertices are not its first element.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "points.ply"
        ...     _ = path.write_bytes(ply_points(np.zeros((2, 3)), np.full((2, 3), 7, np.uint8)))
        ...     points, colors = read_ply_points(path)
        >>> points.shape, colors.tolist()
        ((2, 3), [[7, 7, 7], [7, 7, 7]])
    """
    data = read_limited(path, _MAX_BYTES).removeprefix(BOM_UTF8)
    try:
        columns, types = _columns(data)
        points = np.stack([columns[axis].astype(np.float64) for axis in "xyz"], axis=-1)
        return points, _colors(columns, types)
    except (ValueError, IndexError, UnicodeDecodeError, OverflowError) as error:
        raise DatasetError(f"is not a usable PLY file: {error!s:.200}", path=str(path)) from None


def ply_points(points: Array, colors: npt.NDArray[np.uint8] | None = None) -> bytes:
    """Return a binary PLY file of points, with their colors if these are known.

    Args:
        points: [P, 3].
        colors: [P, 3] uint8, sRGB colors.

    Example:
        >>> ply_points(np.zeros((1, 3)))[:3]
        b'ply'
    """
    kinds = [("x", "double", "<f8"), ("y", "double", "<f8"), ("z", "double", "<f8")]
    if colors is not None:
        kinds += [(name, "uchar", "u1") for name in _COLORS[0]]
    table = np.zeros(len(points), [(name, kind) for name, _, kind in kinds])
    for i, axis in enumerate("xyz"):
        table[axis] = points[:, i]
    for i, name in enumerate(_COLORS[0] if colors is not None else ()):
        assert colors is not None
        table[name] = colors[:, i]
    properties = "".join(f"property {kind} {name}\n" for name, kind, _ in kinds)
    head = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(points)}\n{properties}end_header\n"
    return head.encode() + table.tobytes()


def _columns(data: bytes) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return the values of each property of the vertices [P], and the type of each property, both by name."""
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
    types = {name: _TYPES[kind] for kind, name in columns}
    if len(types) != len(columns) or not {"x", "y", "z"} <= set(types):
        raise ValueError("the vertices lack x, y or z, or have a property twice")
    if form == "ascii":
        return _from_text(data[start:], n, list(types)), types
    if form not in _BYTE_ORDERS:
        raise ValueError(f"its format is {form!r}; ascii and {' and '.join(_BYTE_ORDERS)} can be read")
    dtype = np.dtype([(name, _BYTE_ORDERS[form] + kind) for name, kind in types.items()])
    if n * dtype.itemsize > len(data) - start:
        raise ValueError(f"its header states {n} vertices, for which the file is too short")
    records = np.frombuffer(data, dtype, n, start)
    with np.errstate(invalid="ignore"):  # a signaling NaN
        return {name: records[name].astype(np.float64) for name in types}, types


def _from_text(data: bytes, n: int, names: list[str]) -> dict[str, np.ndarray]:
    rows = data.decode("ascii").split("\n", n)[:n]
    table = np.array([[float(word) for word in row.split()[: len(names)]] for row in rows], dtype=np.float64)
    if table.shape != (n, len(names)) and n > 0:
        raise ValueError(f"its header states {n} vertices of {len(names)} numbers, which the file does not hold")
    return dict(zip(names, table.reshape(n, len(names)).T, strict=True))


def _colors(columns: dict[str, np.ndarray], types: dict[str, str]) -> npt.NDArray[np.uint8] | None:
    """Return the colors [P, 3] of the vertices, or None if they have none. Raises ValueError if they are not colors."""
    names = next((names for names in _COLORS if set(names) <= set(types)), None)
    if names is None:
        return None
    white = {"f4": 1.0, "f8": 1.0, "u2": 65535.0}
    parts = [columns[name] / white.get(types[name], 255.0) for name in names]
    rgb = np.stack(parts, axis=-1)
    if not bool(((rgb >= 0) & (rgb <= 1)).all()):  # also False for NaN
        most = white.get(types[names[0]], 255.0)
        raise ValueError(f"it has a color that is not between 0 and {most:g}")
    return np.rint(255 * rgb).astype(np.uint8)
