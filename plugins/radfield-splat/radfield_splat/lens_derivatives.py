"""Kernel helpers: a lens with its first and second derivatives, for 16 points at once.

Variables named `a_x` and `a_xy`, or `ax` and `axy`, are the first and second derivatives of a by x, and by x and y.
"""

from __future__ import annotations

from typing import Any

from radfield_core.ops import inlined
from radfield_splat.camera import (
    ANGULAR,
    DENOMINATOR,
    FIRST,
    FOCAL,
    MAP_SIZE,
    MAPS,
    MIDDLE,
    N_MAPS,
    NUMERATOR,
    PRISM,
    SECOND,
    TANGENTIAL,
)  # fmt: skip
from radfield_splat.lanes import absolute, broadcast, maximum, minimum, sqrt, where

Lanes = Any
Array = Any


@inlined
def _radial(s: Lanes, z: Lanes, camera: Array) -> tuple[Lanes, ...]:
    """Return h, h_s, h_z, h_ss, h_sz and h_zz. Module `camera` defines h(s, z)."""
    if camera[ANGULAR] > 0.0:
        # h = σ g(s, ζ z) with g = θ/r, where θ is the angle between (r, ζ z) and the axis.
        stretch, scale = camera[FIRST], camera[SECOND]
        depth = z * stretch
        square = s + depth * depth
        t = s / maximum(depth * depth, 1e-30)
        inverse = 1.0 / where(absolute_below(depth, 1e-15), broadcast(1e-15), depth)
        root = sqrt(maximum(s, 1e-30))
        angle = arctangent(root, depth)
        far = 1.0 / maximum(s, 1e-30)
        near_axis = (t < 0.1) & (depth > 0.0)
        # Series of atan(√t)/√t near the axis, where the closed forms of the derivatives would lose digits.
        g = where(
            near_axis,
            inverse * (1.0 + t * (-1 / 3 + t * (1 / 5 + t * (-1 / 7 + t * (1 / 9 + t * (-1 / 11 + t / 13)))))),
            angle / root,
        )
        cube = inverse * inverse * inverse
        g_s = where(
            near_axis,
            cube * (-1 / 3 + t * (2 / 5 + t * (-3 / 7 + t * (4 / 9 + t * (-5 / 11 + t * (6 / 13 - t * 7 / 15)))))),
            0.5 * far * (depth / square - g),
        )
        g_ss = where(
            near_axis,
            cube
            * inverse
            * inverse
            * (2 / 5 + t * (-6 / 7 + t * (12 / 9 + t * (-20 / 11 + t * (30 / 13 + t * (-42 / 15 + t * 56 / 17)))))),
            0.5 * far * (-depth / (square * square) - 3.0 * g_s),
        )
        g_z = -1.0 / square
        g_sz = 1.0 / (square * square)
        g_zz = 2.0 * depth * g_sz
        by_z = scale * stretch
        return scale * g, scale * g_s, by_z * g_z, scale * g_ss, by_z * g_sz, by_z * stretch * g_zz
    alpha, beta = camera[FIRST], camera[SECOND]
    root = sqrt(maximum(beta * s + z * z, 1e-30))
    inverse = 1.0 / root
    cube = inverse * inverse * inverse
    d_s, d_z = (0.5 * alpha * beta) * inverse, alpha * (z * inverse) + (1.0 - alpha)
    d_ss, d_sz, d_zz = (-0.25 * alpha * beta * beta) * cube, (-0.5 * alpha * beta) * z * cube, (alpha * beta) * s * cube
    h = 1.0 / (alpha * root + (1.0 - alpha) * z)
    square = h * h
    twice = 2.0 * square * h
    return (
        h,
        -d_s * square,
        -d_z * square,
        twice * d_s * d_s - d_ss * square,
        twice * d_s * d_z - d_sz * square,
        twice * d_z * d_z - d_zz * square,
    )


@inlined
def arctangent(y: Lanes, x: Lanes) -> Lanes:
    """Return the angle of (x, y) to the x axis for y ≥ 0 (Cephes, atanf.c)."""
    size = absolute(x)
    ratio = minimum(size, y) / maximum(maximum(size, y), 1e-30)
    high = ratio > 0.41421356237
    r = where(high, (ratio - 1.0) / (ratio + 1.0), ratio)
    q = r * r
    tail = ((8.05374449538e-2 * q - 1.38776856032e-1) * q + 1.99777106478e-1) * q - 3.33329491539e-1
    angle = tail * q * r + r + where(high, broadcast(0.7853981633974483), broadcast(0.0))
    angle = where(y > size, 1.5707963267948966 - angle, angle)
    return where(x < 0.0, 3.141592653589793 - angle, angle)


@inlined
def absolute_below(x: Lanes, limit: float) -> Any:
    """Return a mask that is true where |x| < limit."""
    return (x < limit) & (x > -limit)


@inlined
def _series(camera: Array, begin: int, size: int, r2: Lanes) -> tuple[Lanes, Lanes, Lanes]:
    """Return the sum Σ cᵢ r²ⁱ for i = 1, 2, … and its first and second derivative by r². Uses Horner's scheme."""
    value, slope, curve = r2 * 0.0, r2 * 0.0, r2 * 0.0
    for k in range(size):
        c = camera[begin + size - 1 - k]
        curve = curve * r2 + 2.0 * slope
        slope = slope * r2 + value + c
        value = (value + c) * r2
    return value, slope, curve


@inlined
def _plane_map(a: Lanes, b: Lanes, camera: Array, begin: int) -> tuple[Lanes, ...]:
    """Return u, v, their derivatives by a and b (u_a, u_b, v_a, v_b), and u_aa, u_ab, u_bb, v_aa, v_ab, v_bb."""
    r2 = a * a + b * b
    n, n_r, n_rr = _series(camera, begin + NUMERATOR, 6, r2)
    d, d_r, d_rr = _series(camera, begin + DENOMINATOR, 3, r2)
    px, px_r, px_rr = _series(camera, begin + PRISM, 2, r2)
    py, py_r, py_rr = _series(camera, begin + PRISM + 2, 2, r2)
    p1, p2 = camera[begin + TANGENTIAL], camera[begin + TANGENTIAL + 1]
    inverse = 1.0 / (1.0 + d)
    f = (1.0 + n) * inverse
    f_r = (n_r - f * d_r) * inverse
    f_rr = (n_rr - 2.0 * f_r * d_r - f * d_rr) * inverse
    ua, ub = a * f_r + px_r, b * f_r + py_r
    curve_u, curve_v = 4.0 * (a * f_rr + px_rr), 4.0 * (b * f_rr + py_rr)
    cross = 2.0 * p1 * a + 2.0 * p2 * b
    return (
        a * f + px + 2.0 * p1 * a * b + p2 * (r2 + 2.0 * a * a),
        b * f + py + 2.0 * p2 * a * b + p1 * (r2 + 2.0 * b * b),
        f + 2.0 * a * ua + 2.0 * p1 * b + 6.0 * p2 * a,
        2.0 * b * ua + cross,
        2.0 * a * ub + cross,
        f + 2.0 * b * ub + 2.0 * p2 * a + 6.0 * p1 * b,
        4.0 * a * f_r + 2.0 * ua + a * a * curve_u + 6.0 * p2,
        2.0 * b * f_r + a * b * curve_u + 2.0 * p1,
        2.0 * ua + b * b * curve_u + 2.0 * p2,
        2.0 * ub + a * a * curve_v + 2.0 * p1,
        2.0 * a * f_r + a * b * curve_v + 2.0 * p2,
        4.0 * b * f_r + 2.0 * ub + b * b * curve_v + 6.0 * p1,
    )


@inlined
def _second(
    u_a: Lanes, u_b: Lanes, u_aa: Lanes, u_ab: Lanes, u_bb: Lanes,
    a_i: Lanes, b_i: Lanes, a_j: Lanes, b_j: Lanes, a_ij: Lanes, b_ij: Lanes,
) -> Lanes:  # fmt: skip
    """Return the second derivative u_ij of u(a(…), b(…))."""
    mixed = u_aa * a_i * a_j + u_ab * (a_i * b_j + a_j * b_i) + u_bb * b_i * b_j
    return u_a * a_ij + u_b * b_ij + mixed


@inlined
def project_points(x: Lanes, y: Lanes, z: Lanes, camera: Array) -> tuple[Lanes, ...]:
    """Return the pixel (u, v) of a point in the camera's axes, with its derivatives.

    Returns:
        20 values: u, v; u_x, u_y, u_z, v_x, v_y, v_z; u_xx, u_xy, u_xz, u_yy, u_yz, u_zz, and the same for v.
    """
    h, h_s, h_z, h_ss, h_sz, h_zz = _radial(x * x + y * y, z, camera)
    a, b = x * h, y * h
    ax, ay, az = h + 2.0 * x * x * h_s, 2.0 * x * y * h_s, x * h_z
    bx, by, bz = ay, h + 2.0 * y * y * h_s, y * h_z
    axx, axy, axz = x * (6.0 * h_s + 4.0 * x * x * h_ss), y * (2.0 * h_s + 4.0 * x * x * h_ss), h_z + 2.0 * x * x * h_sz
    ayy, ayz, azz = x * (2.0 * h_s + 4.0 * y * y * h_ss), 2.0 * x * y * h_sz, x * h_zz
    bxx, bxy, bxz = axy, ayy, ayz
    byy, byz, bzz = y * (6.0 * h_s + 4.0 * y * y * h_ss), h_z + 2.0 * y * y * h_sz, y * h_zz
    for number in range(int(camera[N_MAPS])):
        u, v, ua, ub, va, vb, uaa, uab, ubb, vaa, vab, vbb = _plane_map(a, b, camera, MAPS + number * MAP_SIZE)
        uxx, vxx = (
            _second(ua, ub, uaa, uab, ubb, ax, bx, ax, bx, axx, bxx),
            _second(va, vb, vaa, vab, vbb, ax, bx, ax, bx, axx, bxx),
        )
        uxy, vxy = (
            _second(ua, ub, uaa, uab, ubb, ax, bx, ay, by, axy, bxy),
            _second(va, vb, vaa, vab, vbb, ax, bx, ay, by, axy, bxy),
        )
        uxz, vxz = (
            _second(ua, ub, uaa, uab, ubb, ax, bx, az, bz, axz, bxz),
            _second(va, vb, vaa, vab, vbb, ax, bx, az, bz, axz, bxz),
        )
        uyy, vyy = (
            _second(ua, ub, uaa, uab, ubb, ay, by, ay, by, ayy, byy),
            _second(va, vb, vaa, vab, vbb, ay, by, ay, by, ayy, byy),
        )
        uyz, vyz = (
            _second(ua, ub, uaa, uab, ubb, ay, by, az, bz, ayz, byz),
            _second(va, vb, vaa, vab, vbb, ay, by, az, bz, ayz, byz),
        )
        uzz, vzz = (
            _second(ua, ub, uaa, uab, ubb, az, bz, az, bz, azz, bzz),
            _second(va, vb, vaa, vab, vbb, az, bz, az, bz, azz, bzz),
        )
        ux, vx, uy, vy, uz, vz = (
            ua * ax + ub * bx,
            va * ax + vb * bx,
            ua * ay + ub * by,
            va * ay + vb * by,
            ua * az + ub * bz,
            va * az + vb * bz,
        )
        a, b, ax, ay, az, bx, by, bz = u, v, ux, uy, uz, vx, vy, vz
        axx, axy, axz, ayy, ayz, azz = uxx, uxy, uxz, uyy, uyz, uzz
        bxx, bxy, bxz, byy, byz, bzz = vxx, vxy, vxz, vyy, vyz, vzz
    fx, fy = camera[FOCAL], camera[FOCAL + 1]
    return (
        fx * a + camera[MIDDLE], fy * b + camera[MIDDLE + 1],
        fx * ax, fx * ay, fx * az, fy * bx, fy * by, fy * bz,
        fx * axx, fx * axy, fx * axz, fx * ayy, fx * ayz, fx * azz,
        fy * bxx, fy * bxy, fy * bxz, fy * byy, fy * byz, fy * bzz,
    )  # fmt: skip
