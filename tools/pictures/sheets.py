"""Sheets of pictures for the documentation: labeled strips, meshes from four sides, animations, small files."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import trimesh
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d.art3d import Poly3DCollection
from PIL import Image, ImageDraw, ImageFont

MAX_BYTES = 250_000
LABEL = 20  # pixels
GAP = 4  # pixels
LIGHT = np.array([-0.4, 0.35, 0.85])


def open_rgb(path: Path, background: str = "white") -> Image.Image:
    """An image file as RGB, on a color where it is transparent."""
    image = Image.open(path, formats=["PNG"])
    if image.mode != "RGBA":
        return image.convert("RGB")
    return Image.alpha_composite(Image.new("RGBA", image.size, background), image).convert("RGB")


def row(pictures: Sequence[tuple[str, Image.Image]]) -> Image.Image:
    """Pictures side by side, each below its label."""
    font = ImageFont.load_default(size=13)
    width = sum(image.width for _, image in pictures) + GAP * (len(pictures) - 1)
    sheet = Image.new("RGB", (width, LABEL + max(image.height for _, image in pictures)), "white")
    draw, x = ImageDraw.Draw(sheet), 0
    for label, image in pictures:
        draw.text((x + 2, 1), label, fill="#222222", font=font)
        sheet.paste(image, (x, LABEL))
        x += image.width + GAP
    return sheet


def column(rows: Sequence[Image.Image]) -> Image.Image:
    """Sheets below each other."""
    sheet = Image.new("RGB", (max(each.width for each in rows), sum(each.height for each in rows)), "white")
    y = 0
    for each in rows:
        sheet.paste(each, (0, y))
        y += each.height
    return sheet


def mesh_sides(path: Path) -> Image.Image:
    """A mesh from four sides, a quarter turn apart."""
    return row([(f"{azimuth}°", mesh_side(path, azimuth)) for azimuth in (20, 110, 200, 290)])


def mesh_side(path: Path, azimuth: float, elevation: float = 25.0, size: int = 220) -> Image.Image:
    """A mesh with vertex colors, seen from an angle in degrees about z, which is up."""
    mesh: Any = trimesh.load(path, force="mesh", process=False)
    colors = np.asarray(mesh.visual.vertex_colors, dtype=np.float64)[:, :3] / 255.0
    shade = 0.55 + 0.45 * np.clip(mesh.face_normals @ (LIGHT / np.linalg.norm(LIGHT)), 0.0, 1.0)
    painted = np.clip(colors[mesh.faces].mean(axis=1) * shade[:, None], 0.0, 1.0)
    across, up = np.radians([azimuth, elevation])
    eye = np.array([np.cos(across) * np.cos(up), np.sin(across) * np.cos(up), np.sin(up)])
    front = mesh.face_normals @ eye > 0  # the others are hidden on a closed surface
    figure = Figure(figsize=(size / 100, size / 100), dpi=200)
    axes: Any = figure.add_axes((-0.2, -0.2, 1.4, 1.4), projection="3d")
    axes.add_collection3d(Poly3DCollection(mesh.triangles[front], facecolors=painted[front], antialiased=False))
    middle, half = mesh.bounds.mean(axis=0), 0.5 * float(np.ptp(mesh.bounds, axis=0).max())
    for name, center in zip("xyz", middle, strict=True):
        getattr(axes, f"set_{name}lim")(center - half, center + half)
    axes.set_box_aspect((1, 1, 1))
    axes.set_proj_type("ortho")
    axes.view_init(elev=elevation, azim=azimuth)
    axes.set_axis_off()
    return _drawn(figure).resize((size, size), Image.Resampling.LANCZOS)


def curves(named: Sequence[tuple[str, Sequence[float], Sequence[float]]], title: str) -> Image.Image:
    """PSNR against seconds, one line for each (name, seconds, PSNR)."""
    figure = Figure(figsize=(6.4, 3.6), layout="constrained", dpi=100)
    axes = figure.add_subplot()
    for name, seconds, psnr in named:
        axes.plot(seconds, psnr, "-o", markersize=3, label=name)
    axes.set(xlabel="training, CPU seconds", ylabel="held-out PSNR, dB", title=title)
    axes.grid(alpha=0.3)
    axes.legend()
    return _drawn(figure)


def _drawn(figure: Figure) -> Image.Image:
    png = io.BytesIO()
    figure.savefig(png, format="png")
    return Image.open(png, formats=["PNG"]).convert("RGB")


def save(image: Image.Image, path: Path) -> Path:
    """Write a picture as WebP, at the best quality that keeps it below MAX_BYTES."""
    for quality in (92, 86, 80, 70, 60):
        image.save(path, format="webp", quality=quality, method=6)
        if path.stat().st_size <= MAX_BYTES:
            return path
    raise ValueError(f"{path} is larger than {MAX_BYTES} bytes at any quality")


def save_animation(video: Path, path: Path, frames_per_second: int = 12) -> Path:
    """Write the frames of a video as an animated WebP that repeats, below MAX_BYTES."""
    with av.open(str(video)) as container:
        frames = [Image.fromarray(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    for quality in (85, 75, 60, 45):
        frames[0].save(
            path, format="webp", save_all=True, append_images=frames[1:], duration=1000 // frames_per_second, loop=0,
            quality=quality, method=6,
        )  # fmt: skip
        if path.stat().st_size <= MAX_BYTES:
            return path
    raise ValueError(f"{path} is larger than {MAX_BYTES} bytes at any quality")
