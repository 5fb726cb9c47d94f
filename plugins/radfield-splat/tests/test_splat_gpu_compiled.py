"""The Triton kernels of the rasterizer compile for GPUs, on a machine without one."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

from radfield_core.testing import compile_kernels


def launches() -> None:
    """Launch every kernel, for images whose sizes Triton could tell apart."""
    sys.path.insert(0, str(Path(__file__).parent))
    import torch
    from radfield_splat import gpu
    from radfield_splat.gaussians import Gaussians
    from splat_scenes import scene, view

    for width, height in ((1, 1), (16, 32), (33, 20)):
        leaves = [x.requires_grad_() for x in scene(9)]
        image = gpu.rasterize(Gaussians(*leaves), view("pinhole", width, height), None, 1, 0.01, 0.3)
        torch.autograd.backward(image.rgb.sum() + image.depth.sum() + image.opacity.sum())


@pytest.fixture(scope="module")
def kernels():
    return compile_kernels(launches)


def test_every_kernel_compiles_without_fences_and_spills(kernels):
    assert [kernel.fault for kernel in kernels if kernel.fault] == []


def test_one_variant_serves_images_of_any_size(kernels):
    """Triton would compile a further variant in the middle of training."""
    names = ("_composite", "_composite_backward")
    found = Counter((kernel.name, kernel.capability) for kernel in kernels)
    assert found == {(name, capability): 1 for name in names for capability in (80, 90, 100)}
