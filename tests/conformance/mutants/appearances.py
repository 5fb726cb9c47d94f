"""Encodings of images with one fault each."""

from __future__ import annotations

from radfield_capture.appearance import Appearance

from mutants.caught import caught_by


@caught_by("unknown_image_has_the_mean_features", "encoding:appearance")
class TakesTheFirstImageForUnknownOnes(Appearance):
    def forward(self, x, cov=None):
        return self.features[:1] if x is None else super().forward(x)


@caught_by("unknown_image_has_the_mean_features", "encoding:appearance")
class SharesFeaturesOfTwoImages(Appearance):
    def forward(self, x, cov=None):
        return super().forward(None if x is None else x // 2 * 2)
