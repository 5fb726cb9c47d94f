"""Color maps with one fault each."""

from __future__ import annotations

import torch

from mutants.caught import caught_by
from radfield_core.testing.toy_parts import Gains


@caught_by("colors_without_an_image_are_unchanged", "color:toy")
class UsesTheFirstImageInEvaluation(Gains):
    def forward(self, rgb, image_ids, pixels):
        ids = torch.zeros(len(rgb), dtype=torch.int64) if image_ids is None else image_ids
        return super().forward(rgb, ids, pixels)


@caught_by("pixels_are_mapped_one_by_one", "color:toy")
class NormalizesByTheBatch(Gains):
    def forward(self, rgb, image_ids, pixels):
        return super().forward(rgb, image_ids, pixels) if image_ids is None else rgb / rgb.mean().clamp_min(0.1)


@caught_by("each_image_has_its_own_map", "color:toy")
class UsesOneMapForAllImages(Gains):
    def forward(self, rgb, image_ids, pixels):
        return super().forward(rgb, None if image_ids is None else image_ids * 0, pixels)


@caught_by("mean_brightness_belongs_to_the_scene", "color:toy")
class LeavesTheMeanFree(Gains):
    def forward(self, rgb, image_ids, pixels):
        return rgb if image_ids is None else rgb * self.log_gains.exp()[image_ids, None].to(rgb)


@caught_by("black_and_white_have_finite_gradients", "color:toy")
class TakesTheRootOfBlack(Gains):
    def forward(self, rgb, image_ids, pixels):
        return super().forward(rgb.clamp_min(0).sqrt(), image_ids, pixels).square() if image_ids is not None else rgb


@caught_by("color_gradient_matches_finite_differences", "color:toy")
class DetachesTheScene(Gains):
    def forward(self, rgb, image_ids, pixels):
        mapped = super().forward(rgb.detach(), image_ids, pixels)
        return mapped + 0.1 * (rgb - rgb.detach())


@caught_by("fit_recovers_the_map_of_an_image", "color:toy")
class FitsNothing(Gains):
    def fit(self, rgb, truth, pixels):
        return lambda rgb, pixels: rgb


@caught_by("fit_recovers_the_map_of_an_image", "color:toy")
class DividesByNoPixels(Gains):
    def fit(self, rgb, truth, pixels):
        gain = truth.mean() / rgb.mean()
        return lambda rgb, pixels: rgb * gain
