"""The PLY files of 3DGS, which viewers and editors of Gaussian splats read."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from radfield_core import DatasetError
from radfield_splat.gaussians import MAX_DEGREE, Gaussians

MAX_HEADER_BYTES = 1 << 16


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


def write_ply(path: Path, gaussians: Gaussians) -> None:
    """Write Gaussians. The harmonics above degree 0 are stored color by color, as 3DGS does."""
    n, k = len(gaussians), gaussians.harmonics.shape[1]
    harmonics, zeros = gaussians.harmonics, torch.zeros(n, 3)
    rest = harmonics[:, 1:].transpose(1, 2).reshape(n, -1)
    parts = [gaussians.means, zeros, harmonics[:, 0], rest, gaussians.opacity_logits[:, None], gaussians.log_scales]
    table = torch.cat([x.detach().cpu().to(torch.float32) for x in (*parts, gaussians.quaternions)], 1)
    lines = ["ply", "format binary_little_endian 1.0", f"element vertex {n}"]
    lines += [*(f"property float {name}" for name in columns(k)), "end_header", ""]
    path.write_bytes("\n".join(lines).encode("ascii") + table.numpy().astype("<f4").tobytes())


def read_ply(path: Path) -> Gaussians:
    """Read Gaussians.

    Raises:
        DatasetError: the file is not a binary PLY file of Gaussians, or it is incomplete.
    """
    content = path.read_bytes()
    end = content.find(b"end_header\n", 0, MAX_HEADER_BYTES) + len(b"end_header\n")
    header = content[:end].decode("ascii", "replace")
    names = re.findall(r"^property float (\S+)$", header, re.MULTILINE)
    count = re.search(
        r"^format binary_little_endian 1\.0\n(?:comment .*\n)*element vertex (\d{1,9})$", header, re.MULTILINE
    )
    if not header.startswith("ply\n") or count is None or header.count("element ") != 1:
        raise DatasetError("is not a binary PLY file with one list of Gaussians", path=str(path))
    n, rest = int(count[1]), sum(name.startswith("f_rest_") for name in names)
    missing = [name for name in columns(1 + rest // 3) if name not in (*names, "nx", "ny", "nz")]
    if missing or rest not in {3 * ((degree + 1) ** 2 - 1) for degree in range(MAX_DEGREE + 1)}:
        raise DatasetError(
            f"has no property {', '.join(missing) or 'f_rest_… for one of the degrees 0 to 3'}", path=str(path)
        )
    if len(content) - end != 4 * n * len(names):
        text = f"has {len(content) - end} bytes of data instead of {4 * n * len(names)}"
        raise DatasetError(f"{text} for {n} Gaussians", path=str(path))
    table = np.frombuffer(content, "<f4", offset=end).reshape(n, len(names))
    values = {name: torch.from_numpy(table[:, k].astype(np.float32)) for k, name in enumerate(names)}

    def stacked(*wanted: str) -> Tensor:
        return torch.stack([values[name] for name in wanted], -1)

    base = stacked("f_dc_0", "f_dc_1", "f_dc_2")[:, None]
    higher = [values[f"f_rest_{k}"] for k in range(rest)]
    harmonics = torch.stack(higher, -1).reshape(n, 3, -1).transpose(1, 2) if rest else base[:, :0]
    return Gaussians(
        stacked("x", "y", "z"),
        stacked("scale_0", "scale_1", "scale_2"),
        stacked("rot_0", "rot_1", "rot_2", "rot_3"),
        values["opacity"],
        torch.cat([base, harmonics], 1).contiguous(),
    )
