"""Recognition of the formats from file names and the start of files, without importing torch."""

from __future__ import annotations

from pathlib import Path

from radfield_core.files import npz_names


def blender(path: Path) -> str | None:
    """Return the reason why a folder is recognized as NeRF-synthetic, or None if it is not.

    Only the start of transforms_train.json is read.
    """
    file = path / "transforms_train.json"
    if not file.is_file():
        return None
    with file.open("rb") as stream:
        start = stream.read(1 << 16)
    return "transforms_train.json with camera_angle_x" if b'"camera_angle_x"' in start else None


def multiscale(path: Path) -> str | None:
    """Return the reason why a folder is recognized as mip-NeRF's multiscale layout, or None if it is not.

    Only the start of metadata.json is read.
    """
    file = path / "metadata.json"
    if not file.is_file():
        return None
    with file.open("rb") as stream:
        start = stream.read(1 << 16)
    return "metadata.json of several scales" if b'"file_path"' in start and b'"train"' in start else None


def tiny_nerf(path: Path) -> str | None:
    """Return the reason why a file is recognized as a tiny NeRF file, or None if it is not.

    Only the names of the arrays in the file are read.
    """
    if path.suffix.lower() != ".npz" or not path.is_file():
        return None
    return "an .npz file with images, poses and focal" if npz_names(path) >= {"images", "poses", "focal"} else None
