"""Laws of ray transforms, which correct the rays of training images."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import torch
from torch import Tensor

from radfield_core.interfaces import RayTransform
from radfield_core.rays import view_rays
from radfield_core.runtime import randomness
from radfield_core.testing.inputs import at_step, rays_of_images
from radfield_core.testing.law import expect, expect_close, law
from radfield_core.testing.toys import N_TOY_VIEWS, toy_cameras, toy_context, toy_rays
from radfield_core.testing.under_test import PartUnderTest
from radfield_core.types import RayBundle, Step

LAST_STEP = Step(999, 1000, 0)
NAMES = ("origins", "directions", "viewdirs", "near", "far", "radii")


def changed(tested: PartUnderTest, size: float = 0.02) -> RayTransform:
    """The part in float64 at the last step, after its parameters were changed by random numbers of this size."""
    part = cast(RayTransform, tested.build().double())
    with randomness.undisturbed(), torch.no_grad():
        randomness.seed_everything(1)
        for parameter in part.parameters():
            parameter.add_(size * torch.randn_like(parameter))
    return at_step(part, LAST_STEP)


def expect_same(name: str, found: RayBundle, expected: RayBundle, tolerance: float) -> None:
    """Raise `LawBroken` unless all tensors of two bundles agree."""
    for word in NAMES:
        expect_close(f"{name}: {word}", getattr(found, word), getattr(expected, word), tolerance)


@law("rays", fix="Begin with parameters for which nothing is corrected, such as zeros.")
def training_begins_with_the_given_cameras(tested: PartUnderTest) -> None:
    """Before training, rays and views are not changed."""
    part, rays = at_step(tested.build().double()), rays_of_images(12, dtype=torch.float64)
    expect_same("rays of images", part(rays), rays, 1e-7)
    views = [toy_cameras().view(index, image_id=index) for index in range(N_TOY_VIEWS)]
    for given, found in zip(views, part.views(views), strict=True):
        expect_close("the pose of a view", found.c2w, given.c2w, 1e-7)


@law("rays", fix="Return rays unchanged if rays.image_ids is None, and use a mask for other numbers.")
def rays_of_unknown_images_are_unchanged(tested: PartUnderTest) -> None:
    """Rays without image_ids, rays of images that are no training images, and views of such images are unchanged."""
    part, rays = changed(tested), toy_rays(8, dtype=torch.float64)
    expect_same("rays without image_ids", part(rays), rays, 0.0)
    unknown = torch.tensor([-1, N_TOY_VIEWS, 10 * N_TOY_VIEWS, -7] * 2)
    expect_same("rays of unknown images", part(replace(rays, image_ids=unknown)), rays, 0.0)
    view = toy_cameras().view(0)
    for number in (None, N_TOY_VIEWS, -1):
        (found,) = part.views([replace(view, image_id=number)])
        expect_close(f"the pose of a view with image_id={number}", found.c2w, view.c2w, 0.0)
        expect(found.camera == view.camera, f"the camera of a view with image_id={number} was changed")


@law("rays", fix="Rotate directions, and normalize them again after any other change.")
def directions_keep_unit_length(tested: PartUnderTest) -> None:
    """Corrected directions and view directions are equal unit vectors, also after large corrections."""
    part, rays = changed(tested, 0.5), rays_of_images(40, dtype=torch.float64)
    found = part(rays)
    expect_close("the length of the directions", found.directions.norm(dim=-1), torch.ones(40), 1e-9)
    expect_close("the view directions", found.viewdirs, found.directions, 1e-9)
    assert rays.image_ids is not None
    expect(found.image_ids is not None and torch.equal(found.image_ids, rays.image_ids), "image_ids were changed")


@law("rays", fix="Compute each ray from its own image only, not from means over the batch.")
def rays_do_not_depend_on_other_rays(tested: PartUnderTest) -> None:
    """A batch can be split: the rays of a part of it are corrected as in the whole batch. No ray is a normal input."""
    part, rays = changed(tested), rays_of_images(12, dtype=torch.float64)
    whole = part(rays)
    for some in (slice(0, 5), slice(5, 12), slice(3, 3)):
        expect_same(f"rays {some.start} to {some.stop}", part(rays[some]), whole[some], 1e-12)


@law("rays", fix="Compute forward and views from one pose: rotate directions by it, and move origins to its center.")
def views_agree_with_rays(tested: PartUnderTest) -> None:
    """The rays of a corrected view are the corrected rays of the view."""
    part, space = changed(tested), toy_context().space
    assert space is not None
    views = [toy_cameras().view(index, image_id=index) for index in range(N_TOY_VIEWS)]
    for index, (view, corrected) in enumerate(zip(views, part.views(views), strict=True)):
        found = view_rays(space, corrected, 40, 90, dtype=torch.float64)
        expect_same(f"view {index}", found, part(view_rays(space, view, 40, 90, dtype=torch.float64)), 1e-6)


@law("rays", fix="Compute corrections in differentiable operations, without detach, .item() or torch.no_grad().")
def gradients_of_rays_agree_with_differences(tested: PartUnderTest) -> None:
    """For each parameter, the gradient through the rays agrees with a central difference in float64."""
    part, rays = changed(tested), rays_of_images(30, dtype=torch.float64)
    parameters = [parameter for parameter in part.parameters() if parameter.requires_grad]
    expect(parameters, "the part has no parameters that can be trained")
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(30, 6, generator=generator, dtype=torch.float64)

    def value() -> Tensor:
        found = part(rays)
        return (torch.cat([found.origins, found.directions], -1) * weights).sum()

    for number, parameter in enumerate(parameters):
        (slope,) = torch.autograd.grad(value(), parameter, allow_unused=True)
        expect(slope is not None, f"the rays do not depend on parameter {number}")
        direction = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        before, found = parameter.detach().clone(), []
        with torch.no_grad():
            for step in (1e-5, -1e-5):
                parameter.copy_(before + step * direction)
                found.append(value())
            parameter.copy_(before)
        difference = (found[0] - found[1]) / 2e-5
        expect(float(difference.abs()) > 0, f"the rays do not depend on parameter {number}")
        expect_close(f"the gradient of parameter {number}", (slope * direction).sum(), difference, 1e-6)
