"""The rasterizer: Gaussians → an image of a view, differentiable."""

from __future__ import annotations

from torch import Tensor

from radfield_core import UsageError, View
from radfield_core.ops import Op, distortion
from radfield_splat import reference
from radfield_splat.gaussians import Gaussians
from radfield_splat.reference import Raster

OP = Op(
    "splat rasterizer",
    {
        "cpu": {"numba": "radfield_splat.cpu"},
        "cuda": {"triton": "radfield_splat.gpu", "gsplat": "radfield_splat.gsplat_backend"},
    },
)


def rasterize(
    gaussians: Gaussians,
    view: View,
    background: Tensor | None = None,
    *,
    degree: int | None = None,
    near: float = 0.01,
    low_pass: float = 0.1,
) -> Raster:
    """Draw Gaussians as a camera sees them. `radfield_splat.reference` defines the image.

    Gradients flow to the parameters of the Gaussians, to the background, and to `view.c2w` if it requires gradients.

    Args:
        gaussians: N Gaussians.
        view: camera and pose. All lens models work.
        background: one color [3], or a color for each pixel [H, W, 3] or [H·W, 3]; None is black.
        degree: highest degree of the spherical harmonics to use; None, and a degree above the stored ones, use all.
        near: Gaussians whose means are nearer to the camera are left out.
        low_pass: variance of the low-pass filter in pixels². 0.1 is Mip-Splatting's; 3DGS has 0.3.

    Raises:
        UsageError: the camera is panoramic.
        ValueError: a parameter is not finite, a quaternion is zero, or a Gaussian is too large for the view. Harmonics
            are checked only for Gaussians that are drawn.

    Example:
        >>> import torch
        >>> from radfield_core import Camera
        >>> view = View(torch.eye(4)[:3], Camera(9, 9, 9.0, 9.0, 4.5, 4.5))
        >>> means, white = torch.tensor([[0.0, 0.0, -2.0]]), torch.full((1, 1, 3), 1.7725)
        >>> one = Gaussians(means, torch.full((1, 3), -2.0), torch.ones(1, 4), torch.zeros(1), white)
        >>> image = rasterize(one, view)
        >>> image.rgb.shape, image.opacity.argmax().item()
        (torch.Size([9, 9, 3]), 40)
    """
    if degree is not None and degree < 0:
        raise ValueError(f"degree is {degree}; it must be at least 0")
    degree = gaussians.degree if degree is None else min(degree, gaussians.degree)
    check_view(view, background)
    module = OP.pick(gaussians.means.device) or reference
    image: Raster = module.rasterize(gaussians, view, background, degree, near, low_pass)
    return image


def check_view(view: View, background: Tensor | None) -> None:
    """Raise UsageError if a camera is panoramic, and ValueError if the background has another shape than its image."""
    height, width = view.camera.height, view.camera.width
    if view.camera.model in distortion.PANORAMIC:
        raise UsageError(
            f"Gaussians cannot be drawn in {view.camera.model} images: one at the seam has two images",
            hint="Convert the panoramas to perspective images, or train with method:ngp",
        )
    if background is not None and background.numel() not in (3, 3 * height * width):
        raise ValueError(f"background has the shape {list(background.shape)} instead of [3] or [{height}, {width}, 3]")
