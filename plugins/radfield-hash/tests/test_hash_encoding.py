"""encoding:hash: bounds, options, coarse-to-fine schedule and choice of the backend."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from radfield_hash import cpu, levels, reference
from radfield_hash.config import HashConfig
from radfield_hash.encoding import HashEncoding, encode

from radfield_core import BuildContext, SceneBox, Step, UsageError
from radfield_core.ops import using

CENTER = torch.tensor([1.0, -2.0, 0.5])
CONTEXT = BuildContext(bounds=SceneBox(CENTER, 3.0))
SMALL = {"n_levels": 4, "log2_table_size": 9, "base_resolution": 4, "finest_resolution": 32}


def make(**options) -> HashEncoding:
    return HashEncoding(HashConfig(**{**SMALL, **options}), CONTEXT, in_dim=3)


def test_the_bounds_are_mapped_to_the_unit_cube():
    part = make()
    unit = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.25, 0.5], [0.1, 0.9, 1.0]])
    world = CENTER + 3.0 * (2 * unit - 1)
    torch.testing.assert_close(part(world), reference.encode(unit, part.table, part.grid), atol=1e-8, rtol=0)


def test_entries_start_uniform_within_1e_4():
    table = make(log2_table_size=14).table.detach()
    assert table.abs().max() <= 1e-4
    assert table.std().item() == pytest.approx(1e-4 / 3**0.5, rel=0.05)


def test_include_xyz_puts_the_position_between_minus_one_and_one_first():
    part = make(include_xyz=True)
    x = CENTER + torch.tensor([[-3.0, 0.0, 3.0]])
    assert part.out_dim == 3 + 8
    torch.testing.assert_close(part(x)[:, :3], torch.tensor([[-1.0, 0.0, 1.0]]))
    assert part(x).shape == (1, part.out_dim)


def test_the_levels_in_use_follow_from_the_step_alone():
    part = make(start_levels=2, steps_per_level=10)
    x = CENTER + torch.rand(50, 3)
    for index, active in ((25, 4), (0, 2), (9, 2), (10, 3), (1000, 4)):
        part.begin_step(Step(index, 100, 0))
        assert part.scalars()["active_levels"] == active
        in_use = (part(x).view(50, 4, 2) != 0).any(-1).any(0)
        assert in_use.tolist() == [level < active for level in range(4)]


def test_the_cell_size_is_that_of_the_finest_level_in_use():
    """instant-nsr-pl divides the side of the region by base · growth^(level − 1), for its 1-based level."""
    part = make(start_levels=1, steps_per_level=10)
    growth = (part.config.finest_resolution / part.config.base_resolution) ** (1 / (part.config.n_levels - 1))
    for index, level in ((0, 1), (10, 2), (25, 3), (1000, 4)):
        part.begin_step(Step(index, 100, 0))
        expected = 2 * part.radius / (part.config.base_resolution * growth ** (level - 1))
        assert float(part.cell_size()) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("start_step", [0, 5, 37])
def test_levels_are_added_as_by_instant_nsr_pl_s_progressive_grid(start_step):
    """Its number of levels is min(start_level + max(global_step − start_step, 0) // update_steps, n_level)."""
    part = make(start_levels=1, start_step=start_step, steps_per_level=10)
    for index in range(90):
        expected, waited = 1, 0
        for step in range(1, index + 1):  # one step after another, without the formula
            waited += step > start_step
            if waited == 10 and expected < 4:
                expected, waited = expected + 1, 0
        part.begin_step(Step(index, 100, 0))
        assert part.scalars()["active_levels"] == expected, index


def test_levels_not_in_use_get_no_gradient():
    part = make(start_levels=1)
    part.begin_step(Step(0, 100, 0))
    part(CENTER + torch.rand(50, 3)).sum().backward()
    first = part.grid.levels[0].size
    assert part.table.grad[:first].any()
    assert not part.table.grad[first:].any()


def test_only_the_table_is_saved():
    assert set(make(start_levels=1).state_dict()) == {"table"}


@pytest.mark.parametrize("requested, expected", [("torch", "reference"), ("numba", "cpu"), ("", "cpu")])
def test_the_requested_backend_runs(requested, expected, monkeypatch):
    part, ran = make(), []
    for name, original in (("reference", reference.encode), ("cpu", cpu.encode)):
        record = partial(_record, ran, name, original)
        monkeypatch.setattr(f"radfield_hash.{name}.encode", record)
    with using(requested):
        part(CENTER[None])
    assert set(ran) == {expected}


def _record(ran, name, encode, *args):
    ran.append(name)
    return encode(*args)


@pytest.mark.parametrize("absent", ["triton", "nonsense"])
def test_requesting_an_unavailable_backend_is_a_usage_error(absent):
    with using(absent), pytest.raises(UsageError):
        make()(CENTER[None])


def test_every_backend_gives_the_same_features():
    part, x = make(), CENTER + 4 * torch.rand(300, 3) - 2
    part.table.data.normal_()
    with using("torch"):
        expected = part(x)
    with using("numba"):
        torch.testing.assert_close(part(x), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("dtypes", [(torch.float32, torch.float16), (torch.bfloat16, torch.bfloat16)], ids=str)
def test_half_precision_runs_the_fast_kernels_in_float32(dtypes, monkeypatch):
    """The definition would run instead, many times slower and without a word."""
    monkeypatch.setattr(reference, "encode", None)
    grid, (of_x, of_table) = levels.build(3, 2, 7, 3, 24), dtypes
    x, table = torch.rand(50, 3).to(of_x), torch.randn(grid.n_entries, 2).to(of_table).requires_grad_()
    y = encode(x, table, grid)
    assert y.dtype == torch.promote_types(of_x, of_table)
    torch.testing.assert_close(y, cpu.encode(x.float(), table.float(), grid).to(y.dtype), rtol=0, atol=0)
    y.sum().backward()
    assert table.grad is not None and table.grad.dtype == of_table and table.grad.any()


def test_half_precision_in_torch_finds_the_cells_of_float32():
    """In half precision, neighboring positions on a fine level are hundreds of cells apart."""
    grid = levels.build(1, 2, 12, 2048, 2048)
    x, table = torch.tensor([[0.7, 0.4, 0.9]]).half(), torch.randn(grid.n_entries, 2)
    with using("torch"):
        torch.testing.assert_close(encode(x, table, grid), reference.encode(x.double(), table.double(), grid).float())


@pytest.mark.parametrize(
    "options, in_dim, path",
    [
        ({"finest_resolution": 3}, 3, "encoding.finest_resolution"),
        ({"start_levels": 5}, 3, "encoding.start_levels"),
        ({}, 2, "encoding"),
    ],
)
def test_contradicting_sizes_are_a_usage_error_with_a_hint(options, in_dim, path):
    with pytest.raises(UsageError) as raised:
        HashEncoding(HashConfig(**{**SMALL, **options}), CONTEXT, in_dim=in_dim)
    (problem,) = raised.value.problems
    assert problem.path == path
    assert problem.hint


def test_no_points_give_no_features_and_a_zero_gradient():
    part = make(include_xyz=True)
    y = part(torch.empty(0, 3))
    assert y.shape == (0, part.out_dim)
    y.sum().backward()
    assert part.table.grad is not None
    assert not part.table.grad.any()
