"""LPIPS against torchmetrics with the same random weights, and files with wrong weights."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchmetrics.functional.image import lpips as reference

from radfield_core.errors import DatasetError
from radfield_core.render.lpips import ALEX, VGG, Network, read_lpips


def torchvision_features(network: Network) -> nn.Sequential:
    """The layers as torchvision has them, which torchmetrics cuts into slices."""
    layers: list[nn.Module] = []
    for number in range(network.taps[-1] + 1):
        if number in network.convolutions:
            (out, inner, side, _), stride, padding = network.convolutions[number]
            layers.append(nn.Conv2d(inner, out, side, stride, padding))
        elif number in network.pools:
            layers.append(nn.MaxPool2d(network.window, 2))
        else:
            layers.append(nn.ReLU())
    return nn.Sequential(*layers)


def torchmetrics_network(network: Network, monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    """torchmetrics' LPIPS with random weights. Its heads are positive, as trained ones are."""
    torch.manual_seed(3)
    monkeypatch.setattr(reference, "_get_tv_model_features", lambda name, pretrained: torchvision_features(network))
    made = reference._LPIPS(pretrained=False, net="alex" if network is ALEX else "vgg", pnet_rand=True)
    for head in made.lins:
        nn.init.uniform_(head.model[-1].weight, 0.0, 1.0)
    return made


def saved(made: nn.Module, path: Path) -> Path:
    """A file with the weights under torchmetrics' names."""
    save_file({name: value.clone() for name, value in made.state_dict().items()}, path)
    return path


@pytest.mark.parametrize("network", [ALEX, VGG], ids=["alex", "vgg"])
def test_equals_torchmetrics_with_the_same_weights(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = torchmetrics_network(network, monkeypatch)
    measure = read_lpips(saved(made, tmp_path / "weights.safetensors"))
    assert measure.network is network
    assert measure.checksum == hashlib.sha256((tmp_path / "weights.safetensors").read_bytes()).hexdigest()
    for height, width in ((network.least_size, network.least_size + 9), (48, 40)):
        image, truth = torch.rand(2, height, width, 3)
        pair = (value.movedim(-1, 0)[None] for value in (image, truth))
        expected = float(made(*pair, normalize=True))
        assert measure(image, truth) == pytest.approx(expected, rel=1e-5) and expected > 1e-3
        assert measure(image, image) == 0.0


def test_layers_may_have_torchvisions_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = torchmetrics_network(ALEX, monkeypatch)
    tensors = {
        f"features.{name.split('.', 2)[2]}": value for name, value in made.state_dict().items() if "slice" in name
    }
    tensors |= {f"lin{i}.model.0.weight": head.model[-1].weight for i, head in enumerate(made.lins)}
    tensors["classifier.1.weight"] = torch.zeros(4)
    save_file({name: value.detach().clone() for name, value in tensors.items()}, tmp_path / "mixed.safetensors")
    image, truth = torch.rand(2, 40, 40, 3)
    first, second = (
        read_lpips(path) for path in (tmp_path / "mixed.safetensors", saved(made, tmp_path / "a.safetensors"))
    )
    assert first(image, truth) == second(image, truth)


def test_every_missing_or_wrong_weight_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = {name: value.clone() for name, value in torchmetrics_network(ALEX, monkeypatch).state_dict().items()}
    for name in [name for name in tensors if name.startswith(("lins.", "lin3"))]:
        del tensors[name]
    del tensors["net.slice4.8.bias"]
    tensors["net.slice5.10.weight"][0, 0, 0, 0] = torch.nan
    tensors["net.slice2.3.weight"] = torch.zeros(192, 64, 3, 3)
    save_file(tensors, tmp_path / "damaged.safetensors")
    with pytest.raises(DatasetError) as caught:
        read_lpips(tmp_path / "damaged.safetensors")
    messages = [problem.message for problem in caught.value.problems]
    assert [message.split(" has the shape")[0] for message in messages] == [
        "layer 3.weight", "has no layer 8.bias", "layer 10.weight", "has no linear head 3",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "words"), [(b"PK\x03\x04 a pickle", "not a safetensors file"), (None, "does not exist|no such|missing")]
)
def test_other_files_are_refused_in_words(content: bytes | None, words: str, tmp_path: Path) -> None:
    path = tmp_path / "alex.pth"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DatasetError, match=words):
        read_lpips(path)


def test_another_network_is_refused(tmp_path: Path) -> None:
    save_file({"features.0.weight": torch.zeros(64, 3, 7, 7)}, tmp_path / "resnet.safetensors")
    with pytest.raises(DatasetError, match="neither the first layer of AlexNet nor that of VGG-16"):
        read_lpips(tmp_path / "resnet.safetensors")
