"""Values of random pixels of maps."""

from __future__ import annotations

import pytest
import torch

from radfield_core.data.pixel_maps import PixelMaps
from radfield_core.errors import DatasetError


@pytest.mark.parametrize("cache_mb", [16, 0])
@pytest.mark.parametrize("channels", [None, 3])
def test_values_are_exact_in_memory_and_in_a_mapped_file(cache_mb, channels, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("RADFIELD_CACHE", str(tmp_path))
    more = () if channels is None else (channels,)
    maps = [torch.randn(2, 5, *more), torch.randn(4, 3, *more)]
    maps[0][1, 2], maps[1][3, 0] = torch.inf, torch.nan
    source = PixelMaps(maps, torch.tensor([[5, 2], [3, 4]]), channels, ["a", "b"], cache_mb)
    assert source.mapped == (cache_mb == 0)
    images, rows, columns = torch.tensor([0, 1, 0, 1]), torch.tensor([1, 3, 0, 2]), torch.tensor([2, 0, 4, 1])
    found = source.values(images, rows, columns)
    expected = torch.stack([maps[i][r, c] for i, r, c in zip(images, rows, columns, strict=True)])
    torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)
    torch.testing.assert_close(source.values_of(1), maps[1], rtol=0, atol=0, equal_nan=True)
    assert torch.equal(source.only([1]).values(*torch.zeros(3, 1, dtype=torch.int64)), maps[1][:1, 0])


def test_every_unusable_map_is_named_at_once() -> None:
    class Damaged:
        def __len__(self) -> int:
            return 3

        def __getitem__(self, index: int) -> torch.Tensor:
            if index == 1:
                raise DatasetError("is cut off", path="depths/b.png")
            return torch.zeros(2, 2 + index)

    source = PixelMaps(Damaged(), torch.full((3, 2), 2), None, ["a", "b", "c"], 16)  # type: ignore[arg-type]
    with pytest.raises(DatasetError) as caught:
        source.prepare(16)
    assert [problem.path for problem in caught.value.problems] == ["b", "c"]
    assert "cut off" in str(caught.value) and "[2, 4]" in str(caught.value)
