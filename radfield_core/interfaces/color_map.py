"""Color maps: the difference between the color of a scene and the color in one photograph, such as its exposure.

Symbols in shapes: R pixels, P pixels that a map is fitted to.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

from torch import Tensor

from radfield_core.interfaces.part import Part

FittedMap = Callable[[Tensor, Tensor], Tensor]
"""Function that maps colors [R, 3] at pixel positions [R, 2]."""


class ColorMap(Part):
    """A map of rendered colors that depends on the image. Constructed as `ColorMap(config, ctx)`.

    A run chooses it in the slot `color`. In training, core applies the map to the pixels of each image, after the
    samples are composited, and compares the result with the image. Views that are rendered for evaluation, pictures and
    videos have no image, so their colors are not mapped. An evaluation can fit a map to one half of each test image and
    measure the other half (option `eval.fit_color`).

    There is one map for each of the `ctx.n_images` training images. The scene's own brightness is not known: if all
    maps were twice as bright, and the scene half as bright, the images would be the same. A color map must therefore
    fix the mean of all maps, so that the scene keeps the mean brightness of its images.

    Attributes:
        keeps_background: True if the training images have an alpha channel. The background color behind transparent
            pixels was not photographed, so core leaves it out of the map. Core sets this attribute.

    Example:
        >>> import torch
        >>> class Gain(ColorMap):
        ...     def __init__(self, config, ctx):
        ...         super().__init__()
        ...         self.log_gains = torch.nn.Parameter(torch.zeros(ctx.n_images))
        ...
        ...     def forward(self, rgb, image_ids, pixels):
        ...         if image_ids is None:
        ...             return rgb
        ...         return rgb * (self.log_gains - self.log_gains.mean()).exp()[image_ids, None]
        ...
        ...     def fit(self, rgb, truth, pixels):
        ...         gain = (rgb * truth).sum() / rgb.square().sum().clamp_min(1e-9)
        ...         return lambda rgb, pixels: rgb * gain
        >>> from types import SimpleNamespace
        >>> gain, gray = Gain(None, SimpleNamespace(n_images=5)), torch.full((4, 3), 0.5)
        >>> gain.fit(gray, 0.8 * gray, torch.zeros(4, 2))(gray[:1], torch.zeros(1, 2))
        tensor([[0.4000, 0.4000, 0.4000]])
    """

    keeps_background: bool = False

    @abstractmethod
    def forward(self, rgb: Tensor, image_ids: Tensor | None, pixels: Tensor) -> Tensor:
        """Map the colors of pixels to those in their images.

        Args:
            rgb: rendered colors [R, 3], not negative.
            image_ids: number of each pixel's training image [R] int64. If it is None, the colors are returned
                unchanged.
            pixels: positions of the pixels' centers in their images [R, 2], in shares of the width and the height:
                (0, 0) is the top left corner of the image, and (1, 1) the bottom right corner.

        Returns:
            Colors [R, 3].
        """

    @abstractmethod
    def fit(self, rgb: Tensor, truth: Tensor, pixels: Tensor) -> FittedMap:
        """Fit a map to an image that was not trained on.

        Called in evaluation, without gradients. The map is then applied to other pixels of the same image, in other
        places. So it should have few degrees of freedom.

        Args:
            rgb: rendered colors [P, 3], not mapped. P may be 0.
            truth: colors of the same pixels in the image [P, 3]. Values of 0 or 1 may be clipped.
            pixels: positions of the pixels [P, 2], as in `forward`.

        Returns:
            The map, as a function of colors [R, 3] and positions [R, 2].
        """
