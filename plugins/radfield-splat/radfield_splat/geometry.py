"""Kernel helpers: the image of a Gaussian and the harmonics of its color, for 16 Gaussians at once."""

from __future__ import annotations

from typing import Any

from radfield_core.ops import inlined
from radfield_splat.camera import CENTER, ROTATION
from radfield_splat.lanes import broadcast, exp2, load, minimum, pick, sqrt, store

Lanes = Any
Array = Any

LOG2_E = 1.4426950408889634


@inlined
def offset(means: Array, rows: Array, first: int, camera: Array) -> tuple[Lanes, ...]:
    """Return the vectors from the camera to 16 means: in world axes (3) and in the camera's axes (3)."""
    dx = pick(means, rows, first, 3, 0) - camera[CENTER]
    dy = pick(means, rows, first, 3, 1) - camera[CENTER + 1]
    dz = pick(means, rows, first, 3, 2) - camera[CENTER + 2]
    return (
        dx,
        dy,
        dz,
        camera[ROTATION] * dx + camera[ROTATION + 1] * dy + camera[ROTATION + 2] * dz,
        camera[ROTATION + 3] * dx + camera[ROTATION + 4] * dy + camera[ROTATION + 5] * dz,
        camera[ROTATION + 6] * dx + camera[ROTATION + 7] * dy + camera[ROTATION + 8] * dz,
    )


@inlined
def unit_quaternion(quaternions: Array, rows: Array, first: int) -> tuple[Lanes, ...]:
    """Return w, x, y, z of the unit quaternions, and 1/length."""
    w, x = pick(quaternions, rows, first, 4, 0), pick(quaternions, rows, first, 4, 1)
    y, z = pick(quaternions, rows, first, 4, 2), pick(quaternions, rows, first, 4, 3)
    inverse = 1.0 / sqrt(w * w + x * x + y * y + z * z)
    return w * inverse, x * inverse, y * inverse, z * inverse, inverse


@inlined
def rotation(w: Lanes, x: Lanes, y: Lanes, z: Lanes) -> tuple[Lanes, ...]:
    """Return the rotation matrix of unit quaternions, row by row."""
    return (
        1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y),
        2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x),
        2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y),
    )  # fmt: skip


@inlined
def scales(log_scales: Array, rows: Array, first: int) -> tuple[Lanes, Lanes, Lanes]:
    """Return the three standard deviations."""
    return (
        exponential(pick(log_scales, rows, first, 3, 0)),
        exponential(pick(log_scales, rows, first, 3, 1)),
        exponential(pick(log_scales, rows, first, 3, 2)),
    )


@inlined
def exponential(x: Lanes) -> Lanes:
    """Return eˣ, limited to [2^−126, 2^126]."""
    return exp2(minimum(LOG2_E * x, 126.0))


@inlined
def combined(px: Lanes, py: Lanes, pz: Lanes, camera: Array, column: int) -> Lanes:
    """Return p · W[:, column], where W is the rotation from the world to the camera."""
    return px * camera[ROTATION + column] + py * camera[ROTATION + 3 + column] + pz * camera[ROTATION + 6 + column]


@inlined
def turned(px: Lanes, py: Lanes, pz: Lanes, camera: Array, row: int) -> Lanes:
    """Return W[row] · p, where W is the rotation from the world to the camera."""
    begin = ROTATION + 3 * row
    return camera[begin] * px + camera[begin + 1] * py + camera[begin + 2] * pz


@inlined
def add_pose(
    sums: Array, row: int, counted: Lanes, u_i: Lanes, v_i: Lanes, g_i: Lanes,
    gp0: Lanes, gp1: Lanes, gp2: Lanes, gq0: Lanes, gq1: Lanes, gq2: Lanes, dx: Lanes, dy: Lanes, dz: Lanes,
) -> None:  # fmt: skip
    """Add to the gradient of three elements of the rotation W, from element `row` on. `counted` is 0 or 1."""
    store(sums, 16 * row, load(sums, 16 * row) + counted * (u_i * gp0 + v_i * gq0 + g_i * dx))
    store(sums, 16 * row + 16, load(sums, 16 * row + 16) + counted * (u_i * gp1 + v_i * gq1 + g_i * dy))
    store(sums, 16 * row + 32, load(sums, 16 * row + 32) + counted * (u_i * gp2 + v_i * gq2 + g_i * dz))


@inlined
def harmonics(x: Lanes, y: Lanes, z: Lanes, degree: int, basis: Array) -> None:
    """Write the spherical harmonics of unit directions to `basis`, 16 numbers for each function."""
    store(basis, 0, broadcast(0.28209479177387814))
    if degree > 0:
        store(basis, 16, -0.4886025119029199 * y)
        store(basis, 32, 0.4886025119029199 * z)
        store(basis, 48, -0.4886025119029199 * x)
    if degree > 1:
        store(basis, 64, 1.0925484305920792 * x * y)
        store(basis, 80, -1.0925484305920792 * y * z)
        store(basis, 96, 0.31539156525252005 * (2.0 * z * z - x * x - y * y))
        store(basis, 112, -1.0925484305920792 * x * z)
        store(basis, 128, 0.5462742152960396 * (x * x - y * y))
    if degree > 2:
        store(basis, 144, -0.5900435899266435 * y * (3.0 * x * x - y * y))
        store(basis, 160, 2.890611442640554 * x * y * z)
        store(basis, 176, -0.4570457994644658 * y * (4.0 * z * z - x * x - y * y))
        store(basis, 192, 0.3731763325901154 * z * (2.0 * z * z - 3.0 * x * x - 3.0 * y * y))
        store(basis, 208, -0.4570457994644658 * x * (4.0 * z * z - x * x - y * y))
        store(basis, 224, 1.445305721320277 * z * (x * x - y * y))
        store(basis, 240, -0.5900435899266435 * x * (x * x - 3.0 * y * y))


@inlined
def harmonics_gradient(x: Lanes, y: Lanes, z: Lanes, degree: int, weights: Array) -> tuple[Lanes, Lanes, Lanes]:
    """Return the gradient of Σ_k weights_k Y_k(x, y, z) by x, y and z. `weights` has 16 numbers for each function."""
    gx, gy, gz = x * 0.0, x * 0.0, x * 0.0
    if degree > 0:
        gx = -0.4886025119029199 * load(weights, 48)
        gy = -0.4886025119029199 * load(weights, 16)
        gz = 0.4886025119029199 * load(weights, 32)
    if degree > 1:
        xy, yz, zz = (
            1.0925484305920792 * load(weights, 64),
            1.0925484305920792 * load(weights, 80),
            0.31539156525252005 * load(weights, 96),
        )
        xz, xx = 1.0925484305920792 * load(weights, 112), 0.5462742152960396 * load(weights, 128)
        gx += xy * y - 2.0 * zz * x - xz * z + 2.0 * xx * x
        gy += xy * x - yz * z - 2.0 * zz * y - 2.0 * xx * y
        gz += 4.0 * zz * z - yz * y - xz * x
    if degree > 2:
        a, b = -0.5900435899266435 * load(weights, 144), 2.890611442640554 * load(weights, 160)
        c, d = -0.4570457994644658 * load(weights, 176), 0.3731763325901154 * load(weights, 192)
        e, f = -0.4570457994644658 * load(weights, 208), 1.445305721320277 * load(weights, 224)
        g = -0.5900435899266435 * load(weights, 240)
        gx += 6.0 * a * x * y + b * y * z - 2.0 * c * x * y - 6.0 * d * x * z
        gx += e * (4.0 * z * z - 3.0 * x * x - y * y) + 2.0 * f * x * z + 3.0 * g * (x * x - y * y)
        gy += 3.0 * a * (x * x - y * y) + b * x * z + c * (4.0 * z * z - x * x - 3.0 * y * y)
        gy += -6.0 * d * y * z - 2.0 * e * x * y - 2.0 * f * y * z - 6.0 * g * x * y
        gz += b * x * y + 8.0 * c * y * z + 3.0 * d * (2.0 * z * z - x * x - y * y)
        gz += 8.0 * e * x * z + f * (x * x - y * y)
    return gx, gy, gz
