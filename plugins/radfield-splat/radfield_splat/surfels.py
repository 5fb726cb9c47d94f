"""The rasterizer of disks: flat Gaussians → an image of a view, with normals and depths, differentiable."""

from __future__ import annotations

from torch import Tensor

from radfield_core import View
from radfield_core.ops import Op
from radfield_splat import surfel_reference
from radfield_splat.gaussians import Gaussians
from radfield_splat.rasterizer import check_view
from radfield_splat.surfel_reference import Surface

OP = Op("disk rasterizer", {"cpu": {"numba": "radfield_splat.surfel_cpu"}})


def rasterize_disks(
    gaussians: Gaussians,
    view: View,
    background: Tensor | None = None,
    *,
    degree: int | None = None,
    near: float = 0.01,
    low_pass: float = 0.5,
    size: float = 1.0,
) -> Surface:
    """Draw Gaussians as flat disks (Huang et al. 2024). `radfield_splat.surfel_reference` defines the image.

    Gradients flow to the parameters, to the background, and to `view.c2w` if it requires gradients. The third scale of
    a Gaussian has no effect, and its gradient is 0.

    Args:
        gaussians: N Gaussians.
        view: camera and pose. All lens models work.
        background: one color [3], or a color for each pixel [H, W, 3] or [H·W, 3]; None is black.
        degree: highest degree of the spherical harmonics to use; None uses all.
        near: disks whose centers are nearer to the camera are left out, and so are nearer parts of disks.
        low_pass: variance of the low-pass filter in pixels². 0.5 is the paper's.
        size: size of the scene, the unit of the distortion.

    Raises:
        UsageError: the camera is panoramic.
        ValueError: a parameter is not finite, or a quaternion is zero.

    Example:
        >>> import torch
        >>> from radfield_core import Camera
        >>> view = View(torch.eye(4)[:3], Camera(9, 9, 9.0, 9.0, 4.5, 4.5))
        >>> means, white = torch.tensor([[0.0, 0.0, -2.0]]), torch.full((1, 1, 3), 1.7725)
        >>> upright = torch.tensor([[1.0, 0.0, 0.0, 0.0]])  # its normal is the z axis
        >>> image = rasterize_disks(Gaussians(means, torch.zeros(1, 3), upright, torch.ones(1), white), view)
        >>> image.normals[4, 4] / image.opacity[4, 4], image.median_depth[4, 4]
        (tensor([0., 0., 1.]), tensor(2.))
    """
    degree = gaussians.degree if degree is None else min(degree, gaussians.degree)
    check_view(view, background)
    module = OP.pick(gaussians.means.device) or surfel_reference
    image: Surface = module.rasterize(gaussians, view, background, degree, near, low_pass, size)
    return image
