"""Maps of a rendered view in data units, and files that keep their numbers: NPY, PFM and EXR.

NPY    an array of NumPy, [H, W] or [H, W, 3] float32
PFM    "Pf" or "PF", width and height, −1 for little-endian, then float32 numbers, the lowest row first
EXR    channels Z (depth), A (opacity) or X, Y and Z (normals) in 32 bits, written by the package OpenEXR
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch

from radfield_core.data.scene import Scene
from radfield_core.data.similarity import similarity_scale
from radfield_core.errors import UsageError
from radfield_core.files.durable import atomic_path, write_durably
from radfield_core.types import Rendered

_EMPTY_BELOW = 1e-6  # opacity of a pixel that has no depth


def raw_maps(rendered: Rendered, scene: Scene, width: int, height: int) -> dict[str, np.ndarray]:
    """Return maps of a rendered view as float32 arrays.

    Args:
        rendered: the pixels [H·W].
        scene: the scene of the view, which knows the data's coordinates.
        width: W.
        height: H.

    Returns:
        Dictionary: kind -> map. `depth` [H, W] is the mean distance from the camera in data units; NaN where the view
        is empty. `opacity` [H, W] is in [0, 1]. If the model gives them, `median-depth` [H, W] is the distance at which
        the opacity reaches ½, infinite where it never does, and `normals` [H, W, 3] are unit vectors along the axes of
        the data; 0 where there is none.

    Raises:
        UsageError: the rays are in NDC, which have no distances in data units.
    """
    if scene.ndc:
        message = "the rays of this run are in NDC, where distances and directions are not those of the data"
        raise UsageError(message, path="--raw", hint="Leave out --raw, or train with data.ndc=false")
    unit = similarity_scale(scene.to_data.double().numpy())
    opacity = rendered.opacity.detach().double().cpu()
    depth = torch.where(opacity > _EMPTY_BELOW, rendered.depth.detach().double().cpu() / opacity, torch.nan)
    maps = {"depth": unit * depth, "opacity": opacity}
    if rendered.median_depth is not None:
        maps["median-depth"] = unit * rendered.median_depth.detach().double().cpu()
    if rendered.normals is not None:
        turned = rendered.normals.detach().double().cpu() @ (scene.to_data[:3, :3].double() / unit).T
        maps["normals"] = torch.nn.functional.normalize(turned, dim=-1)
    return {kind: values.view(height, width, *values.shape[1:]).float().numpy() for kind, values in maps.items()}


def write_raw(path: Path, values: np.ndarray) -> None:
    """Write a map [H, W] or [H, W, 3] float32. The ending of the file name decides the format.

    Raises:
        OSError: the file cannot be written. An earlier file of that name is unchanged.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "depth.pfm"
        ...     write_raw(path, np.array([[1.0, 2.0]], dtype=np.float32))
        ...     path.read_bytes()[:12]
        b'Pf\\n2 1\\n-1.0\\n'
    """
    if path.suffix == ".exr":
        _write_exr(path, values)
        return
    stream = io.BytesIO()
    if path.suffix == ".npy":
        np.save(stream, values)
    else:
        height, width = values.shape[:2]
        stream.write(f"{'Pf' if values.ndim == 2 else 'PF'}\n{width} {height}\n-1.0\n".encode())
        stream.write(np.ascontiguousarray(values[::-1], dtype="<f4").tobytes())
    write_durably(path, stream.getvalue())


def _write_exr(path: Path, values: np.ndarray) -> None:
    import OpenEXR

    names = ["XYZ"[i] for i in range(3)] if values.ndim == 3 else ["A" if path.stem.endswith("_opacity") else "Z"]
    planes = np.moveaxis(values, -1, 0) if values.ndim == 3 else values[None]
    channels = {name: np.ascontiguousarray(plane) for name, plane in zip(names, planes, strict=True)}
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    with atomic_path(path) as temporary:
        try:
            OpenEXR.File(header, channels).write(str(temporary))
        except RuntimeError as error:
            raise OSError(0, str(error), str(path)) from error


def save_raw(maps: dict[str, np.ndarray], folder: Path, name: str, format: str) -> list[Path]:
    """Write each map as `<name>_<kind>.<format>` and return the files. Raises OSError if one cannot be written."""
    paths = [folder / f"{name}_{kind}.{format}" for kind in maps]
    for path, values in zip(paths, maps.values(), strict=True):
        write_raw(path, values)
    return paths
