"""color:exposure — the exposure and the white balance of each image.

With a rendered color x, an image shows gain · x, clipped at white. Exposure acts on linear light. The transfer
function of sRGB is nearly a power, so a gain of linear light is nearly a gain of sRGB values, which is learned faster.
Instead of a gain, the map can be an affine map A x + b, or one affine map for each cell of a grid over the position and
the brightness of a pixel (Wang et al. 2024, "Bilateral Guided Radiance Field Processing", section 4.1).

Symbols in shapes: R pixels, P pixels that a map is fitted to, V images.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn

from radfield_capture.image_config import ExposureConfig
from radfield_core import Batch, BuildContext, ColorMap, FittedMap, ModelOutputs, ParameterGroup, Step

_LEAK = 0.01  # slope above white, so that a color that is too bright still has a gradient
_CLIPPED = (0.01, 0.99)  # a fit ignores values of an image beyond these, because they may be clipped
_RIDGE = 1e-6  # weight of the identity in a fit; it decides only where there are no usable pixels
_BRIGHTNESS = (0.299, 0.587, 0.114)  # shares of red, green and blue in the brightness (ITU-R BT.601)


class Exposure(ColorMap):
    """The exposure and the white balance of each image.

    Scaling the scene by a factor and all maps by its inverse would give the same images, so the mean over all images of
    the maps' parameters is subtracted. The scene then has the mean brightness and white balance of its images.

    Args:
        config: options.
        ctx: context of the run, with the number of training images.
    """

    def __init__(self, config: ExposureConfig, ctx: BuildContext):
        super().__init__()
        self.config = config
        maps: dict[str, Callable[[ExposureConfig, int], _Maps]]
        maps = {"gain": Gains, "affine": AffineMaps, "bilateral": BilateralGrids}
        self.maps = maps[config.map](config, max(ctx.n_images, 1))

    def parameter_groups(self) -> list[ParameterGroup]:
        """Return one group, "color", without weight decay."""
        return [ParameterGroup("color", list(self.maps.parameters()), lr=self.config.lr, weight_decay=0.0)]

    def forward(self, rgb: Tensor, image_ids: Tensor | None, pixels: Tensor) -> Tensor:
        """Return the colors [R, 3] that the images show."""
        if image_ids is None:
            return rgb
        return self._shown(self.maps(self._values(rgb), rgb, image_ids, pixels))

    def losses(self, outputs: ModelOutputs, batch: Batch, step: Step) -> dict[str, Tensor]:
        """Return the smoothness of bilateral grids. The other maps have no loss."""
        if not isinstance(self.maps, BilateralGrids):
            return {}
        return {"color_smoothness": self.config.smoothness * self.maps.variation()}

    def scalars(self) -> dict[str, Tensor]:
        """Return the spread of the maps: the standard deviation of their parameters over the images."""
        return {"color_spread": self.maps.spread().detach()}

    def fit(self, rgb: Tensor, truth: Tensor, pixels: Tensor) -> FittedMap:
        """Fit gains or, for the other maps, one affine map by least squares. Clipped values of the image are ignored.

        Squared errors of linear light are weighted so that they equal those of sRGB values to first order.
        """
        values, wanted = self._values(rgb), self._values(truth)
        weights = ((truth > _CLIPPED[0]) & (truth < _CLIPPED[1])).to(rgb)
        if self.config.space == "linear":
            weights = weights * srgb_slope(wanted).square()
        if self.config.map == "gain":
            matrix = torch.diag(fitted_gains(values, wanted, weights))
            offset = torch.zeros_like(matrix[0])
        else:
            matrix, offset = fitted_affine(values, wanted, weights)
        return lambda rgb, pixels: self._shown(self._values(rgb) @ matrix.T + offset)

    def _values(self, rgb: Tensor) -> Tensor:
        return to_linear(rgb) if self.config.space == "linear" else rgb

    def _shown(self, values: Tensor) -> Tensor:
        rgb = to_srgb(values) if self.config.space == "linear" else values
        return torch.where(rgb > 1.0, 1.0 + _LEAK * (rgb - 1.0), rgb)


class _Maps(nn.Module):
    """The maps of all images."""

    @abstractmethod
    def forward(self, values: Tensor, rgb: Tensor, image_ids: Tensor, pixels: Tensor) -> Tensor:
        """Map values [R, 3] of pixels with the colors rgb [R, 3]."""

    @abstractmethod
    def spread(self) -> Tensor:
        """Return the standard deviation of the parameters over the images."""


class Gains(_Maps):
    """A factor for red, green and blue in each image."""

    def __init__(self, config: ExposureConfig, n_images: int):
        super().__init__()
        self.log_gains = nn.Parameter(torch.zeros(n_images, 3))

    def gains(self) -> Tensor:
        """Return the gains [V, 3]. Their geometric mean over the images is 1."""
        return (self.log_gains - self.log_gains.mean(0)).exp()

    def forward(self, values: Tensor, rgb: Tensor, image_ids: Tensor, pixels: Tensor) -> Tensor:
        """Multiply values [R, 3] by the gains of their images."""
        return values * self.gains()[image_ids].to(values)

    def spread(self) -> Tensor:
        """Return the standard deviation of the logarithms of the gains."""
        return self.log_gains.std(0, correction=0).mean()


class AffineMaps(_Maps):
    """A 3 × 4 matrix for each image."""

    def __init__(self, config: ExposureConfig, n_images: int):
        super().__init__()
        self.change = nn.Parameter(torch.zeros(n_images, 12))

    def forward(self, values: Tensor, rgb: Tensor, image_ids: Tensor, pixels: Tensor) -> Tensor:
        """Apply the maps of the images to values [R, 3]."""
        return _mapped(values, (self.change - self.change.mean(0))[image_ids])

    def spread(self) -> Tensor:
        """Return the standard deviation of the matrices' entries."""
        return self.change.std(0, correction=0).mean()


class BilateralGrids(_Maps):
    """A grid of 3 × 4 matrices for each image. A pixel has the trilinear interpolation of the 8 cells around it."""

    def __init__(self, config: ExposureConfig, n_images: int):
        super().__init__()
        self.n_images, (self.width, self.height, self.depth) = n_images, config.grid
        self.change = nn.Parameter(torch.zeros(n_images * self.width * self.height * self.depth, 12))

    def forward(self, values: Tensor, rgb: Tensor, image_ids: Tensor, pixels: Tensor) -> Tensor:
        """Apply the interpolated maps to values [R, 3]."""
        brightness = (rgb * rgb.new_tensor(_BRIGHTNESS)).sum(-1, keepdim=True)
        sizes = rgb.new_tensor([self.width, self.height, self.depth])
        where = torch.cat([pixels.to(rgb), brightness], -1).clamp(0.0, 1.0) * (sizes - 1.0)
        low = torch.minimum(where.detach().floor(), sizes - 2.0)
        share, low = where - low, low.long()
        x, y, z = torch.stack([low, low + 1], 1).unbind(-1)  # [R, 2] each
        row = image_ids[:, None] * self.depth + z
        cells = ((row[:, :, None] * self.height + y[:, None])[..., None] * self.width + x[:, None, None]).flatten(1)
        wx, wy, wz = torch.stack([1.0 - share, share], 1).unbind(-1)
        weights = (wz[:, :, None, None] * wy[:, None, :, None] * wx[:, None, None]).flatten(1)
        changes = self.change.view(self.n_images, -1)
        change = nn.functional.embedding(cells, (changes - changes.mean(0)).view(-1, 12)).to(values)
        return _mapped(values, (weights[:, :, None] * change).sum(1))

    def variation(self) -> Tensor:
        """Return the mean squared difference between neighboring cells (equation 8)."""
        cells = self.change.view(self.n_images, self.depth, self.height, self.width, 12)
        return torch.stack([cells.diff(dim=axis).square().mean() for axis in (1, 2, 3)]).sum()

    def spread(self) -> Tensor:
        """Return the standard deviation over the images of the cells' means."""
        return self.change.view(self.n_images, -1, 12).mean(1).std(0, correction=0).mean()


def _mapped(values: Tensor, change: Tensor) -> Tensor:
    """Apply the affine maps identity + change [R, 12], stored row by row, to values [R, 3]."""
    matrix = change.to(values).view(-1, 3, 4)
    return values + (matrix[:, :, :3] * values[:, None]).sum(-1) + matrix[:, :, 3]


def fitted_gains(values: Tensor, wanted: Tensor, weights: Tensor) -> Tensor:
    """Return the gains g [3] that minimize Σ weight · (g · value − wanted)², with values, wanted and weights [P, 3].

    Example:
        >>> values = torch.rand(9, 3)
        >>> fitted_gains(values, 0.5 * values, torch.ones(9, 3))
        tensor([0.5000, 0.5000, 0.5000])
    """
    return ((weights * values * wanted).sum(0) + _RIDGE) / ((weights * values.square()).sum(0) + _RIDGE)


def fitted_affine(values: Tensor, wanted: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return the matrix [3, 3] and the offset [3] that minimize Σ weight · (matrix · value + offset − wanted)².

    Args:
        values: values of pixels [P, 3].
        wanted: values of the same pixels in the image [P, 3].
        weights: weights [P, 3] of the pixels' channels.
    """
    x = torch.cat([values, torch.ones_like(values[:, :1])], -1).double()
    identity = torch.eye(3, 4, dtype=x.dtype, device=x.device)
    squares = torch.einsum("pi,pc,pj->cij", x, weights.double(), x)
    products = torch.einsum("pi,pc,pc->ci", x, weights.double(), wanted.double())
    ridge = _RIDGE * torch.eye(4, dtype=x.dtype, device=x.device)
    solved = torch.linalg.solve(squares + ridge, products + _RIDGE * identity).to(values)
    return solved[:, :3], solved[:, 3]


def to_linear(rgb: Tensor) -> Tensor:
    """Return the linear light of sRGB values (IEC 61966-2-1).

    Example:
        >>> to_linear(torch.tensor([0.0, 0.5, 1.0]))
        tensor([0.0000, 0.2140, 1.0000])
    """
    return torch.where(rgb <= 0.04045, rgb / 12.92, ((rgb.clamp_min(0.04045) + 0.055) / 1.055) ** 2.4)


def to_srgb(light: Tensor) -> Tensor:
    """Return the sRGB values of linear light, which is the inverse of `to_linear`.

    Example:
        >>> to_srgb(torch.tensor([0.0, 0.3, 1.0]))
        tensor([0.0000, 0.5838, 1.0000])
    """
    bright = 1.055 * light.clamp_min(0.0031308) ** (1.0 / 2.4) - 0.055
    return torch.where(light <= 0.0031308, 12.92 * light, bright)


def srgb_slope(light: Tensor) -> Tensor:
    """Return the derivative of `to_srgb`."""
    bright = 1.055 / 2.4 * light.clamp_min(0.0031308) ** (1.0 / 2.4 - 1.0)
    return torch.where(light <= 0.0031308, 12.92, bright)
