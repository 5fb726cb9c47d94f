"""Laws of fields. R rays, N samples, M points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from radfield_core.interfaces import Field, HasColor, HasDensity, HasOccupancy, HasSDF
from radfield_core.ops.layout import Packing
from radfield_core.testing.law import expect, expect_close, expect_mostly_close, expect_shape, law, moved_by
from radfield_core.testing.laws.parts import begun, dense, inputs_of, made, packed
from radfield_core.testing.subject import Subject
from radfield_core.testing.toys import toy_context, toy_rays
from radfield_core.types import FieldOutputs, RaySamples

TOLERANCE = 2e-3
"""Colors may saturate this far beyond 0 and 1 (mip-NeRF's padding)."""


def _gives(*words: str) -> Callable[[Subject], bool]:
    return lambda subject: bool(subject.provides & set(words))


@law("field", mend="outputs are flat: density [N], rgb [N, 3]; use x.shape[0], and no reduction that fails on nothing")
def samples_come_first(subject: Subject) -> None:
    """Every output is [N] or [N, 3] for N samples, in dense and packed layouts, for no rays, rays without samples, and
    one ray."""
    part = begun(subject.build())
    for samples in (
        dense(toy_rays(5)),
        packed(toy_rays(5)),
        dense(toy_rays(0)),
        packed(toy_rays(0)),
        dense(toy_rays(1), 1),
    ):
        outputs, n = part(samples), samples.n
        for name in ("density", "alpha", "sdf"):
            if getattr(outputs, name) is not None:
                expect_shape(f"{name} of {n} samples", getattr(outputs, name), (n,))
        for name in ("rgb", "gradients", "normals"):
            if getattr(outputs, name) is not None:
                expect_shape(f"{name} of {n} samples", getattr(outputs, name), (n, 3))
        for name, value in outputs.extras.items():
            expect(value.shape[:1] == (n,), f"extra {name} of {n} samples has shape {list(value.shape)}")


@law("field", mend="what forward returns and which queries there are must match `provides` in the declaration")
def what_is_declared_is_given(subject: Subject) -> None:
    """Exactly the declared one of density and alpha is given; rgb, sdf, normals, occupancy and point_color where they
    are declared, and the queries that go with them."""
    part = begun(subject.build())
    outputs: FieldOutputs = part(dense(toy_rays(3)))
    for word in ("density", "alpha", "rgb", "sdf", "normals"):
        given, declared = getattr(outputs, word) is not None, word in subject.provides
        expect(given or not declared, f"{word} is declared and not given")
        expect(declared or not given, f"{word} is given and not declared, so nobody can rely on it")
    queries = {"density": HasDensity, "sdf": HasSDF, "occupancy": HasOccupancy, "point_color": HasColor}
    for word, protocol in queries.items():
        expect(
            word not in subject.provides or isinstance(part, protocol),
            f"{word} is declared, but {protocol.__name__} not met",
        )


@law("field", mend="activate: softplus or exp for a density, sigmoid for a color, clamp for an alpha")
def outputs_are_in_their_ranges(subject: Subject) -> None:
    """Densities are finite and not negative, alphas and colors are within [0, 1], normals have length one."""
    part = begun(subject.build())
    for samples in (dense(toy_rays(20)), packed(toy_rays(20))):
        outputs = part(samples)
        for name, low, high in (("density", 0.0, float("inf")), ("alpha", 0.0, 1.0), ("rgb", 0.0, 1.0)):
            value = getattr(outputs, name)
            if value is not None:
                expect(bool(value.isfinite().all()), f"{name} is not finite")
                least, most = value.min().item(), value.max().item()
                slack = TOLERANCE if name == "rgb" else 1e-6
                expect(low - slack <= least and most <= high + slack, f"{name} lies in [{least:.4g}, {most:.4g}]")
        if outputs.normals is not None:
            lengths = outputs.normals.norm(dim=-1)
            expect_close("the length of normals", lengths, torch.ones_like(lengths), 1e-3)


@law("field", mend="take per-ray values through samples.per_sample and points through samples.positions()")
def dense_equals_packed(subject: Subject) -> None:
    """The same intervals give the same outputs in a dense and in a packed layout."""
    part, rays = begun(subject.build()), toy_rays(6)
    samples = dense(rays)
    packing = Packing.from_counts(torch.full((6,), samples.samples_per_ray or 0), samples.samples_per_ray or 0)
    again = RaySamples.packed(rays, samples.t_starts, samples.t_ends, packing)
    for name in ("density", "alpha", "rgb", "sdf", "gradients", "normals"):
        one, other = getattr(part(samples), name), getattr(part(again), name)
        if one is not None:
            expect_close(f"{name} of packed samples", other, one, 1e-5)


@law("field", mend="no statistics over samples; nothing that depends on how many rays there are")
def a_ray_does_not_see_the_others(subject: Subject) -> None:
    """f(concat(a, b)) = concat(f(a), f(b)) for two bundles of rays: evaluation in chunks equals the whole."""
    part, rays = begun(subject.build()), toy_rays(11)
    whole, first, second = (part(dense(piece)) for piece in (rays, rays[:4], rays[4:]))
    for name in ("density", "alpha", "rgb", "sdf", "gradients", "normals"):
        if getattr(whole, name) is not None:
            together = torch.cat([getattr(first, name), getattr(second, name)])
            expect_close(f"{name} of two bundles together", getattr(whole, name), together, 1e-5)


@law(
    "field",
    mend="reach per-ray values by samples.rays.viewdirs and samples.per_sample, positions by samples.positions()",
)
def samples_follow_their_rays(subject: Subject) -> None:
    """A sample's outputs belong to its own ray: rays in another order give the outputs in that order."""
    part, rays = begun(subject.build()), toy_rays(5)
    order = [3, 0, 4, 1, 2]
    turned = replace(
        rays, origins=rays.origins[order], directions=rays.directions[order], viewdirs=rays.viewdirs[order],
        near=rays.near[order], far=rays.far[order], radii=rays.radii[order],
    )  # fmt: skip
    whole, again = part(dense(rays)), part(dense(turned))
    for name in ("density", "alpha", "rgb"):
        value = getattr(whole, name)
        if value is not None:
            expected = value.view(5, 8, -1)[order].reshape(value.shape)
            expect_close(f"{name} of rays in another order", getattr(again, name), expected, 1e-5)


@law("field", when=_gives("density"), mend="density(x) and forward must use the same network, activation and scale")
def density_is_what_forward_gives(subject: Subject) -> None:
    """density(x) at a point is the density that forward gives a thin sample there, whatever the view."""
    part, rays = begun(subject.build()), toy_rays(12)
    thin = replace(rays, radii=torch.zeros_like(rays.radii), near=rays.near + 1.9, far=rays.near + 1.9 + 1e-5)
    samples = dense(thin, 1)
    found = part.density(samples.positions())
    expect_shape("density(x) of 12 points", found, (12,))
    expect_shape("density(x) of no points", part.density(torch.zeros(0, 3)), (0,))
    expect_close("density(x)", found, part(samples).density, 1e-3)


@law(
    "field",
    when=_gives("occupancy"),
    mend="occupancy(x, length) = 1 − exp(−σ · length); DensityOccupancy does it for a density",
)
def occupancy_is_an_opacity(subject: Subject) -> None:
    """occupancy(x, length) [M] lies in [0, 1], is 0 for no length and does not fall with the length; from a density it
    is 1 − exp(−σ · length)."""
    part, x = begun(subject.build()), 1.4 * (2 * torch.rand(30, 3, generator=torch.Generator().manual_seed(0)) - 1)
    before = torch.zeros(30)
    for length in (0.0, 0.01, 0.1, 1.0):
        found = part.occupancy(x, length)
        expect_shape(f"occupancy of length {length}", found, (30,))
        expect(
            bool((found >= -1e-6).all() and (found <= 1 + 1e-6).all()),
            f"occupancy of length {length} is outside [0, 1]",
        )
        expect(bool((found >= before - 1e-5).all()), f"occupancy falls when the interval grows to {length}")
        if length == 0.0:
            expect_close("occupancy of no length", found, before, TOLERANCE)
        if isinstance(part, HasDensity):
            expect_close("occupancy", found, 1 - torch.exp(-part.density(x) * length), 1e-4)
        before = found
    expect_shape("occupancy of no points", part.occupancy(torch.zeros(0, 3), 0.1), (0,))


@law("field", when=_gives("point_color"), mend="point_color(x) [M, 3] in [0, 1]; decide what no view direction means")
def point_color_is_a_color(subject: Subject) -> None:
    """point_color(x) [M, 3] lies in [0, 1], with view directions and without, also for no points; with a direction it
    is the color that forward gives a thin sample seen that way."""
    part, rays = begun(subject.build()), toy_rays(12)
    thin = replace(rays, radii=torch.zeros_like(rays.radii), near=rays.near + 1.9, far=rays.near + 1.9 + 1e-5)
    samples = dense(thin, 1)
    x = samples.positions()
    for m, directions in ((12, None), (12, rays.viewdirs), (0, None)):
        with torch.no_grad():
            found = part.point_color(x[:m], None if directions is None else directions[:m])
        expect_shape(f"point_color of {m} points", found, (m, 3))
        inside = bool((found >= -TOLERANCE).all() and (found <= 1 + TOLERANCE).all())
        expect(inside, "point_color is outside [0, 1]")
        if directions is not None:
            expect_close("point_color along the view", found, part(samples).rgb, 2e-3)


@law(
    "field",
    when=_gives("sdf"),
    mend="outside is positive, inside negative; start as a sphere; distances in scene units",
)
def sdf_has_its_sign_and_slope(subject: Subject) -> None:
    """A new signed distance is negative at the center of the bounds and positive at their corners, and grows by about
    one per unit of length: its mean slope lies between a half and two."""
    part = begun(subject.build())
    bounds = toy_context().bounds
    corners = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 3) * bounds.radius
    with torch.no_grad():
        middle, outside = part.sdf(torch.zeros(1, 3)), part.sdf(corners)
    expect_shape("sdf of 8 points", outside, (8,))
    expect_shape("sdf of no points", part.sdf(torch.zeros(0, 3)), (0,))
    expect(float(middle) < 0, f"at the center the distance is {float(middle):.3g}, not negative")
    expect(
        float(outside.min()) > 0, f"at a corner of the bounds the distance is {float(outside.min()):.3g}, not positive"
    )
    x = 1.2 * (2 * torch.rand(200, 3, generator=torch.Generator().manual_seed(0)) - 1)
    with torch.no_grad():
        slope = float(part.gradient(x).norm(dim=-1).mean())
    expect(0.5 < slope < 2.0, f"the mean slope is {slope:.3g}")


@law("field", when=_gives("sdf"), mend="gradient(x) is the derivative of sdf(x): ops.derivatives.gradient works it out")
def gradient_is_that_of_the_distance(subject: Subject) -> None:
    """gradient(x) is what central differences of sdf(x) find, also under no_grad; forward gives the same gradients, and
    normals along them."""
    part = begun(subject.build().double())
    generator = torch.Generator().manual_seed(0)
    x = 1.2 * (2 * torch.rand(60, 3, generator=generator, dtype=torch.float64) - 1)
    with torch.no_grad():
        found = part.gradient(x)
    expect_shape("gradient of 60 points", found, (60, 3))
    axes = torch.eye(3, dtype=torch.float64)
    expected = torch.stack([moved_by(part.sdf, x, axis.expand(60, 3), 1e-5) for axis in axes], -1)
    expect_mostly_close("gradient(x)", found, expected, 1e-3)
    samples = dense(toy_rays(5, dtype=torch.float64))
    outputs = part(samples)
    expect_close("gradients of forward", outputs.gradients, part.gradient(samples.positions()), 1e-5)
    if outputs.normals is not None:
        along = torch.nn.functional.normalize(outputs.gradients, dim=-1)
        expect_close("normals of forward", outputs.normals, along, 1e-4)


@law("field", mend="do not enable gradients around forward; ops.derivatives.gradient keeps no graph in evaluation")
def evaluation_leaves_no_graph(subject: Subject) -> None:
    """Under torch.no_grad nothing that a field returns carries a graph: memory does not grow with the image."""
    part: Field = begun(subject.build())
    inputs = inputs_of(subject)
    with torch.no_grad():
        found = made(part, inputs)
    expect(not any(tensor.requires_grad for tensor in found), "an output requires gradients under no_grad")
