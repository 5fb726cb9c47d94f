"""NDC against the projection matrix of NeRF's appendix C, and rays against the points on them."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings, strategies as st

from radfield_core.ops.ndc import Ndc

NDC = Ndc(a=1.3, b=0.9, n=0.7)


def uniform(n: int, low: float, high: float, seed: int) -> torch.Tensor:
    return low + (high - low) * torch.rand(n, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def in_front(n: int) -> torch.Tensor:
    """Points [n, 3] beyond the near plane."""
    return torch.cat([uniform(n, -3, 3, 0)[:, :2], uniform(n, -9, -NDC.n, 1)[:, 2:]], 1)


def test_warped_points_are_those_of_the_projection_matrix() -> None:
    """Appendix C: clip coordinates by the matrix, divided by the last one; far is 1e12 instead of infinite."""
    n, f = NDC.n, 1e12
    matrix = torch.tensor(
        [[NDC.a, 0, 0, 0], [0, NDC.b, 0, 0], [0, 0, -(f + n) / (f - n), -2 * f * n / (f - n)], [0, 0, -1, 0]],
        dtype=torch.float64,
    )
    x = in_front(50)
    clip = torch.nn.functional.pad(x, (0, 1), value=1.0) @ matrix.T
    torch.testing.assert_close(NDC.points(x), clip[:, :3] / clip[:, 3:], rtol=1e-9, atol=1e-9)


def test_unwarp_undoes_the_warp() -> None:
    x = in_front(50)
    torch.testing.assert_close(NDC.unwarp(NDC.points(x)), x)


def test_the_near_plane_is_at_minus_one_and_distant_points_come_near_one() -> None:
    x = torch.tensor([[0.5, 0.2, -NDC.n], [0.5, 0.2, -1e9]], dtype=torch.float64)
    assert NDC.points(x)[:, 2].tolist() == pytest.approx([-1.0, 1.0], abs=1e-8)


@settings(max_examples=50, deadline=None)
@given(z=st.floats(-0.5, 2.0), t=st.floats(0.0, 100.0), seed=st.integers(0, 99))
def test_a_point_on_a_ray_is_warped_to_a_point_on_the_warped_ray(z: float, t: float, seed: int) -> None:
    """Appendix C, with t counted from the near plane: t' = t dz / (oz + t dz)."""
    origin = torch.cat([uniform(1, -1, 1, seed)[0, :2], torch.tensor([z], dtype=torch.float64)])
    direction = torch.cat([uniform(1, -1, 1, seed + 1)[0, :2], torch.tensor([-1.5], dtype=torch.float64)])
    warped_origin, warped_direction = NDC.rays(origin, direction)
    start = origin + (NDC.n + z) / 1.5 * direction  # on the near plane
    t_warped = t * direction[2] / (start[2] + t * direction[2])
    torch.testing.assert_close(NDC.points(start + t * direction), warped_origin + t_warped * warped_direction)


def test_a_warped_ray_begins_on_the_near_plane_and_ends_infinitely_far_at_one() -> None:
    origins, directions = uniform(20, -0.5, 0.5, 2), uniform(20, -1, 1, 3)
    directions[:, 2] = -directions[:, 2].abs() - 0.1
    starts, along = NDC.rays(origins, directions)
    torch.testing.assert_close(starts[:, 2], -torch.ones(20, dtype=torch.float64))
    torch.testing.assert_close((starts + along)[:, 2], torch.ones(20, dtype=torch.float64))
    far = NDC.unwarp(starts + (1 - 1e-6) * along)
    assert float(far.norm(dim=-1).min()) > 1e5
