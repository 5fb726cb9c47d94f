"""Lens models: conversion between directions and points on the image plane, in units of the focal length.

Axes here are x right, y down, z forward. A direction (x, y, z) may have any length. A point (u, v) on the image plane
becomes the pixel (fx u + cx, fy v + cy). `MODELS` has the camera models of COLMAP, named in lower case. The parameters
come in the order of COLMAP's files, without focal length and principal point (colmap.github.io/cameras.html):

    pinhole ()                      simple_radial (k)            radial (k1, k2)
    opencv (k1, k2, p1, p2)         full_opencv (k1, k2, p1, p2, k3, k4, k5, k6)
    fisheye ()                      simple_radial_fisheye (k)    radial_fisheye (k1, k2)
    opencv_fisheye (k1, k2, k3, k4) thin_prism_fisheye (k1, k2, p1, p2, k3, k4, sx1, sy1)
    rad_tan_thin_prism_fisheye (k0 … k5, p0, p1, s0 … s3)
    fov (omega)                     division (k)                 eucm (alpha, beta)
    equirectangular ()

The last four models have formulas of their own. A point of an equirectangular image is the longitude and the latitude
of its direction in radians, so its focal lengths are pixels per radian. All others first project to (x/z, y/z), or for
a fisheye to θ (x, y)/|(x, y)|, where θ is the angle to the axis. Then they apply up to two maps of the plane, each of
this form:

    p -> p (1 + Σ aᵢ r²ⁱ) / (1 + Σ bᵢ r²ⁱ) + tangential (p1, p2) + thin prism (Σ sxᵢ r²ⁱ, Σ syᵢ r²ⁱ),   r = |p|

Newton's method inverts the maps. Far from the axis a map may not be one-to-one. If no direction maps to a point,
`undistort` returns the direction that maps nearest to the point. Applying `distort` to this direction shows the
remaining error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

_NEWTON_STEPS = 20
_CONVERGED = 1e-13  # iterations stop at this error, in units of the focal length


class _PlaneMap(NamedTuple):
    """One map of the plane. It is described by the indices of its coefficients in the model's list of parameters."""

    numerator: tuple[int, ...] = ()
    denominator: tuple[int, ...] = ()
    tangential: tuple[int, ...] = ()  # p1, p2
    prism_x: tuple[int, ...] = ()
    prism_y: tuple[int, ...] = ()


class _Lens(NamedTuple):
    """A lens model that consists of a projection and maps of the plane."""

    n_parameters: int
    fisheye: bool
    maps: tuple[_PlaneMap, ...]


_LENSES = {
    "pinhole": _Lens(0, False, ()),
    "simple_radial": _Lens(1, False, (_PlaneMap((0,)),)),
    "radial": _Lens(2, False, (_PlaneMap((0, 1)),)),
    "opencv": _Lens(4, False, (_PlaneMap((0, 1), (), (2, 3)),)),
    "full_opencv": _Lens(8, False, (_PlaneMap((0, 1, 4), (5, 6, 7), (2, 3)),)),
    "fisheye": _Lens(0, True, ()),
    "simple_radial_fisheye": _Lens(1, True, (_PlaneMap((0,)),)),
    "radial_fisheye": _Lens(2, True, (_PlaneMap((0, 1)),)),
    "opencv_fisheye": _Lens(4, True, (_PlaneMap((0, 1, 2, 3)),)),
    "thin_prism_fisheye": _Lens(8, True, (_PlaneMap((0, 1, 4, 5), (), (2, 3), (6,), (7,)),)),
    "rad_tan_thin_prism_fisheye": _Lens(
        12, True, (_PlaneMap((0, 1, 2, 3, 4, 5)), _PlaneMap((), (), (7, 6), (8, 9), (10, 11)))
    ),
}
_CLOSED_FORMS = {"fov": 1, "division": 1, "eucm": 2, "equirectangular": 0}

PERSPECTIVE = frozenset({"pinhole", "simple_radial", "radial", "opencv", "full_opencv", "fov"})
"""Models that see only what lies in front of the camera. Their directions can be given at unit depth."""

PANORAMIC = frozenset({"equirectangular"})
"""Models that see in all directions. Their images have no edge at the left and right, where they continue on the other
side, and their pixels cover angles of different widths and heights."""

MODELS: dict[str, int] = {name: lens.n_parameters for name, lens in _LENSES.items()} | _CLOSED_FORMS
"""Table of model -> number of its parameters."""


def distort(model: str, directions: Tensor, parameters: Tensor) -> Tensor:
    """Project directions through a lens to points on the image plane.

    Args:
        model: a key of `MODELS`.
        directions: [..., 3], of any length.
        parameters: [..., K], broadcast against the directions.

    Returns:
        Points [..., 2] float64. NaN for directions that the lens cannot see, such as those behind a perspective lens.

    Raises:
        ValueError: the model is unknown, or the number of parameters is wrong.

    Example:
        >>> distort("simple_radial", torch.tensor([[1.0, 0.0, 2.0]]), torch.tensor([0.1]))
        tensor([[0.5125, 0.0000]], dtype=torch.float64)
    """
    directions, parameters = directions.to(torch.float64), _parameters(model, parameters)
    if model in _CLOSED_FORMS:
        return _FORWARD[model](directions, parameters)
    lens = _LENSES[model]
    points = _theta_plane(directions) if lens.fisheye else _perspective_plane(directions)
    for plane_map in lens.maps:
        points = _evaluate(plane_map, points, parameters)[0]
    return points


def undistort(model: str, points: Tensor, parameters: Tensor) -> Tensor:
    """Return the directions that a lens projects to points on the image plane. This is the inverse of `distort`.

    Args:
        model: a key of `MODELS`.
        points: [..., 2].
        parameters: [..., K], broadcast against the points.

    Returns:
        Unit directions [..., 3] float64.

    Raises:
        ValueError: the model is unknown, or the number of parameters is wrong.

    Example:
        >>> points, k = torch.tensor([[0.5125, 0.0]], dtype=torch.float64), torch.tensor([0.1], dtype=torch.float64)
        >>> directions = undistort("simple_radial", points, k)
        >>> directions / directions[:, 2:]
        tensor([[0.5000, 0.0000, 1.0000]], dtype=torch.float64)
    """
    points, parameters = points.to(torch.float64), _parameters(model, parameters)
    if model in _CLOSED_FORMS:
        return torch.nn.functional.normalize(_INVERSE[model](points, parameters), dim=-1)
    lens = _LENSES[model]
    for plane_map in reversed(lens.maps):
        points = _invert(plane_map, points, parameters)
    if not lens.fisheye:
        return torch.nn.functional.normalize(_with_z(points, torch.ones_like(points[..., 0])), dim=-1)
    theta = points.norm(dim=-1).clamp_max(torch.pi)
    return _with_z(points * torch.sinc(theta / torch.pi)[..., None], theta.cos())


def widen(model: str, parameters: Tensor, wider: str) -> Tensor | None:
    """Express a lens by the parameters of another model.

    Args:
        model: the present model, a key of `MODELS`.
        parameters: parameters [..., K] of the present model.
        wider: the other model, a key of `MODELS`.

    Returns:
        Parameters [..., K'] of the other model, float64, or None if the other model cannot express the lens.

    Example:
        >>> widen("simple_radial", torch.tensor([0.5]), "opencv")
        tensor([0.5000, 0.0000, 0.0000, 0.0000], dtype=torch.float64)
    """
    parameters = _parameters(model, parameters)
    if model == wider:
        return parameters
    if model in _CLOSED_FORMS or wider in _CLOSED_FORMS or _LENSES[model].fisheye != _LENSES[wider].fisheye:
        return None
    source, target = _LENSES[model].maps, _LENSES[wider].maps
    if len(source) > len(target):
        return None
    out = parameters.new_zeros((*parameters.shape[:-1], MODELS[wider]))
    for from_map, to_map in zip(source, target, strict=False):
        for from_indices, to_indices in zip(from_map, to_map, strict=True):
            if len(from_indices) > len(to_indices):
                return None
            out[..., list(to_indices[: len(from_indices)])] = parameters[..., list(from_indices)]
    return out


def plane_maps(model: str) -> tuple[_PlaneMap, ...]:
    """Return the maps of the plane that a lens model applies after its projection. A closed form has none.

    Example:
        >>> plane_maps("radial")[0].numerator
        (0, 1)
    """
    return () if model in _CLOSED_FORMS else _LENSES[model].maps


def _parameters(model: str, parameters: Tensor) -> Tensor:
    if model not in MODELS:
        raise ValueError(f"unknown camera model {model!r}; use {', '.join(MODELS)}")
    if parameters.shape[-1] != MODELS[model]:
        raise ValueError(f"camera model {model} has {MODELS[model]} parameters, not {parameters.shape[-1]}")
    return parameters.to(torch.float64)


def _with_z(xy: Tensor, z: Tensor) -> Tensor:
    return torch.cat([xy, z[..., None]], dim=-1)


def _perspective_plane(directions: Tensor) -> Tensor:
    z = directions[..., 2:]
    return directions[..., :2] / torch.where(z > 0, z, torch.nan)


def _theta_plane(directions: Tensor) -> Tensor:
    xy = directions[..., :2]
    radius = xy.norm(dim=-1, keepdim=True)
    theta = torch.atan2(radius, directions[..., 2:])
    return torch.where(radius > 0, theta / radius.clamp_min(1e-300), 1.0 / directions[..., 2:].abs()) * xy


def _series(parameters: Tensor, indices: tuple[int, ...], r2: Tensor) -> tuple[Tensor, Tensor]:
    """Return the sum Σ cᵢ r²ⁱ for i = 1, 2, … and its derivative with respect to r². Uses Horner's scheme."""
    value, slope = torch.zeros_like(r2), torch.zeros_like(r2)
    for index in reversed(indices):
        slope = slope * r2 + value + parameters[..., index]
        value = (value + parameters[..., index]) * r2
    return value, slope


def _evaluate(plane_map: _PlaneMap, points: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mapped points [..., 2] and the Jacobian [..., 2, 2] of the map."""
    x, y = points.unbind(-1)
    r2 = x * x + y * y
    numerator, numerator_slope = _series(parameters, plane_map.numerator, r2)
    denominator, denominator_slope = _series(parameters, plane_map.denominator, r2)
    factor = (1.0 + numerator) / (1.0 + denominator)
    slope = (numerator_slope - factor * denominator_slope) / (1.0 + denominator)
    prism_x, prism_x_slope = _series(parameters, plane_map.prism_x, r2)
    prism_y, prism_y_slope = _series(parameters, plane_map.prism_y, r2)
    u, v = x * factor + prism_x, y * factor + prism_y
    ux, uy = factor + 2 * x * (x * slope + prism_x_slope), 2 * y * (x * slope + prism_x_slope)
    vx, vy = 2 * x * (y * slope + prism_y_slope), factor + 2 * y * (y * slope + prism_y_slope)
    if plane_map.tangential:
        p1, p2 = (parameters[..., index] for index in plane_map.tangential)
        u, v = u + 2 * p1 * x * y + p2 * (r2 + 2 * x * x), v + 2 * p2 * x * y + p1 * (r2 + 2 * y * y)
        cross = 2 * (p1 * x + p2 * y)
        ux, uy = ux + 2 * p1 * y + 6 * p2 * x, uy + cross
        vx, vy = vx + cross, vy + 2 * p2 * x + 6 * p1 * y
    jacobian = torch.stack([torch.stack([ux, uy], -1), torch.stack([vx, vy], -1)], -2)
    return torch.stack([u, v], -1), jacobian


def _invert(plane_map: _PlaneMap, target: Tensor, parameters: Tensor) -> Tensor:
    """Find the points that a map takes to the targets. The search uses damped Newton steps.

    A step that does not reduce the distance to the target is undone, and the next step is a quarter as long.
    """
    points = target + torch.zeros_like(parameters[..., :1])  # broadcast to one starting point per lens
    mapped, jacobian = _evaluate(plane_map, points, parameters)
    residual = target - mapped
    damping = torch.ones_like(points[..., :1])
    for _ in range(_NEWTON_STEPS):
        if residual.device.type == "cpu" and not bool((residual.abs() > _CONVERGED).any()):
            break  # checked only on a CPU, because on a GPU the program would wait for the result of the check
        (ux, uy), (vx, vy) = (row.unbind(-1) for row in jacobian.unbind(-2))
        du, dv = residual.unbind(-1)
        determinant = ux * vy - uy * vx
        determinant = torch.where(determinant.abs() < 1e-12, 1e-12, determinant)
        step = torch.stack([vy * du - uy * dv, ux * dv - vx * du], -1) / determinant[..., None]
        trial = points + damping * step
        trial_mapped, trial_jacobian = _evaluate(plane_map, trial, parameters)
        trial_residual = target - trial_mapped
        better = trial_residual.norm(dim=-1, keepdim=True) <= residual.norm(dim=-1, keepdim=True)
        points = torch.where(better, trial, points)
        residual = torch.where(better, trial_residual, residual)
        jacobian = torch.where(better[..., None], trial_jacobian, jacobian)
        damping = torch.where(better, (2 * damping).clamp_max(1.0), damping / 4)
    return points


def _fov_forward(directions: Tensor, parameters: Tensor) -> Tensor:
    """Devernay and Faugeras 2001: r_d = atan(2 r tan(ω/2)) / ω."""
    omega = parameters[..., :1]
    points = _perspective_plane(directions)
    radius = points.norm(dim=-1, keepdim=True)
    safe_omega, safe_radius = _away_from_zero(omega), _away_from_zero(radius)
    tangent = 2 * (safe_omega / 2).tan()
    factor = torch.where(
        radius.abs() < 1e-7, tangent / safe_omega, (tangent * radius).atan() / safe_radius / safe_omega
    )
    return points * torch.where(omega.abs() < 1e-6, 1.0, factor)


def _fov_inverse(points: Tensor, parameters: Tensor) -> Tensor:
    """Invert: r = tan(r_d ω) / (2 tan(ω/2)). The angle r_d ω to the axis is limited to 90°."""
    omega = parameters[..., :1]
    radius = points.norm(dim=-1, keepdim=True)
    safe_omega, safe_radius = _away_from_zero(omega), _away_from_zero(radius)
    angle = (radius * omega).clamp(-torch.pi / 2 + 1e-9, torch.pi / 2 - 1e-9)
    tangent = 2 * (safe_omega / 2).tan()
    factor = torch.where(radius.abs() < 1e-7, safe_omega / tangent, angle.tan() / (safe_radius * tangent))
    return _with_z(points * torch.where(omega.abs() < 1e-6, 1.0, factor), torch.ones_like(points[..., 0]))


def _away_from_zero(x: Tensor) -> Tensor:
    return torch.where(x.abs() < 1e-12, 1e-12, x)


def _division_forward(directions: Tensor, parameters: Tensor) -> Tensor:
    """Fitzgibbon 2001: (u, v, 1 + k |(u, v)|²) is parallel to the direction. Of two solutions, use the smaller."""
    xy, z = directions[..., :2], directions[..., 2:]
    root = (z * z - 4 * parameters[..., :1] * xy.square().sum(-1, keepdim=True)).sqrt()
    scale = 2.0 / (z + root)
    return xy * torch.where(scale > 0, scale, torch.nan)


def _division_inverse(points: Tensor, parameters: Tensor) -> Tensor:
    return _with_z(points, 1.0 + parameters[..., 0] * points.square().sum(-1))


def _eucm_forward(directions: Tensor, parameters: Tensor) -> Tensor:
    """Khomutenko, Garcia and Martinet 2016, eq. 3: (x, y) / (α √(β ρ² + z²) + (1 − α) z)."""
    alpha, beta = parameters[..., :1], parameters[..., 1:]
    xy, z = directions[..., :2], directions[..., 2:]
    depth = alpha * (beta * xy.square().sum(-1, keepdim=True) + z * z).sqrt() + (1 - alpha) * z
    return xy / torch.where(depth > 0, depth, torch.nan)


def _eucm_inverse(points: Tensor, parameters: Tensor) -> Tensor:
    alpha, beta = parameters.unbind(-1)
    r2 = points.square().sum(-1)
    root = (1 - (2 * alpha - 1) * beta * r2).clamp_min(0.0).sqrt()
    return _with_z(points, (1 - beta * alpha**2 * r2) / (alpha * root + 1 - alpha))


def _equirectangular_forward(directions: Tensor, parameters: Tensor) -> Tensor:
    """Longitude in [−π, π], to the right of the z axis, and latitude in [−π/2, π/2], downward."""
    x, y, z = directions.unbind(-1)
    return torch.stack([torch.atan2(x, z), torch.atan2(y, torch.hypot(x, z))], -1)


def _equirectangular_inverse(points: Tensor, parameters: Tensor) -> Tensor:
    longitude, latitude = points.unbind(-1)
    level = latitude.cos()
    return torch.stack([longitude.sin() * level, latitude.sin(), longitude.cos() * level], -1)


_FORWARD: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "fov": _fov_forward,
    "division": _division_forward,
    "eucm": _eucm_forward,
    "equirectangular": _equirectangular_forward,
}
_INVERSE: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "fov": _fov_inverse,
    "division": _division_inverse,
    "eucm": _eucm_inverse,
    "equirectangular": _equirectangular_inverse,
}
