"""Cameras as kernels read them: a float32 array of poses, intrinsics and lens coefficients.

All lens models of `radfield_core.ops.distortion` are products of a radial projection and up to two maps of the plane.
With s = x² + y², the projection is (x, y) · h(s, z), where h is one of two functions:

    1 / (α √(β s + z²) + (1 − α) z)          perspective (α = 0), EUCM, division model (α = ½, β = −4k)
    σ atan(√s / (ζ z)) / √s                  fisheye (ζ = σ = 1), FOV (ζ = 1 / (2 tan(ω/2)), σ = 1/ω)

Then a plane map is applied, once or twice: p (1 + Σ aᵢ r²ⁱ) / (1 + Σ bᵢ r²ⁱ) + tangential + thin prism.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from radfield_core import Camera, View
from radfield_core.ops import distortion
from radfield_splat.lens import widest_angle

ROTATION, CENTER, FOCAL, MIDDLE = 0, 9, 12, 14
"""Offsets: world → camera rotation (9, row by row), camera center (3), focal lengths (2), principal point (2)."""

COSINE, NEAR, LOW_PASS, WIDTH, HEIGHT = 16, 17, 18, 19, 20
"""Offsets: cosine of the widest angle, nearest distance, variance of the low-pass filter, size of the image."""

ANGULAR, FIRST, SECOND, N_MAPS = 21, 22, 23, 24
"""Offsets: 1 for the second function h; α or ζ; β or σ; number of plane maps."""

MAPS = 25
"""Offset of the plane maps."""

NUMERATOR, DENOMINATOR, TANGENTIAL, PRISM, MAP_SIZE = 0, 6, 9, 11, 15
"""Offsets within a plane map: a (6), b (3), p1 and p2, and the thin prism's sx (2) and sy (2); size of a map."""

FLIP = (1.0, -1.0, -1.0)
"""Kernels use axes with y down and z forward."""


def packed(view: View, near: float, low_pass: float) -> Any:
    """Return the array for a view. `radfield_splat.rasterize` describes the arguments."""
    camera, out = view.camera, np.zeros(MAPS + 2 * MAP_SIZE)
    c2w: Tensor = view.c2w.detach().to(torch.float64)
    out[ROTATION:CENTER] = (c2w[:, :3] * c2w.new_tensor(FLIP)).T.reshape(-1).numpy()
    out[CENTER:FOCAL] = c2w[:, 3].numpy()
    out[FOCAL:MIDDLE] = camera.fx, camera.fy
    out[MIDDLE:COSINE] = camera.cx - camera.pixel_center, camera.cy - camera.pixel_center
    out[COSINE:ANGULAR] = math.cos(widest_angle(camera)), near, low_pass, camera.width, camera.height
    out[ANGULAR:N_MAPS] = _projection(camera)
    maps = _plane_maps(camera)
    out[N_MAPS] = len(maps)
    for number, coefficients in enumerate(maps):
        begin = MAPS + number * MAP_SIZE
        out[begin : begin + MAP_SIZE] = coefficients
    return out.astype(np.float32)


def _projection(camera: Camera) -> tuple[float, float, float]:
    """Return the values for ANGULAR, FIRST and SECOND."""
    parameters = camera.distortion
    if camera.model == "eucm":
        return 0.0, parameters[0], parameters[1]
    if camera.model == "division":
        return 0.0, 0.5, -4 * parameters[0]
    if camera.model == "fov" and abs(parameters[0]) >= 1e-6:
        return 1.0, 1 / (2 * math.tan(parameters[0] / 2)), 1 / parameters[0]
    return (1.0, 1.0, 1.0) if camera.model.endswith("fisheye") else (0.0, 0.0, 0.0)


def _plane_maps(camera: Camera) -> list[list[float]]:
    """Return the coefficients of the plane maps in the order of the array."""
    sizes = (6, 3, 2, 2, 2)
    return [
        [
            value
            for indices, size in zip(plane_map, sizes, strict=True)
            for value in [*(camera.distortion[i] for i in indices), *[0.0] * (size - len(indices))]
        ]
        for plane_map in distortion.plane_maps(camera.model)
    ]
