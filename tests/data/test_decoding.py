"""The base class of image sources that decode one image at a time, with a source made of numbers."""

from pathlib import Path

import numpy as np
import pytest
import torch

from radfield_core.data.decoding import DecodedImages
from radfield_core.data.image_files import ImageFault
from radfield_core.errors import DatasetError


class _Numbers(DecodedImages):
    """Image i has the value i in every pixel. The images in `bad` cannot be decoded."""

    def __init__(self, bad: tuple[int, ...] = (), cache_mb: int = 16):
        super().__init__([(2, 3), (4, 5), (2, 2)], 1, cache_mb)
        self.bad, self.decoded = bad, list[int]()

    def decode(self, index: int) -> np.ndarray:
        self.decoded.append(index)
        if index in self.bad:
            raise ImageFault("is damaged")
        width, height = self.sizes[index].tolist()
        return np.full((height, width, 1), index, np.uint8)

    def label(self, index: int) -> str:
        return f"number {index}"

    def path(self, index: int) -> Path | None:
        return None


def test_an_image_is_decoded_when_it_is_accessed_and_then_kept() -> None:
    source = _Numbers()
    assert source[-1].tolist() == source[2].tolist() == [[[2], [2]]] * 2
    assert source.decoded == [2]


def test_gathering_decodes_every_image_once() -> None:
    source = _Numbers()
    for _ in range(2):
        assert source.gather(torch.tensor([2, 0, 1]), torch.tensor([1, 0, 3]), torch.tensor([1, 2, 4])).tolist() == [
            [2], [0], [1],
        ]  # fmt: skip
    assert sorted(source.decoded) == [0, 1, 2]


def test_all_faults_are_listed_with_the_names_of_the_images() -> None:
    source = _Numbers(bad=(0, 2))
    with pytest.raises(DatasetError) as error:
        source.prepare(16)
    assert [str(problem) for problem in error.value.problems] == ["number 0: is damaged", "number 2: is damaged"]
    assert source.check() == [(0, "is damaged"), (2, "is damaged")] and len(source.decoded) == 3
    with pytest.raises(DatasetError, match="number 2: is damaged"):
        source[2]
