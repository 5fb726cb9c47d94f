"""The numba and Triton kernels for packed samples against the torch definition; Triton's run in its interpreter."""

from __future__ import annotations

import importlib
import sys
from collections import Counter
from collections.abc import Iterator
from types import ModuleType

import pytest
import torch

from radfield_core.ops import segments, volume
from radfield_core.ops._packed import PackedKernels, check
from radfield_core.ops.backend import using
from radfield_core.ops.layout import Layout, LayoutError, Packing
from radfield_core.testing import compile_kernels

COUNTS = ([3, 0, 140, 1, 129, 0], [0, 0], [])


@pytest.fixture(scope="module", params=["_cpu", "_gpu"], ids=["cpu", "gpu"])
def kernels(request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    """numba's kernels, and Triton's run by its interpreter, which is chosen when the module is loaded."""
    name = f"radfield_core.ops.{request.param}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITON_INTERPRET", "1")
        patch.delitem(sys.modules, "radfield_core.ops._gpu", raising=False)
        yield importlib.import_module(name)
    sys.modules.pop("radfield_core.ops._gpu", None)


def packed(counts: list[int]) -> Layout:
    return Layout(len(counts), None, Packing.from_counts(torch.tensor(counts, dtype=torch.int64)))


def uniform(n: int, seed: int, *features: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.rand(n, *features, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def values_and_gradients(op, *inputs: torch.Tensor) -> list[torch.Tensor]:  # type: ignore[no-untyped-def]
    inputs = tuple(x.clone().requires_grad_() for x in inputs)
    out = op(*inputs)
    factors = uniform(out.numel(), 7, dtype=out.dtype).view_as(out)
    return [out.detach(), *torch.autograd.grad((out * factors).sum(), inputs)]


def joined(pixels: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> torch.Tensor:
    color, depth, opacity = pixels
    return torch.cat([color, depth[:, None], opacity[:, None]], -1)


@pytest.mark.parametrize("counts", COUNTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_and_gradients_equal_the_definition(kernels: ModuleType, counts: list[int], dtype: torch.dtype) -> None:
    layout, n = packed(counts), sum(counts)
    packing = layout.packing
    assert packing is not None
    ops = PackedKernels(kernels, packing)
    x, x3 = uniform(n, 1, dtype=dtype), uniform(n, 2, 3, dtype=dtype)
    density, lengths = 40 * uniform(n, 3, dtype=dtype), 0.01 * uniform(n, 4, dtype=dtype)
    alpha = 0.1 * uniform(n, 5, dtype=dtype)
    alpha[::50] = 1.0
    cases = [
        (lambda x: segments.sum(x, layout), lambda x: ops.sum(x), (x3,)),
        (lambda x: segments.exclusive_cumsum(x, layout), lambda x: ops.exclusive_cumsum(x), (x3,)),
        (lambda x: segments.per_sample(x, layout), lambda x: ops.per_sample(x),
         (uniform(len(counts), 6, 2, dtype=dtype),)),
        (lambda d, t: volume.weights_from_density(d, t, layout), lambda d, t: ops.weights_from_density(d, t),
         (density, lengths)),
        (lambda a: volume.weights_from_alpha(a, layout), lambda a: ops.weights_from_alpha(a), (alpha,)),
        (lambda w, x: volume.composite(w, x, layout), lambda w, x: ops.composite(w, x), (x, x3)),
        (lambda w, x: volume.composite(w, x, layout), lambda w, x: ops.composite(w, x), (x, alpha)),
        (lambda *inputs: joined(volume.pixels(*inputs, layout)), lambda *inputs: joined(ops.pixels(*inputs)),
         (x, x3, alpha)),
    ]  # fmt: skip
    for reference, fast, inputs in cases:
        with using("torch"):
            expected = values_and_gradients(reference, *inputs)
        found = values_and_gradients(fast, *inputs)
        torch.testing.assert_close(found[0], expected[0], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(found[1:], expected[1:], rtol=1e-4, atol=1e-4)


def test_gradients_equal_finite_differences(kernels: ModuleType) -> None:
    packing = packed([3, 0, 2]).packing
    assert packing is not None
    ops = PackedKernels(kernels, packing)
    density, lengths, x = (uniform(5, 1, *features).requires_grad_() for features in [(), (), (2,)])

    def pixels(density: torch.Tensor, lengths: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return ops.composite(ops.weights_from_density(density, lengths), x)

    assert torch.autograd.gradcheck(pixels, (density, lengths, x))
    rgb = uniform(5, 2, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda w, c, t: joined(ops.pixels(w, c, t)), (density, rgb, lengths))
    assert torch.autograd.gradcheck(lambda a: ops.weights_from_alpha(a), density)
    assert torch.autograd.gradgradcheck(lambda x: ops.exclusive_cumsum(x) ** 2, x)


@pytest.mark.parametrize("power", [1, 2])
def test_a_second_derivative_through_weights_raises(kernels: ModuleType, power: int) -> None:
    """A loss that is linear in the weights raises too: its gradient would silently be a constant."""
    packing = packed([2]).packing
    assert packing is not None
    ops = PackedKernels(kernels, packing)
    density = torch.ones(2, requires_grad=True)
    for weights in (ops.weights_from_density(density, torch.ones(2)), ops.weights_from_alpha(density / 2)):
        with pytest.raises(RuntimeError, match=r"differentiated once.*RADFIELD_BACKEND=torch"):
            torch.autograd.grad((weights**power).sum(), density, create_graph=True)
    rgb = torch.ones(2, 3)
    with pytest.raises(RuntimeError, match="differentiated once"):
        torch.autograd.grad(ops.pixels(density, rgb, torch.ones(2))[0].sum(), density, create_graph=True)


def test_a_huge_last_interval_leaves_the_weights_before_it_exact(kernels: ModuleType) -> None:
    packing = packed([3]).packing
    assert packing is not None
    ops = PackedKernels(kernels, packing)
    weights = ops.weights_from_density(torch.ones(3), torch.tensor([0.5, 0.5, 1e10]))
    torch.testing.assert_close(weights, torch.tensor([0.39346934, 0.23865122, 0.36787944]))


def test_the_check_of_the_kernels_passes(kernels: ModuleType) -> None:
    check(kernels, "cpu")


def test_pixels_of_four_channels_equal_the_definition(kernels: ModuleType) -> None:
    layout, features = packed([3, 0, 2]), uniform(5, 1, 4)
    assert layout.packing is not None
    with using("torch"):
        expected = volume.pixels(features[:, 0], features, features[:, 1], layout)
    found = PackedKernels(kernels, layout.packing).pixels(features[:, 0], features, features[:, 1])
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("n", [0, 4, 6])
def test_tensors_of_another_size_than_the_packing_are_refused(kernels: ModuleType, n: int) -> None:
    """Kernels would read and write beyond the end of arrays."""
    packing = packed([3, 0, 2]).packing
    assert packing is not None
    ops, good, bad = PackedKernels(kernels, packing), torch.ones(5), torch.ones(n)
    rgb, bad_rgb = torch.ones(5, 3), torch.ones(n, 3)
    calls = [
        lambda: ops.sum(bad), lambda: ops.sum(bad_rgb), lambda: ops.sum(torch.tensor(1.0)),
        lambda: ops.per_sample(bad), lambda: ops.exclusive_cumsum(bad_rgb),
        lambda: ops.weights_from_alpha(bad), lambda: ops.weights_from_alpha(good[:, None]),
        lambda: ops.weights_from_density(bad, good), lambda: ops.weights_from_density(good, bad),
        lambda: ops.weights_from_density(good[:, None], good),
        lambda: ops.composite(good, bad_rgb), lambda: ops.composite(bad, rgb),
        lambda: ops.pixels(good, bad_rgb, good), lambda: ops.pixels(bad, rgb, good),
        lambda: ops.pixels(good, rgb, bad),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(LayoutError, match=r"(5 samples|3 rays), got shapes \["):
            call()


def launches() -> None:
    """Launch every Triton kernel for each type of numbers, and for numbers of features that Triton could tell apart."""
    from radfield_core.ops import _gpu

    packing = packed([3, 0, 140]).packing
    assert packing is not None
    ops = PackedKernels(_gpu, packing)
    for dtype in (torch.float32, torch.float64):
        x, x3, x16 = (uniform(143, 1, *features, dtype=dtype).requires_grad_() for features in ((), (3,), (16,)))
        torch.autograd.backward(joined(ops.pixels(ops.weights_from_density(x, x), x3, x)).sum())
        torch.autograd.backward(ops.composite(ops.weights_from_alpha(x), x16).sum())
        for values in (x, x3, x16):
            torch.autograd.backward(ops.exclusive_cumsum(values).sum())
            ops.sum(values)


def test_every_kernel_compiles_once_for_each_type_of_numbers() -> None:
    kernels = compile_kernels(launches)
    assert [kernel.fault for kernel in kernels if kernel.fault] == []
    names = {"_total": 2, "_scan": 2, "_density": 1, "_alpha": 1, "_behind": 1}  # sums are weighted, scans reversed
    assert Counter(kernel.name for kernel in kernels) == {name: 3 * 2 * n for name, n in names.items()}
