"""Laws of fields. N is a number of samples, and M is a number of points."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from radfield_core.interfaces import Field, HasColor, HasDensity, HasOccupancy, HasSDF
from radfield_core.ops.layout import Packing
from radfield_core.testing.inputs import at_step, dense_samples, inputs_for, outputs_of, packed_samples
from radfield_core.testing.law import (
    central_difference,
    expect,
    expect_close,
    expect_mostly_close,
    expect_shape,
    law,
    providing,
)
from radfield_core.testing.toys import toy_context, toy_rays
from radfield_core.testing.under_test import PartUnderTest
from radfield_core.types import FieldOutputs, RayBundle, RaySamples

COLOR_TOLERANCE = 2e-3
"""A color may lie outside [0, 1] by this much, because mip-NeRF pads its sigmoid by 0.001 (Barron et al. 2021)."""

PER_SAMPLE = ("density", "alpha", "rgb", "sdf", "gradients", "normals")
"""Tensors of `FieldOutputs` that hold one value or vector for each sample."""


@law("field", fix="Return density [N] and rgb [N, 3] with N = samples.n, and avoid reductions that fail for N = 0.")
def one_output_per_sample(tested: PartUnderTest) -> None:
    """N samples give outputs [N] or [N, 3], both in the dense and in the packed layout. This also holds for one ray,
    for no rays and for rays without samples."""
    part: Field = at_step(tested.build())
    layouts = (
        dense_samples(toy_rays(5)),
        packed_samples(toy_rays(5)),
        dense_samples(toy_rays(0)),
        packed_samples(toy_rays(0)),
        dense_samples(toy_rays(1), 1),
    )
    for samples in layouts:
        outputs, n = part(samples), samples.n
        for name in PER_SAMPLE:
            value = getattr(outputs, name)
            if value is not None:
                shape = (n,) if name in ("density", "alpha", "sdf") else (n, 3)
                expect_shape(f"{name} of {n} samples", value, shape)
        for name, value in outputs.extras.items():
            expect(value.shape[:1] == (n,), f"for {n} samples the shape of extras[{name!r}] is {list(value.shape)}")


@law("field", fix="Make `provides` in the declaration agree with the outputs of forward and with the query methods.")
def outputs_match_the_declaration(tested: PartUnderTest) -> None:
    """forward returns each of density, alpha, rgb, sdf and normals if and only if the field declares it. If the field
    declares density, sdf, occupancy or point_color, it has a query method of that name."""
    part: Field = at_step(tested.build())
    outputs: FieldOutputs = part(dense_samples(toy_rays(3)))
    for word in ("density", "alpha", "rgb", "sdf", "normals"):
        returned, declared = getattr(outputs, word) is not None, word in tested.provides
        expect(returned or not declared, f"{word} is declared but not returned")
        expect(declared or not returned, f"{word} is returned but not declared, so no other part can require it")
    queries = {"density": HasDensity, "sdf": HasSDF, "occupancy": HasOccupancy, "point_color": HasColor}
    for word, protocol in queries.items():
        answered = word not in tested.provides or isinstance(part, protocol)
        expect(answered, f"{word} is declared, but the field lacks a method of {protocol.__name__}")


@law("field", fix="Compute a density with softplus or exp, and a color with a sigmoid. Clamp an alpha to [0, 1].")
def outputs_are_in_range(tested: PartUnderTest) -> None:
    """Densities are finite and at least 0. Alphas and colors lie in [0, 1]. Normals have the length 1."""
    part: Field = at_step(tested.build())
    for samples in (dense_samples(toy_rays(20)), packed_samples(toy_rays(20))):
        outputs = part(samples)
        for name, low, high in (("density", 0.0, float("inf")), ("alpha", 0.0, 1.0), ("rgb", 0.0, 1.0)):
            value = getattr(outputs, name)
            if value is not None:
                expect(bool(value.isfinite().all()), f"{name}: not every value is finite")
                smallest, largest = value.min().item(), value.max().item()
                slack = COLOR_TOLERANCE if name == "rgb" else 1e-6
                inside = low - slack <= smallest and largest <= high + slack
                expect(inside, f"{name} lies in [{smallest:.4g}, {largest:.4g}]")
        if outputs.normals is not None:
            lengths = outputs.normals.norm(dim=-1)
            expect_close("the length of the normals", lengths, torch.ones_like(lengths), 1e-3)


@law(
    "field", fix="Get the values of each sample's ray with samples.per_sample(…), and points with samples.positions()."
)
def dense_equals_packed(tested: PartUnderTest) -> None:
    """The same intervals give the same outputs, whether they are stored in the dense or in the packed layout."""
    part: Field = at_step(tested.build())
    rays = toy_rays(6)
    dense = dense_samples(rays, 8)
    packing = Packing.from_counts(torch.full((6,), 8), 8)
    packed = RaySamples.packed(rays, dense.t_starts, dense.t_ends, packing)
    for name in PER_SAMPLE:
        one, other = getattr(part(dense), name), getattr(part(packed), name)
        if one is not None:
            expect_close(f"{name} of packed samples", other, one, 1e-5)


@law("field", fix="Compute each sample independently, without statistics over samples or rays.")
def rays_are_independent(tested: PartUnderTest) -> None:
    """The outputs of a ray do not depend on the other rays: f(concat(a, b)) = concat(f(a), f(b)). Rendering in chunks
    therefore gives the same image."""
    part: Field = at_step(tested.build())
    rays = toy_rays(11)
    whole, first, second = (part(dense_samples(bundle)) for bundle in (rays, rays[:4], rays[4:]))
    for name in PER_SAMPLE:
        if getattr(whole, name) is not None:
            together = torch.cat([getattr(first, name), getattr(second, name)])
            expect_close(f"{name} of two bundles of rays at once", getattr(whole, name), together, 1e-5)


@law("field", fix="Get directions with samples.per_sample(samples.rays.viewdirs), and points with samples.positions().")
def ray_order_does_not_matter(tested: PartUnderTest) -> None:
    """The outputs of a sample depend only on the sample and its ray. If the rays are reordered, the outputs are
    reordered in the same way."""
    part: Field = at_step(tested.build())
    rays = toy_rays(5)
    order = [3, 0, 4, 1, 2]
    names = ("origins", "directions", "viewdirs", "near", "far", "radii")
    reordered = replace(rays, **{name: getattr(rays, name)[order] for name in names})
    before, after = part(dense_samples(rays)), part(dense_samples(reordered))
    for name in ("density", "alpha", "rgb"):
        value = getattr(before, name)
        if value is not None:
            expected = value.view(5, 8, -1)[order].reshape(value.shape)
            expect_close(f"{name} of the rays in another order", getattr(after, name), expected, 1e-5)


@law("field", when=providing("density"), fix="Use the same network, activation and scale in density(x) and forward.")
def density_query_matches_forward(tested: PartUnderTest) -> None:
    """density(x) [M] equals the density that forward returns for a short interval at x, for any view direction."""
    part = at_step(tested.build())
    samples = _short_intervals(toy_rays(12))
    found = part.density(samples.positions())
    expect_shape("density(x) of 12 points", found, (12,))
    expect_shape("density(x) of no points", part.density(torch.zeros(0, 3)), (0,))
    expect_close("density(x)", found, part(samples).density, 1e-3)


@law(
    "field",
    when=providing("occupancy"),
    fix="Return 1 − exp(−σ · length). DensityOccupancy does this for a field with a density.",
)
def occupancy_is_an_opacity(tested: PartUnderTest) -> None:
    """occupancy(x, length) [M] lies in [0, 1]. It is 0 for length 0, and does not decrease as the length grows. For a
    field with a density σ it is 1 − exp(−σ · length)."""
    part = at_step(tested.build())
    x = _points(30, 1.4)
    shorter = torch.zeros(30)
    for length in (0.0, 0.01, 0.1, 1.0):
        found = part.occupancy(x, length)
        expect_shape(f"occupancy for length {length}", found, (30,))
        inside = bool((found >= -1e-6).all() and (found <= 1 + 1e-6).all())
        expect(inside, f"occupancy for length {length} lies outside [0, 1]")
        expect(bool((found >= shorter - 1e-5).all()), f"occupancy decreases as the length grows to {length}")
        if length == 0.0:
            expect_close("occupancy for length 0", found, shorter, 1e-3)
        if isinstance(part, HasDensity):
            expect_close(f"occupancy for length {length}", found, 1 - torch.exp(-part.density(x) * length), 1e-4)
        shorter = found
    expect_shape("occupancy of no points", part.occupancy(torch.zeros(0, 3), 0.1), (0,))


@law(
    "field",
    when=providing("point_color"),
    fix="Use the color network of forward. If no direction is given, choose one.",
)
def point_color_matches_forward(tested: PartUnderTest) -> None:
    """point_color(x, viewdirs) [M, 3] equals the color that forward returns for a short interval at x, seen in the same
    direction. Without directions, it is any color in [0, 1]. For no points, it is a tensor [0, 3]."""
    part = at_step(tested.build())
    rays = toy_rays(12)
    samples = _short_intervals(rays)
    x = samples.positions()
    for m, directions in ((12, None), (12, rays.viewdirs), (0, None)):
        with torch.no_grad():
            found = part.point_color(x[:m], None if directions is None else directions[:m])
        expect_shape(f"point_color of {m} points", found, (m, 3))
        inside = bool((found >= -COLOR_TOLERANCE).all() and (found <= 1 + COLOR_TOLERANCE).all())
        expect(inside, "point_color lies outside [0, 1]")
        if directions is not None:
            expect_close("point_color in the view direction", found, part(samples).rgb, 2e-3)


@law(
    "field",
    when=providing("sdf"),
    fix="Initialize sdf as a sphere, positive outside and negative inside, in scene units.",
)
def sdf_has_the_right_sign_and_slope(tested: PartUnderTest) -> None:
    """Directly after initialization, the signed distance is negative at the center of the bounds and positive at their
    corners. Its gradient has a mean length between 0.5 and 2, because the distance is measured in scene units."""
    part = at_step(tested.build())
    corners = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 3) * toy_context().bounds.radius
    with torch.no_grad():
        center, outside = part.sdf(torch.zeros(1, 3)), part.sdf(corners)
        slope = float(part.gradient(_points(200, 1.2)).norm(dim=-1).mean())
    expect_shape("sdf of 8 points", outside, (8,))
    expect_shape("sdf of no points", part.sdf(torch.zeros(0, 3)), (0,))
    expect(float(center) < 0, f"at the center the signed distance is {float(center):.3g}, not negative")
    smallest = float(outside.min())
    expect(smallest > 0, f"at a corner of the bounds the signed distance is {smallest:.3g}, not positive")
    expect(0.5 < slope < 2.0, f"the mean length of the gradient is {slope:.3g}")


@law("field", when=providing("sdf"), fix="Compute gradient(x) by differentiating sdf with ops.derivatives.gradient.")
def gradient_matches_finite_differences(tested: PartUnderTest) -> None:
    """gradient(x) [M, 3] equals central differences of sdf(x), even under torch.no_grad. forward returns the same
    gradients, and normals that are parallel to the gradients."""
    part = at_step(tested.build().double())
    x = _points(60, 1.2).double()
    with torch.no_grad():
        found = part.gradient(x)
    expect_shape("gradient of 60 points", found, (60, 3))
    axes = torch.eye(3, dtype=torch.float64)
    expected = torch.stack([central_difference(part.sdf, x, axis.expand(60, 3), 1e-5) for axis in axes], -1)
    expect_mostly_close("gradient(x)", found, expected, 1e-3)
    samples = dense_samples(toy_rays(5, dtype=torch.float64))
    outputs = part(samples)
    expect_close("gradients of forward", outputs.gradients, part.gradient(samples.positions()), 1e-5)
    if outputs.normals is not None:
        along = torch.nn.functional.normalize(outputs.gradients, dim=-1)
        expect_close("normals of forward", outputs.normals, along, 1e-4)


@law("field", fix="Do not enable gradients around forward; ops.derivatives.gradient keeps no graph in evaluation.")
def evaluation_keeps_no_graph(tested: PartUnderTest) -> None:
    """Under torch.no_grad, no output has an autograd graph. Otherwise memory would grow with the size of the image."""
    part: Field = at_step(tested.build())
    with torch.no_grad():
        found = outputs_of(part, inputs_for(tested))
    expect(not any(tensor.requires_grad for tensor in found), "an output requires gradients under no_grad")


def _short_intervals(rays: RayBundle) -> RaySamples:
    """Samples with one interval of length 1e-5 on each ray. The rays have no width, so a sample is almost a point."""
    start = rays.near + 1.9
    return dense_samples(replace(rays, radii=torch.zeros_like(rays.radii), near=start, far=start + 1e-5), 1)


def _points(n: int, half_side: float) -> Tensor:
    """n random points [n, 3] in a cube around the origin."""
    return half_side * (2 * torch.rand(n, 3, generator=torch.Generator().manual_seed(0)) - 1)
