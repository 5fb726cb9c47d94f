"""Kernels that project Gaussians, and that turn gradients of projected Gaussians into gradients of their parameters.

Each projected Gaussian is a row of 16 numbers: column and row of its mean; the coefficients of the exponent
a dx² + b dx dy + c dy², a power of two; its opacity, compensated for the low-pass filter; red, green, blue; distance;
half the size of its bounding box in x and in y; one unused number; −b/2c and −b/2a; exponent at which it is cut off.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from radfield_core.ops import kernel
from radfield_splat.camera import COSINE, HEIGHT, LOW_PASS, NEAR, WIDTH
from radfield_splat.geometry import (
    LOG2_E,
    add_pose,
    combined,
    exponential,
    harmonics,
    harmonics_gradient,
    offset,
    rotation,
    scales,
    turned,
    unit_quaternion,
)
from radfield_splat.lanes import bits, broadcast, load, log2, lowest, maximum, pick, put, sqrt, store, where
from radfield_splat.lens_derivatives import project_points

Array = NDArray[Any]

ROW = 16
"""Numbers per projected Gaussian."""

TILE = 16
"""Columns and rows of a tile."""

NOT_FINITE, TOO_LARGE = 1, 2
"""Codes of the faults that the kernel reports."""

POSE = 9
"""Sums for the gradient of the camera's rotation."""

_ALPHA_MIN, _COMPENSATION_MIN = 1 / 255, 2.5e-5
_LARGEST = 1e37
_SLACK = 1e-3  # the limit of the exponent is lowered by this, so that rounding never leaves out a pixel
_CUT = 2.0 / LOG2_E


@kernel
def project_gaussians(
    means: Array,
    log_scales: Array,
    quaternions: Array,
    logits: Array,
    coefficients: Array,
    camera: Array,
    degree: int,
    start: int,
    stop: int,
    rows: Array,
    n_tiles: Array,
    fault: Array,
) -> None:
    """Project the Gaussians from `start` to `stop`.

    Args:
        means: [3N].
        log_scales: [3N].
        quaternions: [4N].
        logits: [N].
        coefficients: spherical harmonics [3KN].
        camera: see module `camera`.
        degree: highest degree of the harmonics to evaluate.
        start: first Gaussian.
        stop: end of the Gaussians.
        rows: results [16N]; unchanged for Gaussians that are not drawn.
        n_tiles: result: number of tiles that the bounding box of each Gaussian meets [N], 0 if it is not drawn.
        fault: result: [kind, index] of a fault; unchanged if there is none.
    """
    stride = 0 if len(logits) == 0 else len(coefficients) // len(logits)
    low_pass, width, height = camera[LOW_PASS], camera[WIDTH], camera[HEIGHT]
    ids = np.empty(16, np.int32)
    buffer = np.empty(16 * 16, np.float32)
    basis = np.empty(16 * 16, np.float32)
    for block in range(start, stop, 16):
        for lane in range(16):
            ids[lane] = min(block + lane, stop - 1)
            n_tiles[ids[lane]] = 0
        valid = (1 << min(16, stop - block)) - 1
        dx, dy, dz, x, y, z = offset(means, ids, 0, camera)
        w, i, j, k, _ = unit_quaternion(quaternions, ids, 0)
        sx, sy, sz = scales(log_scales, ids, 0)
        logit = pick(logits, ids, 0, 1, 0)
        total = dx + dy + dz + w + i + j + k + sx + sy + sz + logit
        total += pick(log_scales, ids, 0, 3, 0) + pick(log_scales, ids, 0, 3, 1) + pick(log_scales, ids, 0, 3, 2)
        bad = valid & ~bits(total - total <= 0.0)
        if bad:
            fault[0], fault[1] = NOT_FINITE, block + lowest(bad)
            return
        distance = sqrt(dx * dx + dy * dy + dz * dz)
        valid &= bits((distance >= camera[NEAR]) & (distance > 0.0) & (z >= camera[COSINE] * distance))
        if not valid:
            continue
        projected = project_points(x, y, z, camera)
        u, v, ux, uy, uz, vx, vy, vz = projected[:8]
        p0, p1, p2 = combined(ux, uy, uz, camera, 0), combined(ux, uy, uz, camera, 1), combined(ux, uy, uz, camera, 2)
        q0, q1, q2 = combined(vx, vy, vz, camera, 0), combined(vx, vy, vz, camera, 1), combined(vx, vy, vz, camera, 2)
        r00, r01, r02, r10, r11, r12, r20, r21, r22 = rotation(w, i, j, k)
        a0, b0 = (p0 * r00 + p1 * r10 + p2 * r20) * sx, (q0 * r00 + q1 * r10 + q2 * r20) * sx
        a1, b1 = (p0 * r01 + p1 * r11 + p2 * r21) * sy, (q0 * r01 + q1 * r11 + q2 * r21) * sy
        a2, b2 = (p0 * r02 + p1 * r12 + p2 * r22) * sz, (q0 * r02 + q1 * r12 + q2 * r22) * sz
        xx, xy, yy = a0 * a0 + a1 * a1 + a2 * a2, a0 * b0 + a1 * b1 + a2 * b2, b0 * b0 + b1 * b1 + b2 * b2
        c0, c1, c2 = a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0
        before = c0 * c0 + c1 * c1 + c2 * c2
        after = before + low_pass * (xx + yy) + low_pass * low_pass
        bad = valid & ~bits(after < _LARGEST)
        if bad:
            fault[0], fault[1] = TOO_LARGE, block + lowest(bad)
            return
        opacity = sqrt(maximum(before / after, _COMPENSATION_MIN)) / (1.0 + exponential(-logit))
        cut = log2(maximum(255.0 * opacity, 1e-30))  # alpha reaches 1/255 at the exponent −cut
        xx, yy = xx + low_pass, yy + low_pass
        half_x, half_y = sqrt(_CUT * maximum(cut, 0.0) * xx) + 0.01, sqrt(_CUT * maximum(cut, 0.0) * yy) + 0.01
        inside = (u + half_x >= 0.0) & (u - half_x <= width - 1.0) & (v + half_y >= 0.0) & (v - half_y <= height - 1.0)
        valid &= bits(inside & (opacity >= _ALPHA_MIN))
        if not valid:
            continue
        scale = (-0.5 * LOG2_E) / after
        store(buffer, 0, u)
        store(buffer, 16, v)
        store(buffer, 32, scale * yy)
        store(buffer, 48, -2.0 * scale * xy)
        store(buffer, 64, scale * xx)
        store(buffer, 80, opacity)
        unit = 1.0 / distance
        harmonics(dx * unit, dy * unit, dz * unit, degree, basis)
        red, green, blue = broadcast(0.5), broadcast(0.5), broadcast(0.5)
        for order in range((degree + 1) * (degree + 1)):
            value = load(basis, 16 * order)
            red += value * pick(coefficients, ids, 0, stride, 3 * order)
            green += value * pick(coefficients, ids, 0, stride, 3 * order + 1)
            blue += value * pick(coefficients, ids, 0, stride, 3 * order + 2)
        total = red + green + blue
        bad = valid & ~bits(total - total <= 0.0)
        if bad:
            fault[0], fault[1] = NOT_FINITE, block + lowest(bad)
            return
        store(buffer, 96, maximum(red, 0.0))
        store(buffer, 112, maximum(green, 0.0))
        store(buffer, 128, maximum(blue, 0.0))
        store(buffer, 144, distance)
        store(buffer, 160, half_x)
        store(buffer, 176, half_y)
        store(buffer, 192, distance)
        store(buffer, 208, xy / xx)
        store(buffer, 224, xy / yy)
        store(buffer, 240, -(cut * (1.0 + _SLACK) + _SLACK))
        while valid:
            lane = lowest(valid)
            valid &= valid - 1
            begin = (block + lane) * ROW
            for column in range(16):
                rows[begin + column] = buffer[16 * column + lane]
            left, right, top, bottom = tile_range(rows, begin, width, height)
            n_tiles[block + lane] = (right - left) * (bottom - top)


@kernel
def tile_range(rows: Array, begin: int, width: float, height: float) -> tuple[int, int, int, int]:
    """Return the first and the last column of tiles that a Gaussian meets, and the first and the last row of tiles.

    The last ones are exclusive.
    """
    u, v, half_x, half_y = rows[begin], rows[begin + 1], rows[begin + 10], rows[begin + 11]
    left, right = max(u - half_x, 0.0), min(u + half_x, width - 1.0)
    top, bottom = max(v - half_y, 0.0), min(v + half_y, height - 1.0)
    return int(left) // TILE, int(right) // TILE + 1, int(top) // TILE, int(bottom) // TILE + 1


@kernel
def project_backward(
    means: Array,
    log_scales: Array,
    quaternions: Array,
    logits: Array,
    coefficients: Array,
    camera: Array,
    degree: int,
    rows: Array,
    sums: Array,
    ids: Array,
    start: int,
    stop: int,
    by_means: Array,
    by_log_scales: Array,
    by_quaternions: Array,
    by_logits: Array,
    by_coefficients: Array,
    by_pose: Array,
) -> None:
    """Compute the gradients for the parameters of drawn Gaussians.

    Args:
        means: [3N].
        log_scales: [3N].
        quaternions: [4N].
        logits: [N].
        coefficients: spherical harmonics [3KN].
        camera: see module `camera`.
        degree: highest degree of the harmonics that were evaluated.
        rows: projected Gaussians [16N].
        sums: sums over pixels [16N]. Module `raster` describes them.
        ids: indices of drawn Gaussians, padded to a multiple of 16 by repeating the last one.
        start: first of the `ids` to process, a multiple of 16.
        stop: end of the `ids` to process.
        by_means: result; unchanged for Gaussians that are not drawn, like the next four.
        by_log_scales: result.
        by_quaternions: result.
        by_logits: result.
        by_coefficients: result.
        by_pose: result: gradient of the rotation from the world to the camera [9, 16], to be summed over its columns.
    """
    stride = 0 if len(logits) == 0 else len(coefficients) // len(logits)
    low_pass = camera[LOW_PASS]
    basis = np.empty(16 * 16, np.float32)
    weights = np.empty(16 * 16, np.float32)
    for number in range(POSE):
        store(by_pose, 16 * number, broadcast(0.0))
    counted = np.ones(16, np.float32)
    for first in range(start, stop, 16):
        for lane in range(max(0, stop - first), 16):
            counted[lane] = 0.0
        dx, dy, dz, x, y, z = offset(means, ids, first, camera)
        w, i, j, k, inverse = unit_quaternion(quaternions, ids, first)
        sx, sy, sz = scales(log_scales, ids, first)
        logit = pick(logits, ids, first, 1, 0)
        unit = 1.0 / sqrt(dx * dx + dy * dy + dz * dz)
        projected = project_points(x, y, z, camera)
        ux, uy, uz, vx, vy, vz = projected[2:8]
        p0, p1, p2 = combined(ux, uy, uz, camera, 0), combined(ux, uy, uz, camera, 1), combined(ux, uy, uz, camera, 2)
        q0, q1, q2 = combined(vx, vy, vz, camera, 0), combined(vx, vy, vz, camera, 1), combined(vx, vy, vz, camera, 2)
        r00, r01, r02, r10, r11, r12, r20, r21, r22 = rotation(w, i, j, k)
        a0, b0 = (p0 * r00 + p1 * r10 + p2 * r20) * sx, (q0 * r00 + q1 * r10 + q2 * r20) * sx
        a1, b1 = (p0 * r01 + p1 * r11 + p2 * r21) * sy, (q0 * r01 + q1 * r11 + q2 * r21) * sy
        a2, b2 = (p0 * r02 + p1 * r12 + p2 * r22) * sz, (q0 * r02 + q1 * r12 + q2 * r22) * sz
        xx, xy, yy = a0 * a0 + a1 * a1 + a2 * a2, a0 * b0 + a1 * b1 + a2 * b2, b0 * b0 + b1 * b1 + b2 * b2
        c0, c1, c2 = a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0
        before = c0 * c0 + c1 * c1 + c2 * c2
        after = before + low_pass * (xx + yy) + low_pass * low_pass
        ratio = before / after
        xx, yy = xx + low_pass, yy + low_pass
        # The conic: exponent −½ (a dx² + 2 b dx dy + c dy²).
        one = 1.0 / after
        a, b, c = yy * one, -xy * one, xx * one
        by_opacity = pick(sums, ids, first, ROW, 0)
        s_x, s_y = pick(sums, ids, first, ROW, 1), pick(sums, ids, first, ROW, 2)
        by_a, by_b = -0.5 * pick(sums, ids, first, ROW, 3), -pick(sums, ids, first, ROW, 4)
        by_c = -0.5 * pick(sums, ids, first, ROW, 5)
        by_u, by_v = a * s_x + b * s_y, b * s_x + c * s_y
        put(by_logits, ids, first, 1, 0, by_opacity / (1.0 + exponential(logit)))
        compensated = ratio > _COMPENSATION_MIN
        half = 0.5 * by_opacity
        by_after = -one * (a * by_a + b * by_b + c * by_c) - where(compensated, half * one, 0.0)
        by_before = by_after + where(compensated, half / before, 0.0)
        by_xx, by_yy, by_xy = by_c * one + low_pass * by_after, by_a * one + low_pass * by_after, -by_b * one
        # |a × b|² has the gradients 2 b × (a × b) by a, and 2 (a × b) × a by b.
        t = 2.0 * by_before
        ga0 = 2.0 * by_xx * a0 + by_xy * b0 + t * (b1 * c2 - b2 * c1)
        ga1 = 2.0 * by_xx * a1 + by_xy * b1 + t * (b2 * c0 - b0 * c2)
        ga2 = 2.0 * by_xx * a2 + by_xy * b2 + t * (b0 * c1 - b1 * c0)
        gb0 = 2.0 * by_yy * b0 + by_xy * a0 + t * (c1 * a2 - c2 * a1)
        gb1 = 2.0 * by_yy * b1 + by_xy * a1 + t * (c2 * a0 - c0 * a2)
        gb2 = 2.0 * by_yy * b2 + by_xy * a2 + t * (c0 * a1 - c1 * a0)
        put(by_log_scales, ids, first, 3, 0, ga0 * a0 + gb0 * b0)
        put(by_log_scales, ids, first, 3, 1, ga1 * a1 + gb1 * b1)
        put(by_log_scales, ids, first, 3, 2, ga2 * a2 + gb2 * b2)
        ga0, ga1, ga2, gb0, gb1, gb2 = ga0 * sx, ga1 * sy, ga2 * sz, gb0 * sx, gb1 * sy, gb2 * sz
        g00, g01, g02 = p0 * ga0 + q0 * gb0, p0 * ga1 + q0 * gb1, p0 * ga2 + q0 * gb2
        g10, g11, g12 = p1 * ga0 + q1 * gb0, p1 * ga1 + q1 * gb1, p1 * ga2 + q1 * gb2
        g20, g21, g22 = p2 * ga0 + q2 * gb0, p2 * ga1 + q2 * gb1, p2 * ga2 + q2 * gb2
        gw = 2.0 * (i * (g21 - g12) + j * (g02 - g20) + k * (g10 - g01))
        gi = 2.0 * (j * (g01 + g10) + k * (g02 + g20) + w * (g21 - g12) - 2.0 * i * (g11 + g22))
        gj = 2.0 * (i * (g01 + g10) + k * (g12 + g21) + w * (g02 - g20) - 2.0 * j * (g00 + g22))
        gk = 2.0 * (i * (g02 + g20) + j * (g12 + g21) + w * (g10 - g01) - 2.0 * k * (g00 + g11))
        along = w * gw + i * gi + j * gj + k * gk
        put(by_quaternions, ids, first, 4, 0, (gw - along * w) * inverse)
        put(by_quaternions, ids, first, 4, 1, (gi - along * i) * inverse)
        put(by_quaternions, ids, first, 4, 2, (gj - along * j) * inverse)
        put(by_quaternions, ids, first, 4, 3, (gk - along * k) * inverse)
        # Gradients of p = J_u W and q = J_v W.
        gp0, gq0 = ga0 * r00 + ga1 * r01 + ga2 * r02, gb0 * r00 + gb1 * r01 + gb2 * r02
        gp1, gq1 = ga0 * r10 + ga1 * r11 + ga2 * r12, gb0 * r10 + gb1 * r11 + gb2 * r12
        gp2, gq2 = ga0 * r20 + ga1 * r21 + ga2 * r22, gb0 * r20 + gb1 * r21 + gb2 * r22
        hux, huy = turned(gp0, gp1, gp2, camera, 0), turned(gp0, gp1, gp2, camera, 1)
        huz, hvx = turned(gp0, gp1, gp2, camera, 2), turned(gq0, gq1, gq2, camera, 0)
        hvy, hvz = turned(gq0, gq1, gq2, camera, 1), turned(gq0, gq1, gq2, camera, 2)
        uxx, uxy, uxz, uyy, uyz, uzz, vxx, vxy, vxz, vyy, vyz, vzz = projected[8:]
        gx = by_u * ux + by_v * vx + hux * uxx + huy * uxy + huz * uxz + hvx * vxx + hvy * vxy + hvz * vxz
        gy = by_u * uy + by_v * vy + hux * uxy + huy * uyy + huz * uyz + hvx * vxy + hvy * vyy + hvz * vyz
        gz = by_u * uz + by_v * vz + hux * uxz + huy * uyz + huz * uzz + hvx * vxz + hvy * vyz + hvz * vzz
        on = load(counted, 0)
        add_pose(by_pose, 0, on, ux, vx, gx, gp0, gp1, gp2, gq0, gq1, gq2, dx, dy, dz)
        add_pose(by_pose, 3, on, uy, vy, gy, gp0, gp1, gp2, gq0, gq1, gq2, dx, dy, dz)
        add_pose(by_pose, 6, on, uz, vz, gz, gp0, gp1, gp2, gq0, gq1, gq2, dx, dy, dz)
        # Color and distance.
        dx, dy, dz = dx * unit, dy * unit, dz * unit
        red = where(pick(rows, ids, first, ROW, 6) > 0.0, pick(sums, ids, first, ROW, 6), 0.0)
        green = where(pick(rows, ids, first, ROW, 7) > 0.0, pick(sums, ids, first, ROW, 7), 0.0)
        blue = where(pick(rows, ids, first, ROW, 8) > 0.0, pick(sums, ids, first, ROW, 8), 0.0)
        harmonics(dx, dy, dz, degree, basis)
        for order in range((degree + 1) * (degree + 1)):
            value = load(basis, 16 * order)
            put(by_coefficients, ids, first, stride, 3 * order, value * red)
            put(by_coefficients, ids, first, stride, 3 * order + 1, value * green)
            put(by_coefficients, ids, first, stride, 3 * order + 2, value * blue)
            weight = red * pick(coefficients, ids, first, stride, 3 * order)
            weight += green * pick(coefficients, ids, first, stride, 3 * order + 1)
            weight += blue * pick(coefficients, ids, first, stride, 3 * order + 2)
            store(weights, 16 * order, weight)
        hx, hy, hz = harmonics_gradient(dx, dy, dz, degree, weights)
        radial = pick(sums, ids, first, ROW, 9) - (dx * hx + dy * hy + dz * hz) * unit
        put(by_means, ids, first, 3, 0, combined(gx, gy, gz, camera, 0) + hx * unit + radial * dx)
        put(by_means, ids, first, 3, 1, combined(gx, gy, gz, camera, 1) + hy * unit + radial * dy)
        put(by_means, ids, first, 3, 2, combined(gx, gy, gz, camera, 2) + hz * unit + radial * dz)
