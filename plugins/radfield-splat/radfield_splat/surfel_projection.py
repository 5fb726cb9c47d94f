"""Kernels that project disks, and that turn gradients of projected disks into gradients of their parameters.

Let P be the vector from the camera to a disk's center, a and b its axes divided by their scales, and n its normal, all
in the camera's axes. The ray d meets the disk at u = (A · d)/(n · d) and v = (B · d)/(n · d), where
A = (n·P) a − (a·P) n and B = (n·P) b − (b·P) n. As A · P = B · P = 0, d may be replaced by its difference from the
direction c = P/|P| of the center, which keeps the digits of small disks.

A disk has two rows. The row that module `tiles` reads has 16 numbers: column and row of the middle of its bounding box
(0, 1), the distance to its center (9), and half the size of the box (10, 11). The other has `DISK` numbers: A, B, n,
n·P, c, column and row of the center, opacity, red, green, blue, distance.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from radfield_core.ops import inlined, kernel
from radfield_splat.camera import ANGULAR, COSINE, FIRST, HEIGHT, LOW_PASS, N_MAPS, NEAR, WIDTH
from radfield_splat.geometry import (
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
from radfield_splat.lanes import bits, broadcast, load, log2, lowest, maximum, minimum, pick, put, sqrt, store, where
from radfield_splat.lens_derivatives import project_points
from radfield_splat.projection import NOT_FINITE, POSE, ROW, tile_range

Array = NDArray[Any]
Lanes = Any

DISK = 20
"""Numbers per projected disk."""

_ALPHA_MIN = 1 / 255
_SMALLEST = 1e-12
_CUT = 2.0 * float(np.log(2.0))
_SLACK = 1.001
_CORNERS = 8
_ANGLES = np.arange(_CORNERS) * (2 * np.pi / _CORNERS)
_WIDER = 1 / np.cos(np.pi / _CORNERS)  # the corners of an octagon around the unit circle
_COSINES, _SINES = (_WIDER * np.cos(_ANGLES)).astype(np.float32), (_WIDER * np.sin(_ANGLES)).astype(np.float32)
_BEND = 0.1  # under a lens that bends lines, the box is enlarged by this share
_IN_FRONT = 0.02  # a corner in front of a pinhole has at least this cosine to its axis


@inlined
def _colors(
    coefficients: Array, ids: Array, first: int, stride: int, degree: int, dx: Lanes, dy: Lanes, dz: Lanes, basis: Array
) -> tuple[Lanes, Lanes, Lanes]:
    """Return ½ + Σ harmonics · basis for red, green and blue, from unit directions."""
    harmonics(dx, dy, dz, degree, basis)
    red, green, blue = broadcast(0.5), broadcast(0.5), broadcast(0.5)
    for order in range((degree + 1) * (degree + 1)):
        value = load(basis, 16 * order)
        red += value * pick(coefficients, ids, first, stride, 3 * order)
        green += value * pick(coefficients, ids, first, stride, 3 * order + 1)
        blue += value * pick(coefficients, ids, first, stride, 3 * order + 2)
    return red, green, blue


@inlined
def _axis(r0: Lanes, r1: Lanes, r2: Lanes, camera: Array) -> tuple[Lanes, Lanes, Lanes]:
    """Return a vector in the camera's axes."""
    return turned(r0, r1, r2, camera, 0), turned(r0, r1, r2, camera, 1), turned(r0, r1, r2, camera, 2)


@inlined
def _dot(a0: Lanes, a1: Lanes, a2: Lanes, b0: Lanes, b1: Lanes, b2: Lanes) -> Lanes:
    return a0 * b0 + a1 * b1 + a2 * b2


@inlined
def _box(
    x: Lanes, y: Lanes, z: Lanes, a0: Lanes, a1: Lanes, a2: Lanes, b0: Lanes, b1: Lanes, b2: Lanes, u: Lanes, v: Lanes,
    radius: Lanes, camera: Array,
) -> tuple[Lanes, ...]:  # fmt: skip
    """Return left, right, top and bottom of boxes around disks: of octagons around them, and of their filtered centers.

    If the camera cannot see a whole octagon, its box is the image.

    Args:
        x, y, z: centers.
        a0, a1, a2: radius of the disk along its first axis.
        b0, b1, b2: along its second axis.
        u: column of the center.
        v: row of the center.
        radius: of the filtered center.
        camera: see module `camera`.
    """
    bends = camera[N_MAPS] > 0.0 or camera[ANGULAR] > 0.0 or camera[FIRST] != 0.0
    cosine = camera[COSINE] if bends else np.float32(_IN_FRONT)
    left, right, top, bottom = u, u, v, v
    worst = broadcast(1.0)
    for corner in range(_CORNERS):
        c, s = _COSINES[corner], _SINES[corner]
        px, py, pz = x + c * a0 + s * b0, y + c * a1 + s * b1, z + c * a2 + s * b2
        ahead = pz - cosine * sqrt(px * px + py * py + pz * pz)
        worst = where(ahead > 0.0, worst, -1.0)
        pu, pv = project_points(px, py, pz, camera)[:2]
        left, right, top, bottom = minimum(left, pu), maximum(right, pu), minimum(top, pv), maximum(bottom, pv)
    slack = np.float32(_BEND) if bends else np.float32(0.0)
    wide, high = slack * (right - left), slack * (bottom - top)
    left, right, top, bottom = left - wide, right + wide, top - high, bottom + high
    fits = (worst > 0.0) & (right - left < 1e6) & (bottom - top < 1e6)
    left, top = minimum(left, u - radius), minimum(top, v - radius)
    right, bottom = maximum(right, u + radius), maximum(bottom, v + radius)
    return (
        where(fits, left, -1.0), where(fits, right, camera[WIDTH]),
        where(fits, top, -1.0), where(fits, bottom, camera[HEIGHT]),
    )  # fmt: skip


@kernel
def project_disks(
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
    disks: Array,
    n_tiles: Array,
    fault: Array,
) -> None:
    """Project the disks from `start` to `stop`. `projection.project_gaussians` describes the other arguments.

    Args:
        rows: results for module `tiles` [16N]; unchanged for disks that are not drawn.
        disks: other results [DISK·N]; unchanged for disks that are not drawn.
    """
    stride = 0 if len(logits) == 0 else len(coefficients) // len(logits)
    width, height = camera[WIDTH], camera[HEIGHT]
    ids = np.empty(16, np.int32)
    buffer, boxes, basis = np.empty(DISK * 16, np.float32), np.empty(5 * 16, np.float32), np.empty(256, np.float32)
    for block in range(start, stop, 16):
        for lane in range(16):
            ids[lane] = min(block + lane, stop - 1)
            n_tiles[ids[lane]] = 0
        valid = (1 << min(16, stop - block)) - 1
        dx, dy, dz, x, y, z = offset(means, ids, 0, camera)
        w, i, j, k, _ = unit_quaternion(quaternions, ids, 0)
        sx, sy, sz = scales(log_scales, ids, 0)
        logit = pick(logits, ids, 0, 1, 0)
        distance = sqrt(dx * dx + dy * dy + dz * dz)
        unit = 1.0 / maximum(distance, 1e-30)
        red, green, blue = _colors(coefficients, ids, 0, stride, degree, dx * unit, dy * unit, dz * unit, basis)
        total = dx + dy + dz + w + i + j + k + sx + sy + sz + logit + red + green + blue
        total += pick(log_scales, ids, 0, 3, 0) + pick(log_scales, ids, 0, 3, 1) + pick(log_scales, ids, 0, 3, 2)
        bad = valid & ~bits(total - total <= 0.0)
        if bad:
            fault[0], fault[1] = NOT_FINITE, block + lowest(bad)
            return
        opacity = 1.0 / (1.0 + exponential(-logit))
        seen = (distance >= camera[NEAR]) & (z >= camera[COSINE] * distance) & (opacity >= _ALPHA_MIN)
        valid &= bits(seen)
        if not valid:
            continue
        u, v = project_points(x, y, z, camera)[:2]
        r00, r01, r02, r10, r11, r12, r20, r21, r22 = rotation(w, i, j, k)
        a0, a1, a2 = _axis(r00, r10, r20, camera)
        b0, b1, b2 = _axis(r01, r11, r21, camera)
        n0, n1, n2 = _axis(r02, r12, r22, camera)
        sx, sy = maximum(sx, _SMALLEST), maximum(sy, _SMALLEST)
        cut = _SLACK * sqrt(maximum(_CUT * log2(255.0 * opacity), 0.0)) + 1e-3
        left, right, top, bottom = _box(
            x, y, z, cut * sx * a0, cut * sx * a1, cut * sx * a2, cut * sy * b0, cut * sy * b1, cut * sy * b2, u, v,
            cut * sqrt(broadcast(camera[LOW_PASS])), camera,
        )  # fmt: skip
        inside = (right >= 0.0) & (left <= width - 1.0) & (bottom >= 0.0) & (top <= height - 1.0)
        valid &= bits(inside)
        if not valid:
            continue
        store(boxes, 0, 0.5 * (left + right))
        store(boxes, 16, 0.5 * (top + bottom))
        store(boxes, 32, distance)
        store(boxes, 48, 0.5 * (right - left) + 0.01)
        store(boxes, 64, 0.5 * (bottom - top) + 0.01)
        facing = where(_dot(n0, n1, n2, x, y, z) > 0.0, broadcast(-1.0), broadcast(1.0))
        n0, n1, n2 = n0 * facing, n1 * facing, n2 * facing
        plane = _dot(n0, n1, n2, x, y, z)
        along_a, along_b = _dot(a0, a1, a2, x, y, z), _dot(b0, b1, b2, x, y, z)
        sx, sy = 1.0 / sx, 1.0 / sy
        store(buffer, 0, sx * (plane * a0 - along_a * n0))
        store(buffer, 16, sx * (plane * a1 - along_a * n1))
        store(buffer, 32, sx * (plane * a2 - along_a * n2))
        store(buffer, 48, sy * (plane * b0 - along_b * n0))
        store(buffer, 64, sy * (plane * b1 - along_b * n1))
        store(buffer, 80, sy * (plane * b2 - along_b * n2))
        store(buffer, 96, n0)
        store(buffer, 112, n1)
        store(buffer, 128, n2)
        store(buffer, 144, plane)
        store(buffer, 160, x * unit)
        store(buffer, 176, y * unit)
        store(buffer, 192, z * unit)
        store(buffer, 208, u)
        store(buffer, 224, v)
        store(buffer, 240, opacity)
        store(buffer, 256, maximum(red, 0.0))
        store(buffer, 272, maximum(green, 0.0))
        store(buffer, 288, maximum(blue, 0.0))
        store(buffer, 304, distance)
        while valid:
            lane = lowest(valid)
            valid &= valid - 1
            begin = (block + lane) * ROW
            rows[begin], rows[begin + 1], rows[begin + 9] = boxes[lane], boxes[16 + lane], boxes[32 + lane]
            rows[begin + 10], rows[begin + 11] = boxes[48 + lane], boxes[64 + lane]
            for column in range(DISK):
                disks[(block + lane) * DISK + column] = buffer[16 * column + lane]
            first_column, last_column, first_row, last_row = tile_range(rows, begin, width, height)
            n_tiles[block + lane] = (last_column - first_column) * (last_row - first_row)


@inlined
def _add_outer(sums: Array, row: int, counted: Lanes, g: Lanes, dx: Lanes, dy: Lanes, dz: Lanes) -> None:
    """Add a row of the outer product of g and (dx, dy, dz). `counted` is 0 or 1."""
    begin = 48 * row
    store(sums, begin, load(sums, begin) + counted * g * dx)
    store(sums, begin + 16, load(sums, begin + 16) + counted * g * dy)
    store(sums, begin + 32, load(sums, begin + 32) + counted * g * dz)


@kernel
def project_disks_backward(
    means: Array,
    log_scales: Array,
    quaternions: Array,
    logits: Array,
    coefficients: Array,
    camera: Array,
    degree: int,
    shapes: Array,
    others: Array,
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
    """Compute the gradients for the parameters of drawn disks.

    `projection.project_backward` describes the other arguments.

    Args:
        shapes: sums over pixels [16N]. Module `surfel_raster` describes them.
        others: sums over pixels [16N] of the gradients for the colors.
    """
    stride = 0 if len(logits) == 0 else len(coefficients) // len(logits)
    basis, weights = np.empty(256, np.float32), np.empty(256, np.float32)
    for number in range(POSE):
        store(by_pose, 16 * number, broadcast(0.0))
    counted = np.ones(16, np.float32)
    for first in range(start, stop, 16):
        for lane in range(max(0, stop - first), 16):
            counted[lane] = 0.0
        on = load(counted, 0)
        dx, dy, dz, x, y, z = offset(means, ids, first, camera)
        w, i, j, k, inverse = unit_quaternion(quaternions, ids, first)
        sx, sy, _ = scales(log_scales, ids, first)
        sx, sy = 1.0 / maximum(sx, _SMALLEST), 1.0 / maximum(sy, _SMALLEST)
        unit = 1.0 / sqrt(dx * dx + dy * dy + dz * dz)
        r00, r01, r02, r10, r11, r12, r20, r21, r22 = rotation(w, i, j, k)
        a0, a1, a2 = _axis(r00, r10, r20, camera)
        b0, b1, b2 = _axis(r01, r11, r21, camera)
        n0, n1, n2 = _axis(r02, r12, r22, camera)
        facing = where(_dot(n0, n1, n2, x, y, z) > 0.0, broadcast(-1.0), broadcast(1.0))
        n0, n1, n2 = n0 * facing, n1 * facing, n2 * facing
        a0, a1, a2, b0, b1, b2 = a0 * sx, a1 * sx, a2 * sx, b0 * sy, b1 * sy, b2 * sy
        plane, along_a, along_b = (
            _dot(n0, n1, n2, x, y, z),
            _dot(a0, a1, a2, x, y, z),
            _dot(b0, b1, b2, x, y, z),
        )
        # A and B, and the gradients for them, for n as a part of n · d, and for n · P as a part of t.
        ga0, ga1, ga2 = (
            pick(shapes, ids, first, ROW, 0),
            pick(shapes, ids, first, ROW, 1),
            pick(shapes, ids, first, ROW, 2),
        )
        gb0, gb1, gb2 = (
            pick(shapes, ids, first, ROW, 3),
            pick(shapes, ids, first, ROW, 4),
            pick(shapes, ids, first, ROW, 5),
        )
        gn0, gn1, gn2 = (
            pick(shapes, ids, first, ROW, 6),
            pick(shapes, ids, first, ROW, 7),
            pick(shapes, ids, first, ROW, 8),
        )
        by_plane = pick(shapes, ids, first, ROW, 9) + _dot(ga0, ga1, ga2, a0, a1, a2) + _dot(gb0, gb1, gb2, b0, b1, b2)
        by_along_a, by_along_b = -_dot(ga0, ga1, ga2, n0, n1, n2), -_dot(gb0, gb1, gb2, n0, n1, n2)
        gn0 += by_plane * x - along_a * ga0 - along_b * gb0
        gn1 += by_plane * y - along_a * ga1 - along_b * gb1
        gn2 += by_plane * z - along_a * ga2 - along_b * gb2
        # The direction c to the center is subtracted from the rays.
        by_ca, by_cb = -unit * pick(shapes, ids, first, ROW, 10), -unit * pick(shapes, ids, first, ROW, 11)
        projected = project_points(x, y, z, camera)
        ux, uy, uz, vx, vy, vz = projected[2:8]
        by_u, by_v = pick(shapes, ids, first, ROW, 12), pick(shapes, ids, first, ROW, 13)
        gx = by_plane * n0 + by_along_a * a0 + by_along_b * b0 + by_u * ux + by_v * vx
        gy = by_plane * n1 + by_along_a * a1 + by_along_b * b1 + by_u * uy + by_v * vy
        gz = by_plane * n2 + by_along_a * a2 + by_along_b * b2 + by_u * uz + by_v * vz
        gx += by_ca * (plane * a0 - along_a * n0) + by_cb * (plane * b0 - along_b * n0)
        gy += by_ca * (plane * a1 - along_a * n1) + by_cb * (plane * b1 - along_b * n1)
        gz += by_ca * (plane * a2 - along_a * n2) + by_cb * (plane * b2 - along_b * n2)
        ga0, ga1, ga2 = plane * ga0 + by_along_a * x, plane * ga1 + by_along_a * y, plane * ga2 + by_along_a * z
        gb0, gb1, gb2 = plane * gb0 + by_along_b * x, plane * gb1 + by_along_b * y, plane * gb2 + by_along_b * z
        put(by_log_scales, ids, first, 3, 0, -_dot(ga0, ga1, ga2, a0, a1, a2))
        put(by_log_scales, ids, first, 3, 1, -_dot(gb0, gb1, gb2, b0, b1, b2))
        put(by_log_scales, ids, first, 3, 2, broadcast(0.0))
        ga0, ga1, ga2, gb0, gb1, gb2 = ga0 * sx, ga1 * sx, ga2 * sx, gb0 * sy, gb1 * sy, gb2 * sy
        gn0, gn1, gn2 = gn0 * facing, gn1 * facing, gn2 * facing
        _add_outer(by_pose, 0, on, gx, dx, dy, dz)
        _add_outer(by_pose, 1, on, gy, dx, dy, dz)
        _add_outer(by_pose, 2, on, gz, dx, dy, dz)
        _add_outer(by_pose, 0, on, ga0, r00, r10, r20)
        _add_outer(by_pose, 1, on, ga1, r00, r10, r20)
        _add_outer(by_pose, 2, on, ga2, r00, r10, r20)
        _add_outer(by_pose, 0, on, gb0, r01, r11, r21)
        _add_outer(by_pose, 1, on, gb1, r01, r11, r21)
        _add_outer(by_pose, 2, on, gb2, r01, r11, r21)
        _add_outer(by_pose, 0, on, gn0, r02, r12, r22)
        _add_outer(by_pose, 1, on, gn1, r02, r12, r22)
        _add_outer(by_pose, 2, on, gn2, r02, r12, r22)
        g00, g10, g20 = (
            combined(ga0, ga1, ga2, camera, 0), combined(ga0, ga1, ga2, camera, 1), combined(ga0, ga1, ga2, camera, 2)
        )  # fmt: skip
        g01, g11, g21 = (
            combined(gb0, gb1, gb2, camera, 0), combined(gb0, gb1, gb2, camera, 1), combined(gb0, gb1, gb2, camera, 2)
        )  # fmt: skip
        g02, g12, g22 = (
            combined(gn0, gn1, gn2, camera, 0), combined(gn0, gn1, gn2, camera, 1), combined(gn0, gn1, gn2, camera, 2)
        )  # fmt: skip
        gw = 2.0 * (i * (g21 - g12) + j * (g02 - g20) + k * (g10 - g01))
        gi = 2.0 * (j * (g01 + g10) + k * (g02 + g20) + w * (g21 - g12) - 2.0 * i * (g11 + g22))
        gj = 2.0 * (i * (g01 + g10) + k * (g12 + g21) + w * (g02 - g20) - 2.0 * j * (g00 + g22))
        gk = 2.0 * (i * (g02 + g20) + j * (g12 + g21) + w * (g10 - g01) - 2.0 * k * (g00 + g11))
        along = w * gw + i * gi + j * gj + k * gk
        put(by_quaternions, ids, first, 4, 0, (gw - along * w) * inverse)
        put(by_quaternions, ids, first, 4, 1, (gi - along * i) * inverse)
        put(by_quaternions, ids, first, 4, 2, (gj - along * j) * inverse)
        put(by_quaternions, ids, first, 4, 3, (gk - along * k) * inverse)
        logit = pick(logits, ids, first, 1, 0)
        put(by_logits, ids, first, 1, 0, pick(shapes, ids, first, ROW, 15) / (1.0 + exponential(logit)))
        # Color and distance.
        dx, dy, dz = dx * unit, dy * unit, dz * unit
        red, green, blue = _colors(coefficients, ids, first, stride, degree, dx, dy, dz, basis)
        red = where(red > 0.0, pick(others, ids, first, ROW, 0), 0.0)
        green = where(green > 0.0, pick(others, ids, first, ROW, 1), 0.0)
        blue = where(blue > 0.0, pick(others, ids, first, ROW, 2), 0.0)
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
        radial = pick(shapes, ids, first, ROW, 14) - (dx * hx + dy * hy + dz * hz) * unit
        put(by_means, ids, first, 3, 0, combined(gx, gy, gz, camera, 0) + hx * unit + radial * dx)
        put(by_means, ids, first, 3, 1, combined(gx, gy, gz, camera, 1) + hy * unit + radial * dy)
        put(by_means, ids, first, 3, 2, combined(gx, gy, gz, camera, 2) + hz * unit + radial * dz)
