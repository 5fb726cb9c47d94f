"""Pairs of Gaussians and tiles are complete and in order."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings, strategies as st
from radfield_splat import cpu, projection, tiles
from radfield_splat.camera import packed
from splat_scenes import scene, view


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 2.0**100, width=32), max_size=200))
def test_the_radix_sort_is_stable_and_sorts_by_distance(distances):
    n = len(distances)
    rows = np.zeros((n, projection.ROW), np.float32)
    rows[:, 9] = distances
    order = np.empty(n, np.int32)
    tiles.by_distance(np.arange(n, dtype=np.int32), rows.reshape(-1).view(np.uint32), order)
    assert order.tolist() == np.argsort(rows[:, 9], kind="stable").tolist()


def test_each_tile_lists_the_gaussians_whose_boxes_meet_it_from_near_to_far():
    parameters, seen = scene(300), view(width=70, height=50)
    arrays = tuple(x.numpy().reshape(-1) for x in parameters)
    drawn = cpu._project(arrays, packed(seen, 0.01, 0.3), 1)
    rows = drawn.rows.reshape(-1, projection.ROW)
    for tile in range(5 * 4):
        x, y = 16 * (tile % 5), 16 * (tile // 5)
        expected = []
        for i in drawn.ids:
            u, v, half_x, half_y = rows[i, [0, 1, 10, 11]]
            right, bottom = min(x + 16, 70), min(y + 16, 50)
            inside_x = np.floor(max(u - half_x, 0)) < right and np.floor(min(u + half_x, 69)) >= x
            inside_y = np.floor(max(v - half_y, 0)) < bottom and np.floor(min(v + half_y, 49)) >= y
            if inside_x and inside_y:
                expected.append(i)
        listed = drawn.pairs[drawn.starts[tile] : drawn.starts[tile + 1]]
        assert sorted(listed) == expected
        assert (np.diff(rows[listed, 9]) >= 0).all()
    for i in drawn.ids:
        own = drawn.places[drawn.first[i] : drawn.first[i] + drawn.n_tiles[i]]
        assert (drawn.pairs[own] == i).all() and (np.diff(own) > 0).all()
    assert drawn.n_tiles.sum() == len(drawn.pairs) == len(set(drawn.places.tolist()))


def test_groups_of_tiles_cover_all_tiles_once():
    arrays = tuple(x.numpy().reshape(-1) for x in scene(300))
    for size in (1, 17, 200):
        drawn = cpu._project(arrays, packed(view(width=size, height=size), 0.01, 0.3), 1)
        covered = [tile for first, last in drawn.parts() for tile in range(first, last)]
        assert covered == list(range(len(drawn.starts) - 1))
    assert torch.is_tensor(scene()[0])
