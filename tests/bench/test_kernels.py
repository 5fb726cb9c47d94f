"""Benchmarks of kernels: every kernel of an op is compared with torch on the same inputs."""

from __future__ import annotations

import torch

from radfield_core.bench.kernels import compositing, gemm_flops, measure, packed_samples, perceptron, with_backend
from radfield_core.ops import backend


def test_every_kernel_is_compared_with_torch() -> None:
    from radfield_hash.bench import measure as encoding
    from radfield_occupancy.bench import measure as marching, measure_refresh

    for rows in (measure(64, 1000, repeats=1), marching(64, resolution=16, repeats=1)):
        reference, *others = rows
        assert reference["backend"] == "torch" and [row["backend"] for row in others] == ["numba"]
        assert all(row["speedup"] == reference["both_ms"] / row["both_ms"] for row in rows)
    rows = encoding(repeats=1, reference_repeats=1, sizes={"tiny": (8, (2, 2, 8, 4, 16))})
    assert [row["backend"] for row in rows] == ["numba"] * 3
    assert [row["share_of_limit"] is not None for row in rows] == [True, False, False]
    assert all(row["ratio"] == row["reference_ms"] / row["kernel_ms"] for row in rows)
    assert measure_refresh(resolution=16, repeats=1)[0]["both_ms"] >= 0


def test_the_limit_of_the_perceptron_is_that_of_its_products() -> None:
    (timing,) = perceptron("cpu", 1, rows=4096)
    assert timing.limit == "GEMM" and timing.limit_ms is not None
    flops = 6 * 4096 * (32 * 64 + 64 * 64 + 64 * 16)
    assert 0 < timing.limit_ms <= 1e3 * flops / 1e8, "any machine multiplies a hundred million times a second"
    assert gemm_flops(1) > 1e8


def test_the_perceptron_is_measured_on_the_cpu_alone() -> None:
    assert perceptron("cuda", 1) == []


def test_a_timing_of_compositing_names_its_case_and_backend() -> None:
    (row,) = compositing("cpu", 1)
    assert (row.op, row.case, row.backend) == ("compositing", "253k samples, forward + backward", "numba")
    assert row.ratio == row.reference_ms / row.kernel_ms > 0


def test_packed_samples_lie_in_order_on_their_rays() -> None:
    layout, density, rgb, t, lengths = packed_samples(50, 400, "cpu")
    assert layout.packing is not None
    counts = layout.packing.counts.tolist()
    assert sum(counts) == len(density) == len(rgb) == len(t) == len(lengths) == 400 and len(set(counts)) > 3
    expected = [2.0 + 0.01 * index for n in counts for index in range(n)]
    torch.testing.assert_close(t, torch.tensor(expected))


def test_a_function_bound_to_a_backend_runs_with_it_and_with_no_other() -> None:
    before = backend.requested()
    assert with_backend("torch", backend.requested)() == ("torch",)
    assert backend.requested() == before
