"""Niantic's .spz files: Gaussians in 20 bytes each plus one per harmonic, compressed by gzip.

A file has a header of 16 bytes, and then for all Gaussians the means (three 24-bit integers), opacities, colors,
logarithms of the scales, rotations, and harmonics above degree 0. Version 3, which is written, stores a rotation as the
three smallest components of its quaternion with 10 bits each. Version 2 stores x, y and z with 8 bits each.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from radfield_core import DatasetError
from radfield_core.files import read_limited
from radfield_splat.gaussians import MAX_DEGREE, Gaussians
from radfield_splat.limits import MAX_FILE_BYTES, refuse_count

MAGIC = 0x5053474E
"""First number of a file: "NGSP"."""

ANTIALIASED, EXTENDED = 1, 2
"""Flags: the opacities are compensated for the low-pass filter (Mip-Splatting), as those of radfield are; the file has
extensions, which are not read."""

_HEADER = struct.Struct("<IIIBBBB")
_COLOR = 0.15
_MOST_FRACTION = 20
_SMALL, _BOMB = 1 << 26, 100
"""A file is refused as a bomb if it expands to more than _SMALL bytes and _BOMB times its own size."""


def write(path: Path, gaussians: Gaussians) -> None:
    """Write Gaussians as version 3.

    Raises:
        DatasetError: a mean is too far from the origin for 24-bit integers.
    """
    means, scales, quaternions, logits, harmonics = (x.detach().cpu().double() for x in gaussians.tensors())
    bits = fraction_bits(gaussians)
    if bits is None:
        raise DatasetError(
            "SPZ cannot hold coordinates above 4 million", path=str(path), hint="Write a .ply file instead"
        )
    fixed = (means * 2**bits).round().numpy().astype("<i4")
    rest = (harmonics[:, 1:] * 128 + 128).flatten()
    parts = [
        fixed.view(np.uint8).reshape(-1, 3, 4)[:, :, :3].tobytes(),
        _bytes(logits.sigmoid() * 255),
        _bytes(harmonics[:, 0] * _COLOR * 255 + 127.5),
        _bytes((scales + 10) * 16),
        packed_rotations(quaternions).tobytes(),
        _bytes(rest),
    ]
    header = _HEADER.pack(MAGIC, 3, len(gaussians), gaussians.degree, bits, ANTIALIASED, 0)
    path.write_bytes(gzip.compress(b"".join([header, *parts]), 6, mtime=0))


def fraction_bits(gaussians: Gaussians) -> int | None:
    """Return the number of bits after the binary point of the coordinates, as many as fit; None if none do."""
    most = float(gaussians.means.detach().abs().max()) if len(gaussians) else 0.0
    return next((bits for bits in range(_MOST_FRACTION, 0, -1) if most * 2**bits < 2**23 - 1), None)


def losses(gaussians: Gaussians) -> list[str]:
    """Return what an .spz file rounds or limits."""
    bits = fraction_bits(gaussians) or 0
    found = [
        f"coordinates are rounded to 1/{2**bits}, scales to steps of 6 %, and colors, opacities and harmonics to 8 bits"
    ]
    scales, harmonics = gaussians.log_scales.detach(), gaussians.harmonics.detach()
    limited = {
        "scales": ((scales < -10.03) | (scales > 255.5 / 16 - 10)).any(-1),
        "colors": (harmonics[:, 0].abs() > 0.502 / _COLOR).any(-1),
        "harmonics": (harmonics[:, 1:].abs() > 1.004).flatten(1).any(-1),
    }
    for name, rows in limited.items():
        n = int(rows.sum())
        found += [f"the {name} of {n} of {len(gaussians)} Gaussians exceed SPZ's range and are limited"] if n else []
    return found


def packed_rotations(quaternions: Tensor) -> np.ndarray[Any, np.dtype[Any]]:
    """Return rotations [N] uint32 from quaternions (w, x, y, z) [N, 4].

    The largest of x, y, z, w, made positive, is left out. Two bits name it. The others follow with a sign and 9 bits of
    their size each, in units of 1/(511 √2).
    """
    unit = torch.nn.functional.normalize(quaternions, dim=-1, eps=0.0)[:, [1, 2, 3, 0]]
    largest = unit.abs().argmax(-1)
    others = torch.tensor([[i for i in range(4) if i != k] for k in range(4)])[largest]
    small = unit.gather(1, others) * unit.gather(1, largest[:, None]).sign()
    sizes = (small.abs() * 511 * 2**0.5).round().clamp_max(511).to(torch.int64)
    ten = ((small < 0).to(torch.int64) << 9) | sizes
    whole = (largest << 30) | (ten[:, 0] << 20) | (ten[:, 1] << 10) | ten[:, 2]
    return whole.numpy().astype("<u4")


def unpacked_rotations(packed: np.ndarray[Any, np.dtype[Any]]) -> Tensor:
    """Return quaternions (w, x, y, z) [N, 4] from the result of `packed_rotations`."""
    whole = torch.from_numpy(packed.astype(np.int64))
    largest = whole >> 30
    ten = torch.stack([(whole >> shift) & 1023 for shift in (20, 10, 0)], -1)
    small = (ten & 511) / (511 * 2**0.5) * (1 - 2 * (ten >> 9))
    others = torch.tensor([[i for i in range(4) if i != k] for k in range(4)])[largest]
    result = torch.empty(len(whole), 4)
    result.scatter_(1, others, small.float())
    result.scatter_(1, largest[:, None], (1 - small.square().sum(-1, keepdim=True)).clamp_min(0).sqrt().float())
    return result[:, [3, 0, 1, 2]]


def read(path: Path) -> Gaussians:
    """Read Gaussians of version 2 or 3.

    Raises:
        DatasetError: the file is not such a file, is damaged or is too large.
    """
    header, content = _inflated(path)
    n, dtype = header.n, np.uint8
    sizes = [9 * n, n, 3 * n, 3 * n, (4 if header.version == 3 else 3) * n, 3 * header.n_harmonics * n]
    ends = np.cumsum(sizes)[:-1]
    mean, alpha, color, scale, rotation, rest = np.split(np.frombuffer(content, dtype), ends)
    wide = np.zeros((n, 3, 4), dtype)
    wide[:, :, 1:] = mean.reshape(n, 3, 3)
    fixed = wide.view("<i4")[:, :, 0] >> 8  # the shift extends the sign
    harmonics = torch.cat([
        ((_floats(color, n, 1, 3) / 255) - 0.5) / _COLOR,
        (_floats(rest, n, header.n_harmonics, 3) - 128) / 128,
    ], 1)  # fmt: skip
    if header.version == 3:
        quaternions = unpacked_rotations(rotation.view("<u4"))
    else:
        xyz = _floats(rotation, n, 3) / 127.5 - 1
        quaternions = torch.cat([(1 - xyz.square().sum(-1, keepdim=True)).clamp_min(0).sqrt(), xyz], -1)
    return Gaussians(
        torch.from_numpy((fixed / 2.0**header.bits).astype(np.float32)),
        _floats(scale, n, 3) / 16 - 10,
        quaternions,
        (_floats(alpha, n) / 255).clamp(1e-6, 1 - 1e-6).logit(),
        harmonics,
    )


class _Header(NamedTuple):
    version: int
    n: int
    n_harmonics: int
    bits: int


def _inflated(path: Path) -> tuple[_Header, bytes]:
    """Return the header, and the bytes behind it. Never more bytes are unpacked than the header states."""
    packed = read_limited(path, MAX_FILE_BYTES, "SPZ file")
    if packed[:4] == MAGIC.to_bytes(4, "little"):
        raise DatasetError("is an SPZ file of version 4, but versions 2 and 3 are read", path=str(path))
    inflater = zlib.decompressobj(wbits=31)
    try:
        header = _header(inflater.decompress(packed, _HEADER.size), path)
        size = (19 + (header.version == 3) + 3 * header.n_harmonics) * header.n
        if size > _SMALL and size > _BOMB * len(packed):
            raise DatasetError(f"expands from {len(packed)} bytes to {size}, as only a bomb does", path=str(path))
        content = inflater.decompress(inflater.unconsumed_tail, size) if size else b""
        more = b"" if inflater.eof else inflater.decompress(inflater.unconsumed_tail, 1)
    except zlib.error as error:
        raise DatasetError(f"is not an intact gzip file: {error}", path=str(path)) from None
    if len(content) < size:
        text = f"ends after {len(content)} of {size} bytes for {header.n} Gaussians"
        raise DatasetError(text, path=str(path))
    if more or not inflater.eof:
        text = f"has more than {size} bytes" if more else f"is cut off after {size} bytes"
        raise DatasetError(f"{text} for {header.n} Gaussians", path=str(path))
    return header, content


def _header(start: bytes, path: Path) -> _Header:
    if len(start) < _HEADER.size or start[:4] != MAGIC.to_bytes(4, "little"):
        raise DatasetError("is not an SPZ file: it has another header", path=str(path))
    _, version, n, degree, bits, flags, _ = _HEADER.unpack(start)
    if version not in (2, 3):
        raise DatasetError(f"is an SPZ file of version {version}, but versions 2 and 3 are read", path=str(path))
    if degree > MAX_DEGREE:
        raise DatasetError(f"has harmonics of degree {degree}, but at most {MAX_DEGREE} are read", path=str(path))
    if bits > 23:
        raise DatasetError(f"states {bits} bits after the binary point of 24-bit numbers", path=str(path))
    if flags & EXTENDED:
        raise DatasetError("has extensions, which are not read", path=str(path), hint="Save it without extensions")
    return _Header(version, refuse_count(n, path), (degree + 1) ** 2 - 1, bits)


def _bytes(values: Tensor) -> bytes:
    return values.round().clamp(0, 255).to(torch.uint8).numpy().tobytes()


def _floats(values: np.ndarray[Any, np.dtype[Any]], *shape: int) -> Tensor:
    return torch.from_numpy(values.astype(np.float32)).reshape(shape)
