"""Marching cubes in blocks: exact geometry of known solids, closed surfaces across block borders, and correct
errors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import trimesh
from radfield_mesh import extraction
from radfield_mesh.extraction import extract

from radfield_core import NoSurface

LOW, HIGH = np.full(3, -1.0), np.full(3, 1.0)


def sphere(radius: float, center: tuple[float, float, float] = (0.1, -0.05, 0.02)):
    c = torch.tensor(center)
    return lambda x: (x - c).norm(dim=-1) - radius


def test_a_sphere_has_its_area_volume_and_outward_faces() -> None:
    vertices, faces = extract(sphere(0.6), LOW, HIGH, 160)
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    assert mesh.is_watertight and mesh.body_count == 1
    assert mesh.volume == pytest.approx(4 / 3 * np.pi * 0.6**3, rel=2e-3)
    assert mesh.area == pytest.approx(4 * np.pi * 0.36, rel=2e-3)
    radii = np.linalg.norm(vertices - [0.1, -0.05, 0.02], axis=1)
    assert np.abs(radii - 0.6).max() < 1e-4


@pytest.mark.parametrize("block", [7, 16, 33])
def test_blocks_of_any_size_give_the_same_closed_surface(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    torus = lambda x: ((x[:, :2].norm(dim=-1) - 0.55) ** 2 + x[:, 2] ** 2).sqrt() - 0.22  # noqa: E731
    whole = trimesh.Trimesh(*extract(torus, LOW, HIGH, 48), process=False)
    monkeypatch.setattr(extraction, "BLOCK", block)
    blocks = trimesh.Trimesh(*extract(torus, LOW, HIGH, 48), process=False)
    assert blocks.is_watertight and blocks.euler_number == 0
    assert len(blocks.vertices) == len(whole.vertices) and len(blocks.faces) == len(whole.faces)
    assert blocks.volume == pytest.approx(2 * np.pi**2 * 0.55 * 0.22**2, rel=2e-2)


def test_values_that_equal_the_level_on_grid_points_leave_no_hole() -> None:
    box = lambda x: x.abs().amax(-1) - 0.5  # noqa: E731  its faces lie on grid planes
    mesh = trimesh.Trimesh(*extract(box, LOW, HIGH, 32), process=False)
    assert mesh.is_watertight
    assert mesh.volume == pytest.approx(1.0, rel=0.02)


def test_skipping_empty_blocks_changes_nothing() -> None:
    two = lambda x: torch.minimum(sphere(0.2, (-0.6, -0.6, -0.6))(x), sphere(0.2, (0.6, 0.5, 0.6))(x))  # noqa: E731
    some = trimesh.Trimesh(*extract(two, LOW, HIGH, 96), process=False)
    assert some.is_watertight and some.body_count == 2
    assert some.volume == pytest.approx(2 * 4 / 3 * np.pi * 0.2**3, rel=1e-2)
    every = trimesh.Trimesh(*extract(two, LOW, HIGH, 96, exhaustive=True), process=False)
    assert every.volume == pytest.approx(some.volume, rel=1e-2)


def test_an_empty_level_set_names_the_range_of_values() -> None:
    with pytest.raises(NoSurface, match=r"between 0\.\d+ and \d") as caught:
        extract(lambda x: x.norm(dim=-1) + 0.5, LOW, HIGH, 32)
    assert caught.value.code == 4


def test_blocks_that_hold_no_surface_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extraction, "BLOCK", 32)
    asked = 0

    def query(x: torch.Tensor) -> torch.Tensor:
        nonlocal asked
        asked += len(x)
        return torch.minimum(sphere(0.1, (-0.8, -0.8, -0.8))(x), sphere(0.1, (0.8, 0.8, 0.8))(x))

    extract(query, LOW, HIGH, 160, exhaustive=True)
    everywhere, asked = asked, 0
    extract(query, LOW, HIGH, 160)
    assert asked < everywhere / 2


SPECK = tuple([-1 + 2 * 49 / 96] * 3)
"""A corner of the coarse grid, which no point of a grid of 100 cells along the box comes near."""


@pytest.mark.parametrize("resolution", [100, 131])
def test_looking_everywhere_finds_what_the_coarse_grid_saw(resolution: int) -> None:
    few = extract(sphere(0.004, SPECK), LOW, HIGH, resolution)
    every = extract(sphere(0.004, SPECK), LOW, HIGH, resolution, exhaustive=True)
    for ours, theirs in zip(few, every, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert trimesh.Trimesh(*every, process=False).is_watertight


def test_looking_everywhere_finds_what_the_coarse_grid_missed() -> None:
    corner = tuple([-1 + 2 * 101 / 160] * 3)  # of the fine grid, between corners of the coarse one
    big = sphere(0.3, (-0.5, -0.5, -0.5))
    both = lambda x: torch.minimum(big(x), sphere(0.008, corner)(x))  # noqa: E731
    some = trimesh.Trimesh(*extract(both, LOW, HIGH, 160), process=False)
    every = trimesh.Trimesh(*extract(both, LOW, HIGH, 160, exhaustive=True), process=False)
    assert some.body_count == 1 and every.vertices.max() > 0.2
    alone = trimesh.Trimesh(*extract(sphere(0.008, corner), LOW, HIGH, 160, exhaustive=True), process=False)
    np.testing.assert_allclose(alone.bounds.mean(0), corner, atol=1e-4)
    assert alone.volume == pytest.approx(4 / 3 * np.pi * 0.008**3, rel=0.05)


def test_a_function_that_only_touches_the_level_has_no_surface() -> None:
    with pytest.raises(NoSurface, match="values lie between 0 and"):
        extract(lambda x: (x.norm(dim=-1) - 0.5).clamp_min(0), LOW, HIGH, 64)


def test_a_speck_between_the_points_of_the_second_pass_is_no_surface() -> None:
    dot = lambda x: torch.where((x - torch.tensor(SPECK)).norm(dim=-1) < 1e-4, -1.0, 1.0)  # noqa: E731
    with pytest.raises(NoSurface, match="values lie between -1 and 1"):
        extract(dot, LOW, HIGH, 97)


def test_a_speck_whose_corners_fall_together_is_no_surface() -> None:
    dot = lambda x: torch.where((x - torch.tensor(SPECK)).norm(dim=-1) < 1e-4, -1e-7, 1.0)  # noqa: E731
    with pytest.raises(NoSurface, match="no surface at level 0"):
        extract(dot, LOW, HIGH, 128)
