"""Image metrics of radfield beside those of other programs, on the same images.

    python benchmarks/image_metrics.py

SSIM is compared with scikit-image, and LPIPS (with random weights) with torchmetrics, which must be installed. FLIP and
MS-SSIM are compared with values that the authors' program flip-evaluator 1.7 and pytorch-msssim 1.0.0 gave for the same
images.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from skimage.metrics import structural_similarity
from torch import Tensor, nn

from radfield_core.render.flip import flip
from radfield_core.render.image_metrics import ms_ssim, ssim
from radfield_core.render.lpips import ALEX, VGG, Network, read_lpips

FLIP = {(40, 60, 0): 0.29997870326, (64, 48, 7): 0.27524048090}
"""Height, width and seed of two images -> their mean FLIP by flip-evaluator 1.7."""

MS_SSIM = {(192, 208, 0): 0.87925937, (176, 256, 7): 0.86396805}
"""The same for MS-SSIM by pytorch-msssim 1.0.0."""


def pair(height: int, width: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return a smooth image [height, width, 3], and the same with noise and a brighter right half."""
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    waves = [np.sin(9 * x + 2 * y), np.sin(7 * y - 3 * x + 1), np.cos(11 * x * y)]
    image = np.stack([0.5 + 0.5 * wave for wave in waves], -1)
    noise = ((np.arange(height * width * 3) * (1103515245 + seed) + 12345) % 2**31 / 2**31).reshape(image.shape)
    noisy = np.clip(image + 0.3 * (noise - 0.5) + 0.1 * (x > 0.5)[..., None], 0, 1)
    return torch.from_numpy(image.astype(np.float32)), torch.from_numpy(noisy.astype(np.float32))


def features(network: Network) -> nn.Sequential:
    """Return the layers of a network with random weights, as torchvision arranges them."""
    layers: list[nn.Module] = []
    for number in range(network.taps[-1] + 1):
        if number in network.convolutions:
            (out, inner, side, _), stride, padding = network.convolutions[number]
            layers.append(nn.Conv2d(inner, out, side, stride, padding))
        else:
            layers.append(nn.MaxPool2d(network.window, 2) if number in network.pools else nn.ReLU())
    return nn.Sequential(*layers)


def lpips_pair(network: Network, image: Tensor, truth: Tensor) -> tuple[float, float]:
    """Return LPIPS with random weights by radfield and by torchmetrics."""
    import torchmetrics.functional.image.lpips as reference

    torch.manual_seed(0)
    there: Any = reference
    there._get_tv_model_features = lambda name, pretrained: features(network)
    made = there._LPIPS(pretrained=False, net="alex" if network is ALEX else "vgg", pnet_rand=True)
    for head in made.lins:
        nn.init.uniform_(head.model[-1].weight, 0.0, 1.0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.safetensors"
        save_file({name: value.clone() for name, value in made.state_dict().items()}, path)
        ours = read_lpips(path)(image, truth)
    return ours, float(made(*(value.movedim(-1, 0)[None] for value in (image, truth)), normalize=True))


def rows() -> list[tuple[str, float, float]]:
    """Return the name of each comparison, the value of radfield and that of the other program."""
    truth, image = pair(200, 240, 1)
    options: dict[str, Any] = {"data_range": 1.0, "channel_axis": -1, "gaussian_weights": True, "sigma": 1.5}
    measure: Any = structural_similarity
    _, values = measure(
        image.numpy(), truth.numpy(), use_sample_covariance=False, full=True, **options
    )  # scikit-image also gives values at the border, where windows are incomplete
    found = [
        ("SSIM", ssim(image.double(), truth.double()), float(values[5:-5, 5:-5].mean())),
        ("LPIPS, AlexNet", *lpips_pair(ALEX, image, truth)),
        ("LPIPS, VGG-16", *lpips_pair(VGG, image, truth)),
    ]
    for case, published in MS_SSIM.items():
        truth, image = (value.double() for value in pair(*case))
        found.append((f"MS-SSIM, {case[1]} × {case[0]}", ms_ssim(image, truth), published))
    for case, published in FLIP.items():
        truth, image = pair(*case)
        found.append((f"FLIP, {case[1]} × {case[0]}", float(flip(image, truth).mean()), published))
    return found


def main() -> int:
    print(f"{'metric':<18} {'radfield':>10} {'other':>10} {'difference':>11}")
    for name, ours, other in rows():
        print(f"{name:<18} {ours:>10.6f} {other:>10.6f} {abs(ours - other):>11.1e}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
