"""Options of method:splat. The defaults are the published values."""

from __future__ import annotations

from typing import Literal

import attrs

from radfield_core import option

MAX_GAUSSIANS = 100_000_000
"""Largest number of Gaussians that options accept."""


@attrs.frozen(kw_only=True)
class SplatConfig:
    """Options of the Gaussians, of their number and of their training.

    Schedules are stated in shares of the run, so that a run of any length is complete.
    """

    background: Literal["none", "black", "white", "random_step"] = option(
        "white",
        help='background color; "random_step" draws one per training step and needs images with an alpha channel',
    )
    degree: int = option(3, help="degree of the spherical harmonics of the color", min=0, max=3)
    degree_interval: float = option(
        1 / 30, help="share of the run after which the degree in use grows by one, from 0 on", min=0, max=1
    )
    start_gaussians: int = option(
        100_000,
        help="number of Gaussians at the start; at most as many as the data has points, if it has any",
        min=1,
        max=MAX_GAUSSIANS,
    )
    max_gaussians: int = option(
        1_000_000, help="number of Gaussians from the share grow_until of the run on", min=1, max=MAX_GAUSSIANS
    )
    max_per_pixel: float = option(
        0.0, help="largest number of Gaussians per pixel of a training image; 0 sets no such limit", min=0
    )
    grow_until: float = option(0.5, help="share of the run in which the number of Gaussians grows", min=0, max=1)
    relocate_every: int = option(100, help="number of steps between relocations of Gaussians", min=1)
    relocate_until: float = option(0.83, help="share of the run after which no Gaussian is relocated", min=0, max=1)
    copies: Literal["opacity", "gradient"] = option(
        "opacity",
        help='what decides which Gaussians are copied: their opacity (MCMC), or the mean "gradient" of their places in '
        "the images since the last relocation, which is large where Gaussians are too few",
    )
    min_opacity: float = option(0.005, help="Gaussians with a lower opacity are relocated", min=0, max=1)
    unseen_steps: int = option(
        100, help="Gaussians that no pixel has shown for this number of steps are relocated; 0 relocates none", min=0
    )
    start_opacity: float = option(0.5, help="opacity at the start", min=0.001, max=0.999)
    dssim_weight: float = option(
        0.2, help="weight of D-SSIM in the loss; that of the mean absolute error is one minus it", min=0, max=1
    )
    opacity_weight: float = option(0.01, help="weight of the mean opacity in the loss", min=0)
    scale_weight: float = option(
        0.01, help="weight of the mean scale, relative to the scene's size, in the loss", min=0
    )
    reductions: tuple[float, ...] = option(
        (), help="factors by which the images' sides are divided, one after the other, each for an equal share", min=1
    )
    reduce_until: float = option(
        0.25, help="share of the run after which the images have their full size", min=0, max=1
    )
    low_pass: float = option(
        0.1, help="variance of the low-pass filter in pixels², as in Mip-Splatting; 3DGS has 0.3", min=0.01, max=10
    )
    near: float = option(
        0.01, help="Gaussians nearer to a camera than this share of the scene's radius are left out", min=0
    )
    lr_means: float = option(
        0.1, help="learning rate of the means, in pixels; falls to lr_means_final", min=0, exclusive_min=True
    )
    lr_means_final: float = option(0.01, help="factor of the means' learning rate at the end of the run", min=0, max=1)
    lr_means_by_distance: bool = option(
        False,
        help="true lets means that are farther from the middle of the scene than the cameras move farther, by the size "
        "of a pixel at their distance",
    )
    lr_scales: float = option(5e-3, help="learning rate of the logarithms of the scales", min=0, exclusive_min=True)
    lr_quaternions: float = option(1e-3, help="learning rate of the rotations", min=0, exclusive_min=True)
    lr_opacities: float = option(0.05, help="learning rate of the opacity logits", min=0, exclusive_min=True)
    lr_colors: float = option(
        2.5e-3, help="learning rate of the colors; that of higher harmonics is a twentieth", min=0, exclusive_min=True
    )
    lr_final: float = option(1.0, help="factor of the other learning rates at the end of the run", min=0, max=1)
    shape: Literal["volume", "disk"] = option(
        "volume",
        help='"volume" draws 3-D Gaussians; "disk" draws flat ones that form a surface, for meshes (2DGS)',
    )
    normal_weight: float = option(
        0.05, help="disks: weight of the difference between their normals and those of the depths, in the loss", min=0
    )
    normal_from: float = option(0.23, help="share of the run from which that weight applies", min=0, max=1)
    distortion_weight: float = option(
        1.0, help="disks: weight in the loss of the squared differences of size/distance along a ray", min=0
    )
    distortion_from: float = option(0.1, help="share of the run from which that weight applies", min=0, max=1)


@attrs.frozen(kw_only=True)
class SplatExporterConfig:
    """Options of exporter:splats."""

    format: Literal["ply", "splat", "spz"] | None = option(
        None,
        help="file format; by default, the ending of the file decides, and ply is used without one; splat and spz "
        "files are smaller, but hold less",
    )
