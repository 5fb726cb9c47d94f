"""The Gaussians of a file that a run starts with, in the coordinates and of the degree of the run."""

from __future__ import annotations

import logging
import math
from pathlib import Path

import torch
from torch import Tensor

from radfield_core import SceneBox
from radfield_splat.config import SplatConfig
from radfield_splat.gaussians import Gaussians
from radfield_splat.similarity import transformed
from radfield_splat.splat_files import read_splats

logger = logging.getLogger(__name__)

_LARGEST = 1000
"""Gaussians are not larger than this number of radii of the scene, because the image of a larger one may overflow."""

_FEW = 0.05
"""A warning is logged if less than this share of the Gaussians lies in the region of the scene."""


def first_gaussians(path: Path, to_data: Tensor, config: SplatConfig, bounds: SceneBox) -> Gaussians:
    """Return the Gaussians of a file. Log a warning if some of their data is left out, or if they lie elsewhere.

    Args:
        path: a .ply, .splat or .spz file in data coordinates.
        to_data: similarity [4, 4] from scene to data coordinates.
        config: options, whose degree the harmonics get. Missing harmonics are 0.
        bounds: region of the scene.

    Raises:
        DatasetError: the file cannot be read.
    """
    found = transformed(read_splats(path), torch.linalg.inv(to_data.to(torch.float64)))
    n = len(found)
    if found.degree > config.degree:
        text = "%s: harmonics above degree %d are left out; method.degree=%d keeps them"
        logger.warning(text, path, config.degree, found.degree)
    if n > config.max_gaussians:
        text = "%s: has %d Gaussians, more than method.max_gaussians=%d, so none is added"
        logger.warning(text, path, n, config.max_gaussians)
    offsets = found.means - bounds.center.to(found.means)
    inside = int((offsets.abs().amax(-1) <= bounds.radius).sum())
    if inside < _FEW * n:
        text = "%s: only %d of %d Gaussians lie in the region of the scene; are they in the coordinates of this data?"
        logger.warning(text, path, inside, n)
    largest = math.log(_LARGEST * bounds.radius)
    n_large = int((found.log_scales > largest).any(-1).sum())
    if n_large:
        text = "%s: %d of %d Gaussians are larger than %d times the region of the scene, and are made smaller"
        logger.warning(text, path, n_large, n, _LARGEST)
    harmonics = found.harmonics.new_zeros(n, (config.degree + 1) ** 2, 3)
    kept = min(harmonics.shape[1], found.harmonics.shape[1])
    harmonics[:, :kept] = found.harmonics[:, :kept]
    scales = found.log_scales.clamp_max(largest)
    return Gaussians(found.means, scales, found.quaternions, found.opacity_logits, harmonics)
