"""Recognizing the formats by looking at names and headers; imports no torch."""

from __future__ import annotations

from pathlib import Path

from radfield_core.files import npz_names


def blender(path: Path) -> str | None:
    """Why a folder is NeRF-synthetic, or None: its training file starts like one."""
    file = path / "transforms_train.json"
    if not file.is_file():
        return None
    with file.open("rb") as stream:
        start = stream.read(1 << 16)
    return "transforms_train.json with camera_angle_x" if b'"camera_angle_x"' in start else None


def multiscale(path: Path) -> str | None:
    """Why a folder is in mip-NeRF's multiscale layout, or None: the columns that its metadata names."""
    file = path / "metadata.json"
    if not file.is_file():
        return None
    with file.open("rb") as stream:
        start = stream.read(1 << 16)
    return "metadata.json of several scales" if b'"file_path"' in start and b'"train"' in start else None


def tiny_nerf(path: Path) -> str | None:
    """Why a file is tiny NeRF's, or None: the arrays in it."""
    if path.suffix.lower() != ".npz" or not path.is_file():
        return None
    return "an .npz with images, poses, focal" if npz_names(path) >= {"images", "poses", "focal"} else None
