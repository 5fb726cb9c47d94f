"""The PLY files of 3DGS, which viewers and editors of Gaussian splats read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from radfield_core import DatasetError
from radfield_core.files import read_limited
from radfield_splat.gaussians import MAX_DEGREE, Gaussians
from radfield_splat.limits import MAX_FILE_BYTES, refuse_count

MAX_HEADER_BYTES = 1 << 16

_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2",
    "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4",
    "double": "f8", "float64": "f8",
}  # fmt: skip


def columns(n_harmonics: int) -> list[str]:
    """Return the names of the columns for Gaussians with a number of harmonics per color.

    Example:
        >>> len(columns(16)), columns(1)[-4:]
        (62, ['rot_0', 'rot_1', 'rot_2', 'rot_3'])
    """
    return [
        *("x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2"),
        *(f"f_rest_{k}" for k in range(3 * (n_harmonics - 1))),
        *("opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"),
    ]


def write(path: Path, gaussians: Gaussians) -> None:
    """Write Gaussians. The harmonics above degree 0 are stored color by color, as 3DGS does."""
    n, k = len(gaussians), gaussians.harmonics.shape[1]
    harmonics, zeros = gaussians.harmonics, torch.zeros(n, 3)
    rest = harmonics[:, 1:].transpose(1, 2).reshape(n, -1)
    parts = [gaussians.means, zeros, harmonics[:, 0], rest, gaussians.opacity_logits[:, None], gaussians.log_scales]
    table = torch.cat([x.detach().cpu().to(torch.float32) for x in (*parts, gaussians.quaternions)], 1)
    lines = ["ply", "format binary_little_endian 1.0", f"element vertex {n}"]
    lines += [*(f"property float {name}" for name in columns(k)), "end_header", ""]
    path.write_bytes("\n".join(lines).encode("ascii") + table.numpy().astype("<f4").tobytes())


def read(path: Path) -> Gaussians:
    """Read Gaussians.

    Raises:
        DatasetError: the file is not a binary PLY file of Gaussians, or it is incomplete.
    """
    content = read_limited(path, MAX_FILE_BYTES, "PLY file")
    header = _header(content[:MAX_HEADER_BYTES], path)
    size, needed = len(content) - header.size, header.n * header.row.itemsize
    if size < needed or (size > needed and not header.has_more):
        raise DatasetError(f"has {size} bytes of data instead of {needed} for {header.n} Gaussians", path=str(path))
    table = np.frombuffer(content, header.row, count=header.n, offset=header.size)
    return _gaussians(table)


class _Header(NamedTuple):
    n: int
    row: np.dtype[Any]
    has_more: bool
    size: int


def _header(start: bytes, path: Path) -> _Header:
    """Return what the header at the start of a file states."""
    found = re.match(rb"ply\r?\n(.*?\n)?end_header\r?\n", start, re.DOTALL)
    if found is None:
        raise DatasetError("is not a PLY file, or its header does not end", path=str(path))
    lines = [line.split() for line in (found[1] or b"").decode("ascii", "replace").splitlines() if line.strip()]
    lines = [words for words in lines if words[0] not in ("comment", "obj_info")]
    if ["format", "binary_little_endian", "1.0"] not in lines:
        text = next((words[1] for words in lines if words[0] == "format" and len(words) > 1), "of no known format")
        raise DatasetError(
            f"is a PLY file in {text:.40}, but Gaussians are read from binary_little_endian only", path=str(path)
        )
    elements = [k for k, words in enumerate(lines) if words[0] == "element"]
    if not elements or not re.fullmatch(r"vertex \d{1,18}", " ".join(lines[elements[0]][1:])):
        packed = bool(elements) and lines[elements[0]][1:2] == ["chunk"]
        what = "is a PLY file that SuperSplat has compressed" if packed else "is a PLY file without a list of vertices"
        raise DatasetError(what, path=str(path), hint="Save it as a PLY file of 3DGS, which is not compressed")
    n = refuse_count(int(lines[elements[0]][2]), path)
    last = elements[1] if len(elements) > 1 else len(lines)
    return _Header(n, _row(lines[elements[0] + 1 : last], path), len(elements) > 1, found.end())


def _row(properties: list[list[str]], path: Path) -> np.dtype[Any]:
    """Return the type of a row of the table of Gaussians."""
    bad = [words for words in properties if len(words) != 3 or words[0] != "property" or words[1] not in _TYPES]
    if bad:
        raise DatasetError(f"has the line {' '.join(bad[0])[:80]!r}, which is not understood", path=str(path))
    names = [name for _, _, name in properties]
    if len(set(names)) != len(names):
        raise DatasetError("has two properties of one name", path=str(path))
    rest = sum(name.startswith("f_rest_") for name in names)
    missing = [name for name in columns(1 + rest // 3) if name not in (*names, "nx", "ny", "nz")]
    if missing or rest not in {3 * ((degree + 1) ** 2 - 1) for degree in range(MAX_DEGREE + 1)}:
        shown = ", ".join(missing[:8]) if missing else "f_rest_… for one of the degrees 0 to 3"
        raise DatasetError(f"has no property {shown}, so it holds no Gaussians of 3DGS", path=str(path))
    return np.dtype([(name, f"<{_TYPES[kind]}") for _, kind, name in properties])


def _gaussians(table: np.ndarray[Any, Any]) -> Gaussians:
    def stacked(*names: str) -> Tensor:
        return torch.from_numpy(np.stack([table[name].astype(np.float32) for name in names], -1))

    n, rest = len(table), sum(name.startswith("f_rest_") for name in table.dtype.names or ())
    harmonics = stacked("f_dc_0", "f_dc_1", "f_dc_2")[:, None]
    if rest:
        higher = stacked(*(f"f_rest_{k}" for k in range(rest))).reshape(n, 3, -1).transpose(1, 2)
        harmonics = torch.cat([harmonics, higher], 1).contiguous()
    return Gaussians(
        stacked("x", "y", "z"),
        stacked("scale_0", "scale_1", "scale_2"),
        stacked("rot_0", "rot_1", "rot_2", "rot_3"),
        stacked("opacity")[:, 0],
        harmonics,
    )
