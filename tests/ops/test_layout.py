"""Packings: rays and offsets of samples against a loop over rays, and bounds that need no reading back."""

from __future__ import annotations

import torch
from hypothesis import given, strategies as st

from radfield_core.ops.layout import Layout, Packing


@given(st.lists(st.integers(0, 5), max_size=7), st.sampled_from([torch.int32, torch.int64, torch.uint8]))
def test_a_packing_of_counts_lists_the_rays_one_after_another(counts: list[int], dtype: torch.dtype) -> None:
    packing = Packing.from_counts(torch.tensor(counts, dtype=dtype))
    assert packing.ray_indices.tolist() == [ray for ray, count in enumerate(counts) for _ in range(count)]
    for ray, count in enumerate(counts):
        start, stop = packing.offsets[ray : ray + 2].tolist()
        assert packing.ray_indices[start:stop].tolist() == [ray] * count
    assert packing.counts.tolist() == counts and packing.max_per_ray == max(counts, default=0)
    assert {packing.ray_indices.dtype, packing.offsets.dtype, packing.counts.dtype} == {torch.int64}


def test_a_bound_and_a_total_that_are_given_are_used_without_looking() -> None:
    packing = Packing.from_counts(torch.tensor([2, 1]), max_per_ray=64, total=3)
    assert packing.max_per_ray == 64 and packing.ray_indices.tolist() == [0, 0, 1]
    on_meta = Packing.from_counts(torch.zeros(4, dtype=torch.int64, device="meta"), max_per_ray=8, total=32)
    assert on_meta.ray_indices.shape == (32,) and on_meta.offsets.shape == (5,)  # meta tensors cannot be read back


def test_a_layout_is_uniform_or_packed() -> None:
    packing = Packing.from_counts(torch.tensor([2, 1]))
    assert Layout(2, samples_per_ray=3).packing is None and Layout(2, packing=packing).samples_per_ray is None
