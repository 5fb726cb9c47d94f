"""Distances are compared with closed forms, with trimesh's exhaustive search and with nested loops."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings, strategies as st
from radfield_mesh import distance


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), faces=st.integers(1, 60))
def test_distance_to_a_triangle_soup_equals_brute_force(seed: int, faces: int) -> None:
    generator = np.random.default_rng(seed)
    corners = generator.normal(size=(faces, 3, 3)) * generator.choice([0.05, 1.0], size=(faces, 1, 1))
    mesh = trimesh.Trimesh(corners.reshape(-1, 3), np.arange(faces * 3).reshape(-1, 3), process=False)
    points = generator.normal(size=(25, 3)) * 2
    _, expected, _ = trimesh.proximity.closest_point_naive(mesh, points)
    found = distance.Triangles.of(mesh.vertices, mesh.faces).distance(points)
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_a_triangle_without_area_is_a_segment() -> None:
    triangle = np.array([[[0.0, 0, 0], [1, 0, 0], [2, 0, 0]]])
    points = np.array([[1.5, 3.0, 4.0], [4.0, 0, 0], [0.3, 0, 0]])
    found = [distance.point_triangle_distance(p[None], triangle)[0] for p in points]
    assert found == pytest.approx([5.0, 2.0, 0.0])


def test_samples_of_a_sphere_are_uniform_and_their_distances_to_another_are_known() -> None:
    inner, outer = trimesh.creation.icosphere(5, 1.0), trimesh.creation.icosphere(5, 1.1)
    points = distance.sample_surface(inner.vertices, inner.faces, 20_000, seed=0)
    assert np.abs(points.mean(0)).max() < 0.03
    found = distance.Triangles.of(outer.vertices, outer.faces).distance(points)
    assert found.mean() == pytest.approx(0.1, abs=2e-3)
    assert distance.area(inner.vertices, inner.faces) == pytest.approx(4 * np.pi, rel=2e-3)


def test_samples_fill_a_triangle_evenly_and_triangles_by_their_area() -> None:
    """Each of four equal parts of a triangle gets a quarter of its points. A triangle of three times the area gets
    three times as many points."""
    vertices = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 5], [3, 0, 5], [0, 1, 5]])
    points = distance.sample_surface(vertices, np.array([[0, 1, 2], [3, 4, 5]]), 40_000, seed=0)
    small = points[points[:, 2] == 0]
    assert len(small) / len(points) == pytest.approx(0.25, abs=0.01)
    x, y = small[:, 0], small[:, 1]
    corners = (x + y < 0.5, x > 0.5, y > 0.5)  # what is left is the part between the midpoints of the sides
    shares = [part.mean() for part in (*corners, ~np.logical_or.reduce(corners))]
    assert shares == pytest.approx([0.25] * 4, abs=0.02)


def test_thinned_points_keep_their_distance_and_cover_the_rest() -> None:
    points = np.random.default_rng(1).random((600, 3))
    kept = distance.thin(points, 0.12, seed=3)
    pairs = np.linalg.norm(kept[:, None] - kept[None], axis=2) + np.eye(len(kept))
    assert pairs.min() > 0.12
    assert np.linalg.norm(points[:, None] - kept[None], axis=2).min(1).max() <= 0.12


def test_the_mean_is_capped_and_percentiles_are_not() -> None:
    result = distance.summary(np.array([1.0, 2.0, 3.0, 100.0]), cap=20.0)
    assert result["mean"] == pytest.approx(2.0) and result["median"] == pytest.approx(2.5) and result["max"] == 100.0


def test_f_score_is_the_harmonic_mean_of_precision_and_recall() -> None:
    score = distance.f_score(np.array([0.1, 0.1, 0.9, 0.9]), np.array([0.1, 0.1, 0.1, 0.9]), 0.5)
    assert score == pytest.approx({"precision": 0.5, "recall": 0.75, "f": 0.6})
