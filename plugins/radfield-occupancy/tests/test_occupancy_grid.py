"""The occupancy grid: packing, positions of cells, choice of cells to update, and stored opacities."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings, strategies as st
from radfield_occupancy import grid
from radfield_occupancy.march import Grid


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(levels=st.integers(1, 3), n=st.sampled_from([8, 16]), share=st.sampled_from([0.0, 0.01, 0.5, 1.0]))
@settings(max_examples=20, deadline=None)
def test_packed_bits_unpack_and_bricks_mark_octants_with_occupied_cells(levels: int, n: int, share: float) -> None:
    cells = torch.rand(levels, n, n, n, generator=generator(levels)) < share
    bits, bricks = grid.pack(cells)
    assert bits.dtype == torch.uint8 and bits.numel() == levels * n**3 // 8
    assert torch.equal(grid.unpack(bits, n), cells)
    i = 0
    for level in range(levels):
        for x in range(0, n, 8):
            for y in range(0, n, 8):
                for z in range(0, n, 8):
                    for octant in range(8):
                        a, b, c = x + 4 * (octant >> 2), y + 4 * (octant >> 1 & 1), z + 4 * (octant & 1)
                        occupied = bool(cells[level, a : a + 4, b : b + 4, c : c + 4].any())
                        assert bool(bricks[i] >> octant & 1) == occupied
                    i += 1


@pytest.mark.parametrize(("levels", "contracted"), [(1, False), (3, False), (1, True)])
def test_a_point_of_a_cell_is_found_in_that_cell_by_marching(levels: int, contracted: bool) -> None:
    n, center, radius = 8, torch.tensor([0.3, -1.0, 2.0]), 1.7
    cells = torch.arange(levels * n**3)
    inside = 0.05 + 0.9 * torch.rand(len(cells), 3, generator=generator())
    x = grid.world_points(cells, inside, n, center, radius, contracted)
    u = (x - center) / radius
    if contracted:
        index = torch.stack([cells // n**2 % n, cells // n % n, cells % n], -1)
        reachable = (2 * ((index + inside) * 2 / n - 1)).norm(dim=-1) < 1.99
    else:
        level = cells // n**3
        reachable = (level == 0) | (u.abs().amax(-1) > 2.0 ** (level - 1))
    assert reachable.sum() > len(cells) // 3
    for cell in torch.randperm(len(cells), generator=generator())[:60].tolist():
        only = torch.zeros(levels * n**3, dtype=torch.bool)
        only[cell] = True
        state = Grid(*grid.pack(only.view(-1, n, n, n)), n, levels, tuple(center.tolist()), radius, contracted)
        # Cells in the corners of a contracted grid have no points; their substitutes may lie in a neighbor.
        assert bool(state.occupied(x[cell])) == bool(reachable[cell]) or (contracted and not reachable[cell])
        others = reachable & (cells != cell)
        assert not state.occupied(x[others]).any()


def test_contraction_keeps_points_in_the_unit_ball_and_reaches_far_outside() -> None:
    n = 32
    cells, half = torch.arange(n**3), torch.full((n**3, 3), 0.5)
    x = grid.world_points(cells, half, n, torch.zeros(3), 1.0, True)
    straight = grid.world_points(cells, half, n, torch.zeros(3), 2.0, False)
    near = straight.norm(dim=-1) < 1
    assert torch.equal(x[near], straight[near])
    assert x.norm(dim=-1).max() > 100 and torch.isfinite(x).all()
    # The contraction itself: mip-NeRF 360, equation 10.
    norm = x.norm(dim=-1, keepdim=True)
    contracted = torch.where(norm > 1, (2 - 1 / norm) * x / norm, x)
    inside = straight.norm(dim=-1) < 1.99
    torch.testing.assert_close(contracted[inside], straight[inside], rtol=1e-3, atol=1e-4)


def test_updates_take_a_quarter_of_all_cells_evenly_and_the_occupied_ones() -> None:
    occupied = torch.zeros(4096, dtype=torch.bool)
    occupied[100:150] = True
    cells = grid.cells_to_update(occupied, 0.25, generator())
    part, full = cells[:1024], cells[1024:]
    assert torch.equal(part // 4, torch.arange(1024))
    assert full.tolist() == list(range(100, 150))
    many = grid.cells_to_update(torch.ones(4096, dtype=torch.bool), 0.25, generator())
    assert len(many) == 2048 and many[1024:].diff().min() >= 1
    seen = torch.zeros(4096)
    for seed in range(400):
        seen[grid.cells_to_update(occupied, 0.25, generator(seed))[:1024]] += 1
    assert seen.min() > 60 and seen.max() < 150
    assert torch.equal(cells, grid.cells_to_update(occupied, 0.25, generator()))


@given(seed=st.integers(0, 100))
@settings(max_examples=30, deadline=None)
def test_an_updated_cell_decays_once_and_keeps_the_largest_opacity(seed: int) -> None:
    g = generator(seed)
    memory, cells = torch.rand(20, generator=g), torch.randint(0, 20, (15,), generator=g)
    opacity, expected = torch.rand(15, generator=g), []
    for cell, before in enumerate(memory.tolist()):
        seen = [value for c, value in zip(cells.tolist(), opacity.tolist(), strict=True) if c == cell]
        expected.append(max([before * 0.9, *seen]) if seen else before)
    torch.testing.assert_close(grid.updated(memory, cells, opacity, 0.9), torch.tensor(expected))


def test_cells_with_nan_stay_occupied_and_change_no_other_cell() -> None:
    memory = grid.updated(torch.full((4,), 0.5), torch.arange(3), torch.tensor([torch.nan, torch.inf, 0.2]), 0.9)
    torch.testing.assert_close(memory, torch.tensor([1.0, 1.0, 0.45, 0.5]))
    for _ in range(100):
        memory = grid.updated(memory, torch.arange(4), torch.full((4,), torch.nan), 0.9)
    assert grid.occupied_cells(memory, 0.01).all()


def test_cells_count_as_occupied_from_the_smaller_of_mean_and_threshold() -> None:
    memory = torch.tensor([0.0, 0.002, 0.004, 0.006])
    assert grid.occupied_cells(memory, 0.01).tolist() == [False, False, True, True]
    assert grid.occupied_cells(memory * 100, 0.01).tolist() == [False, True, True, True]
    for value in (0.0, 0.0037, 0.7):
        assert grid.occupied_cells(torch.full((1001,), value), 0.01).all()
