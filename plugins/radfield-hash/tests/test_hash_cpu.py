"""The numba kernel agrees with the reference for all points: values to 1e-5, and gradients to 1e-4."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings, strategies as st
from radfield_hash import cpu, reference
from radfield_hash.levels import build

NAMES = ("values", "by position", "by table", "second by position", "second by table", "second by gradient")


def derivatives(encode, x, table, g, v, w, grid) -> dict[str, torch.Tensor]:
    """Return values, first derivatives along g, and derivatives of ⟨v, position gradient⟩ + ⟨w, table gradient⟩."""
    x, table, g = (tensor.clone().requires_grad_() for tensor in (x, table, g))
    y = encode(x, table, grid)
    by_x, by_table = torch.autograd.grad(y, (x, table), g, create_graph=True)
    second = torch.autograd.grad((by_x * v).sum() + (by_table * w).sum(), (x, table, g))
    return dict(zip(NAMES, (y, by_x, by_table, *second), strict=True))


def assert_agree(x, grid, encode=cpu.encode, seed=0):
    generator = torch.Generator().manual_seed(seed)
    table, w = torch.randn(2, grid.n_entries, grid.n_features, generator=generator).unbind()
    g = torch.randn(len(x), grid.out_dim, generator=generator)
    v = torch.randn(len(x), 3, generator=generator)
    expected = derivatives(reference.encode, x, table, g, v, w, grid)
    found = derivatives(encode, x, table, g, v, w, grid)
    for name in NAMES:
        bound = 1e-5 if name == "values" else 1e-4
        size = max(1.0, expected[name].abs().max().item() if expected[name].numel() else 0.0)
        torch.testing.assert_close(
            found[name] / size, expected[name] / size, atol=bound, rtol=0, msg=lambda text, name=name: f"{name}: {text}"
        )


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(0, 700),
    n_levels=st.integers(1, 6),
    n_features=st.sampled_from([1, 2, 4, 8]),
    log2_table_size=st.integers(3, 14),
    base=st.integers(2, 24),
    times=st.integers(1, 40),
    seed=st.integers(0, 99),
)
def test_equals_the_reference_at_any_size(n, n_levels, n_features, log2_table_size, base, times, seed):
    grid = build(n_levels, n_features, log2_table_size, base, base * times)
    x = torch.rand(n, 3, generator=torch.Generator().manual_seed(seed)) * 1.4 - 0.2
    assert_agree(x, grid, seed=seed)


def test_equals_the_reference_over_several_chunks(monkeypatch):
    grid = build(8, 8, 10, 4, 100)
    monkeypatch.setattr(cpu, "CHUNK_BYTES", 700 * 4 * grid.out_dim)
    assert_agree(torch.rand(3 * 700 + 17, 3), grid)


def test_equals_the_reference_on_the_borders_of_cells_and_of_the_box():
    grid = build(5, 2, 9, 3, 48)
    points = [torch.tensor([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.0, 1.0, 0.5], [-1e30, 1e30, 0.3]])]
    for level in grid.levels:
        border = (torch.arange(level.resolution) - 0.5) / level.scale
        points.append(torch.stack([border, border.flip(0), border.roll(1)], -1))
        points.append(torch.stack([border.nextafter(torch.tensor(2.0)), border, torch.full_like(border, 0.3)], -1))
    assert_agree(torch.cat(points), grid)


@pytest.mark.parametrize("threads", [1, 3])
def test_gradients_are_the_same_bits_every_time_and_for_any_number_of_threads(threads):
    grid = build(6, 2, 8, 4, 64)
    table, x, g = torch.randn(grid.n_entries, 2), torch.rand(5000, 3), torch.randn(5000, grid.out_dim)
    v, w = torch.randn(5000, 3), torch.randn(grid.n_entries, 2)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        first = derivatives(cpu.encode, x, table, g, v, w, grid)
        torch.set_num_threads(threads)
        again = derivatives(cpu.encode, x, table, g, v, w, grid)
    finally:
        torch.set_num_threads(before)
    for name in NAMES:
        assert torch.equal(first[name], again[name]), name


def test_points_tables_and_gradients_need_not_be_contiguous():
    grid = build(4, 2, 8, 4, 32)
    x, table = torch.rand(3, 50).t(), torch.randn(2, grid.n_entries).t()
    found, expected = [], []
    for encode, results in ((cpu.encode, found), (reference.encode, expected)):
        points, entries = x.detach().requires_grad_(), table.detach().requires_grad_()
        y = encode(points, entries, grid)
        results += [y, *torch.autograd.grad(y.sum(), (points, entries), create_graph=True)]
        results += torch.autograd.grad(results[1].square().sum(), (points, entries))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5 * float(other.detach().abs().max()), rtol=0)


def test_third_derivatives_equal_the_references():
    grid = build(3, 2, 8, 4, 16)
    x0, table0 = torch.rand(20, 3), torch.randn(grid.n_entries, 2)
    results = []
    for encode in (cpu.encode, reference.encode):
        x, table = x0.clone().requires_grad_(), table0.clone().requires_grad_()
        y = encode(x, table, grid).square().sum(-1)
        (first,) = torch.autograd.grad(y.sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(first.square().sum(), x, create_graph=True)
        results.append(torch.autograd.grad(second.square().sum(), (x, table)))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one / other.abs().max(), other / other.abs().max(), atol=1e-4, rtol=0)


def test_a_nan_position_gives_nan_features_and_changes_no_others():
    grid = build(4, 2, 8, 4, 32)
    table, x = torch.randn(grid.n_entries, 2), torch.rand(4, 3)
    clean = cpu.encode(x, table, grid)
    x[2, 1] = float("nan")
    y = cpu.encode(x, table, grid)
    assert y[2].isnan().all()
    assert torch.equal(y[[0, 1, 3]], clean[[0, 1, 3]])


def test_a_gradient_by_position_alone_computes_no_table_gradient(monkeypatch):
    grid = build(4, 2, 8, 4, 32)
    x, table = torch.rand(9, 3, requires_grad=True), torch.randn(grid.n_entries, 2, requires_grad=True)
    y = cpu.encode(x, table, grid)
    calls = []
    original = type(cpu._KERNELS).table_gradient
    monkeypatch.setattr(
        type(cpu._KERNELS), "table_gradient", lambda *args, **kwargs: (calls.append(1), original(*args, **kwargs))[1]
    )
    torch.autograd.grad(y.sum(), x, retain_graph=True)
    assert not calls
    torch.autograd.grad(y.sum(), table)
    assert calls


def test_the_table_gradient_of_a_sum_is_differentiated_by_position():
    """The gradient of a sum is a single number that is expanded to all entries."""
    grid = build(4, 2, 8, 4, 32)
    x0, table = torch.rand(9, 3), torch.randn(grid.n_entries, 2, requires_grad=True)
    g = torch.randn(9, grid.out_dim)
    slopes = []
    for encode in (cpu.encode, reference.encode):
        x = x0.clone().requires_grad_()
        (by_table,) = torch.autograd.grad(encode(x, table, grid), table, g, create_graph=True)
        slopes.append(torch.autograd.grad(by_table.sum() + by_table[3].sum(), x)[0])
    torch.testing.assert_close(*slopes, atol=1e-3, rtol=1e-4)


def test_features_may_be_modified_in_place():
    grid = build(4, 2, 8, 4, 32)
    x, table = torch.rand(9, 3, requires_grad=True), torch.randn(grid.n_entries, 2, requires_grad=True)
    y = cpu.encode(x, table, grid).mul_(2.0)
    expected = 2.0 * cpu.encode(x, table, grid)
    torch.testing.assert_close(y, expected)
    for one, other in zip(
        torch.autograd.grad(y.sum(), (x, table)), torch.autograd.grad(expected.sum(), (x, table)), strict=True
    ):
        torch.testing.assert_close(one, other)


FORK = """
import os, torch
from radfield_hash import cpu
from radfield_hash.levels import build
torch.set_num_threads(2)
grid = build(2, 2, 8, 4, 8)
table, x = torch.rand(grid.n_entries, 2), torch.rand(200, 3)
expected = cpu.encode(x, table, grid)
child = os.fork()
if child == 0:
    os._exit(0 if torch.equal(cpu.encode(x, table, grid), expected) else 1)
assert os.waitpid(child, 0)[1] == 0
"""


def test_a_forked_process_encodes_with_threads_of_its_own():
    subprocess.run([sys.executable, "-c", FORK], check=True, timeout=60)


def test_float64_runs_the_reference():
    grid = build(4, 2, 8, 4, 32)
    table, x = torch.randn(grid.n_entries, 2, dtype=torch.float64), torch.rand(5, 3, dtype=torch.float64)
    assert torch.equal(cpu.encode(x, table, grid), reference.encode(x, table, grid))
