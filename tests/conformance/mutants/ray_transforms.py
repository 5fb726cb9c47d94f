"""Ray transforms with one fault each."""

from __future__ import annotations

from dataclasses import replace

import torch

from mutants.caught import caught_by
from radfield_core.testing.toy_parts import ToyShift


@caught_by("training_begins_with_the_given_cameras", "rays:toy")
class BeginsSomewhereElse(ToyShift):
    def __init__(self, config, ctx):
        super().__init__(config, ctx)
        torch.nn.init.normal_(self.shifts)


@caught_by("rays_of_unknown_images_are_unchanged", "rays:toy")
class TakesTheNearestNumber(ToyShift):
    def shift(self, ids):
        return super().shift(ids.clamp(0, len(self.shifts) - 1))


@caught_by("rays_of_unknown_images_are_unchanged", "rays:toy")
class UsesTheMeanWithoutNumbers(ToyShift):
    def forward(self, rays):
        if rays.image_ids is None:
            return replace(rays, origins=rays.origins + self.shifts.mean(0))
        return super().forward(rays)


@caught_by("directions_keep_unit_length", "rays:toy")
class AddsToTheDirections(ToyShift):
    def forward(self, rays):
        if rays.image_ids is None:
            return rays
        moved = rays.directions + self.shift(rays.image_ids)
        return replace(rays, directions=moved, viewdirs=moved)


@caught_by("rays_do_not_depend_on_other_rays", "rays:toy")
class RemovesTheMeanOfTheBatch(ToyShift):
    def shift(self, ids):
        shift = super().shift(ids)
        return shift - shift.mean(0)


@caught_by("views_agree_with_rays", "rays:toy")
class MovesViewsTheOtherWay(ToyShift):
    def views(self, views):
        moved = super().views(views)
        return [replace(view, c2w=2 * view.c2w - new.c2w) for view, new in zip(views, moved, strict=True)]


@caught_by("views_agree_with_rays", "rays:toy")
class LeavesViewsAlone(ToyShift):
    def views(self, views):
        return list(views)


@caught_by("gradients_of_rays_agree_with_differences", "rays:toy")
class DetachesOneAxis(ToyShift):
    def shift(self, ids):
        shift = super().shift(ids)
        return torch.cat([shift[:, :1].detach(), shift[:, 1:]], 1)


@caught_by("gradients_of_rays_agree_with_differences", "rays:toy")
class CorrectsNothing(ToyShift):
    def shift(self, ids):
        return 0.0 * super().shift(ids)
