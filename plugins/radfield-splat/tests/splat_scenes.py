"""Random Gaussians, cameras with every kind of lens, and images with their gradients, for tests."""

from __future__ import annotations

import torch
from radfield_splat import cpu, reference
from radfield_splat.gaussians import Gaussians

from radfield_core.cameras import Camera, View

LENSES = {
    "pinhole": (),
    "simple_radial": (0.1,),
    "opencv": (0.1, -0.05, 0.01, -0.008),
    "full_opencv": (0.1, -0.05, 0.01, -0.008, 0.01, 0.05, 0.02, 0.01),
    "fisheye": (),
    "opencv_fisheye": (0.05, 0.01, -0.01, 0.002),
    "rad_tan_thin_prism_fisheye": (0.03, 0.01, 0.003, -0.004, 0.001, 0.001, 0.01, -0.01, 0.002, 0.001, 0.003, 0.002),
    "fov": (0.9,),
    "division": (-0.1,),
    "eucm": (0.6, 1.1),
}
NAMES = ("means", "log_scales", "quaternions", "opacity_logits", "harmonics", "c2w", "background")
WIDTH, HEIGHT = 40, 33


def scene(n: int = 30, degree: int = 1, seed: int = 0) -> list[torch.Tensor]:
    """Parameters of n Gaussians in front of `view`, which float32 represents exactly."""
    g = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=g)

    means = 0.8 * random(n, 3) + torch.tensor([0.0, 0.0, -4.0])
    scales, harmonics = -1.8 + 0.6 * random(n, 3), 0.4 * random(n, (degree + 1) ** 2, 3)
    return [means, scales, random(n, 4), 1.5 * random(n), harmonics]


def view(model: str = "pinhole", width: int = WIDTH, height: int = HEIGHT) -> View:
    """A camera with an uncentered principal point, turned by 0.3 radians."""
    a = torch.tensor(0.3)
    rows = [[a.cos(), 0, a.sin(), -0.9], [0, 1, 0, 0.1], [-a.sin(), 0, a.cos(), 0.2]]
    c2w = torch.tensor(rows, dtype=torch.float32)
    focal = 0.75 * width
    return View(c2w, Camera(width, height, focal, focal * 1.07, 0.52 * width, 0.45 * height, 0.5, model, LENSES[model]))


def image_and_gradients(module, parameters, seen: View, dtype, *, low_pass: float = 0.3, weights: int = 5):
    """The images of a backend, and the gradients for everything in `NAMES`.

    They are those of a random sum of the colors, the depths and the opacities.
    """
    width, height = seen.camera.width, seen.camera.height
    g = torch.Generator().manual_seed(weights)
    factors = [torch.randn(height, width, k, generator=g).squeeze(-1).to(dtype) for k in (3, 1, 1)]
    background = torch.rand(height, width, 3, generator=g)
    leaves = [x.detach().to(dtype).clone().requires_grad_() for x in (*parameters, seen.c2w, background)]
    gaussians, c2w, background = Gaussians(*leaves[:5]), leaves[5], leaves[6]
    image = module.rasterize(gaussians, View(c2w, seen.camera), background, gaussians.degree, 0.01, low_pass)
    loss = sum((x * factor).sum() for x, factor in zip(image[:3], factors, strict=True))
    return image, dict(zip(NAMES, torch.autograd.grad(loss, leaves), strict=True))


INTERIOR = 1e-5
"""Scenes are compared only if no alpha is this near to a limit of the definition, where both roundings are right."""


def near_a_limit(parameters, seen: View, low_pass: float = 0.3) -> bool:
    """Return True if an alpha is so near to a limit that rounding to float32 could move it across."""
    gaussians = Gaussians(*(x.double() for x in parameters))
    drawn = reference.project(gaussians, seen, gaussians.degree, 0.01, low_pass)
    if not len(drawn.ids):
        return False
    ys, xs = torch.meshgrid(*(torch.arange(n) for n in (seen.camera.height, seen.camera.width)), indexing="ij")
    offset = torch.stack([xs, ys], -1).reshape(-1, 2) - drawn.centers[:, None]
    xx, xy, yy = (x[:, None] for x in drawn.covariances.unbind(-1))
    dx, dy = offset.unbind(-1)
    alpha = drawn.opacities[:, None] * (-0.5 * (yy * dx**2 - 2 * xy * dx * dy + xx * dy**2) / (xx * yy - xy**2)).exp()
    left = (1 - torch.where(alpha >= 1 / 255, alpha.clamp(max=0.99), 0.0)).cumprod(0)
    distances = [(x.log() - torch.tensor(limit).log()).abs().min() for x, limit in (
        (alpha, 1 / 255), (alpha, 0.99), (left, 1e-4), (left, 0.5))]  # fmt: skip
    return min(distances) < INTERIOR


def assert_agree(parameters, seen: View, bound: float = 1e-5, **options) -> dict[str, torch.Tensor]:
    """Compare the kernels with the definition in float64. Return the gradients of the kernels."""
    expected, expected_gradients = image_and_gradients(reference, parameters, seen, torch.float64, **options)
    found, gradients = image_and_gradients(cpu, parameters, seen, torch.float32, **options)
    for name, x, y in zip(expected._fields, expected, found, strict=True):
        torch.testing.assert_close(y.double(), x, atol=bound, rtol=bound, msg=lambda text, name=name: f"{name}: {text}")
    for name, x in expected_gradients.items():
        error = (gradients[name].double() - x).abs().max() if x.numel() else 0.0
        assert error <= 5 * bound * max(x.abs().max() if x.numel() else 0.0, 1e-3), name
    return gradients
