"""LPIPS, the distance of two images in the features of a trained network (Zhang et al. 2018).

The features of each layer are normalized to length 1 at each pixel, and their squared differences are weighted by a
"linear head" of the layer, averaged over the pixels and summed over the layers. 0 means that the images are equal.

The weights are not part of radfield. They are read from a safetensors file that holds the convolutions of AlexNet or
VGG-16 and the heads, under the names of the packages torchmetrics and lpips: `net.slice1.0.weight` and
`lin0.model.1.weight`, or for the convolutions under torchvision's names, `features.0.weight`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor
from torch.nn import functional

from radfield_core.errors import DatasetError, Problems
from radfield_core.files.regular import open_regular
from radfield_core.files.untrusted import missing_files
from radfield_core.render.image_metrics import MoreMetric

MAX_BYTES = 2**30
"""Largest file with weights. VGG-16 with its unused layers takes 528 MB."""

HOW = "See the section on LPIPS in the documentation of runs, which makes such a file with three lines of Python"

_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # of colors in [−1, 1]
_SMALL = 1e-8  # added to the squared length of the features, which may be 0


@dataclass(frozen=True)
class Network:
    """The convolutional part of a network.

    Attributes:
        name: name of the metric in results.
        convolutions: number of the layer -> shape of its weights, stride and padding. Each is followed by a ReLU.
        pools: numbers of the layers that take maxima, of `window` × `window` pixels with stride 2.
        window: side of these windows.
        taps: numbers of the ReLU layers whose outputs are compared.
        least_size: smallest width and height of an image.
    """

    name: str
    convolutions: Mapping[int, tuple[tuple[int, int, int, int], int, int]]
    pools: tuple[int, ...]
    window: int
    taps: tuple[int, ...]
    least_size: int


def _vgg() -> Network:
    layers, channels, number = {}, 3, 0
    pools, taps = [], []
    for width, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(count):
            layers[number] = ((width, channels, 3, 3), 1, 1)
            channels, number = width, number + 2
        taps.append(number - 1)
        pools.append(number)
        number += 1
    return Network("lpips_vgg", layers, tuple(pools[:-1]), 2, tuple(taps), 16)


ALEX = Network(
    "lpips",
    {
        0: ((64, 3, 11, 11), 4, 2),
        3: ((192, 64, 5, 5), 1, 2),
        6: ((384, 192, 3, 3), 1, 1),
        8: ((256, 384, 3, 3), 1, 1),
        10: ((256, 256, 3, 3), 1, 1),
    },
    (2, 5), 3, (1, 4, 7, 9, 11), 31,
)  # fmt: skip
VGG = _vgg()


class Lpips:
    """LPIPS with given weights.

    Args:
        network: the network, `ALEX` or `VGG`.
        weights: number of a convolution -> its weights and its biases.
        heads: weights [F] of each compared layer.
        checksum: SHA-256 of the file with the weights.
    """

    def __init__(
        self, network: Network, weights: Mapping[int, tuple[Tensor, Tensor]], heads: list[Tensor], checksum: str = ""
    ):
        self.network, self._weights, self._heads, self.checksum = network, weights, heads, checksum

    @property
    def metric(self) -> MoreMetric:
        """The metric as an entry for `compare`."""
        return MoreMetric(self, self.network.least_size)

    @torch.no_grad()
    def __call__(self, image: Tensor, truth: Tensor) -> float:
        """Return the distance of two images [H, W, 3] in [0, 1]."""
        pair = torch.stack([image, truth]).movedim(-1, 1).float()
        shift, scale = (torch.tensor(values).view(1, 3, 1, 1) for values in (_SHIFT, _SCALE))
        x = (2.0 * pair - 1.0 - shift) / scale
        total, tap = 0.0, 0
        for number in range(self.network.taps[-1] + 1):
            if number in self._weights:
                _, stride, padding = self.network.convolutions[number]
                x = functional.relu(functional.conv2d(x, *self._weights[number], stride=stride, padding=padding))
            elif number in self.network.pools:
                x = functional.max_pool2d(x, self.network.window, stride=2)
            if number in self.network.taps:
                unit = x / (_SMALL + x.square().sum(1, keepdim=True)).sqrt()
                difference = (unit[0] - unit[1]).square()
                total += float((difference * self._heads[tap].view(-1, 1, 1)).sum(0).mean())
                tap += 1
        return total


def read_lpips(path: Path) -> Lpips:
    """Read weights from a safetensors file. Its content decides whether the network is AlexNet or VGG-16.

    Raises:
        DatasetError: the file does not exist, is not a safetensors file, is too large, or lacks weights. The error
            lists every weight that is missing or wrong.
    """
    for problem in missing_files([path], path.parent):
        raise DatasetError(problems=[problem._replace(path=str(path))])
    with open_regular(path, follow_links=True) as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise DatasetError(f"is larger than {MAX_BYTES / 2**20:.0f} MiB", path=str(path), hint=HOW)
    try:
        tensors = safetensors.torch.load(data)
    except Exception as error:  # safetensors raises exceptions of many classes for other files
        reason = " ".join(str(error).split())
        raise DatasetError(f"is not a safetensors file: {reason:.200}", path=str(path), hint=HOW) from None
    return _of(tensors, path, hashlib.sha256(data).hexdigest())


def _of(tensors: Mapping[str, Tensor], path: Path, checksum: str) -> Lpips:
    """Return the metric with the weights among named tensors."""
    named = {_common_name(name): tensor for name, tensor in tensors.items()}
    first = named.get("0.weight")
    network = next((net for net in (ALEX, VGG) if first is not None and first.shape == net.convolutions[0][0]), None)
    if network is None:
        raise DatasetError("has neither the first layer of AlexNet nor that of VGG-16", path=str(path), hint=HOW)
    wanted: dict[str, tuple[int, ...]] = {}
    for number, (sizes, _, _) in network.convolutions.items():
        wanted |= {f"{number}.weight": sizes, f"{number}.bias": sizes[:1]}
    widths = [network.convolutions[tap - 1][0][0] for tap in network.taps]
    wanted |= {f"head{i}": (1, width, 1, 1) for i, width in enumerate(widths)}
    problems = Problems()
    for name, shape in wanted.items():
        found = named.get(name)
        words = f"linear head {name[4:]}" if name.startswith("head") else f"layer {name}"
        if found is None:
            problems.add(path, f"has no {words}", HOW)
        elif tuple(found.shape) != shape or not found.is_floating_point() or not bool(found.isfinite().all()):
            problems.add(path, f"{words} has the shape {list(found.shape)}, expected finite numbers {list(shape)}", HOW)
    problems.raise_as(DatasetError)
    layers = {n: (named[f"{n}.weight"].float(), named[f"{n}.bias"].float()) for n in network.convolutions}
    heads = [named[f"head{i}"].float().flatten() for i in range(len(widths))]
    return Lpips(network, layers, heads, checksum)


def _common_name(name: str) -> str:
    """Return `0.weight` for the weights of layer 0, and `head0` for those of a linear head, by whatever name.

    Example:
        >>> [_common_name(name) for name in ("net.slice2.3.bias", "features.3.bias", "lin1.model.1.weight")]
        ['3.bias', '3.bias', 'head1']
    """
    if layer := re.fullmatch(r"(?:net\.slice\d\.|features\.|)(\d{1,2}\.(?:weight|bias))", name):
        return layer[1]
    head = re.fullmatch(r"lins?\.?(\d)\.model\.[01]\.weight", name)
    return f"head{head[1]}" if head else name
