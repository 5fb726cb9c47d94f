"""The kernels for GPUs equal the definition. Triton's interpreter runs ours on the CPU; gsplat's have a stand-in."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest
import torch
from radfield_splat import Gaussians, reference
from radfield_splat.pairs import TILE, check, listed
from splat_scenes import image_and_gradients, scene, view

SCRIPT = """
import sys, torch
sys.path.insert(0, {folder!r})
torch.set_num_threads(1)
from radfield_splat import Gaussians, gpu, pairs, reference
from splat_scenes import image_and_gradients, scene, view
from test_splat_gpu import assert_agree
{body}
print("kernels agree")
"""


def assert_agree(module, parameters, seen, median=True, bound=1e-5):
    expected, expected_gradients = image_and_gradients(reference, parameters, seen, torch.float64)
    found, gradients = image_and_gradients(module, parameters, seen, torch.float32)
    for name, x, y in zip(expected._fields, expected, found, strict=True):
        if name != "median" or median:
            torch.testing.assert_close(
                y.double(), x, atol=bound, rtol=bound, msg=lambda text, name=name: f"{name}: {text}"
            )
    for name, x in expected_gradients.items():
        error = (gradients[name].double() - x).abs().max() if x.numel() else 0.0
        assert error <= 5 * bound * max(x.abs().max() if x.numel() else 0.0, 1e-3), name


def interpreted(body: str) -> None:
    if find_spec("triton") is None:
        pytest.fail("triton is needed by these tests: pip install --no-deps triton")
    script = SCRIPT.format(folder=str(Path(__file__).parent), body=body)
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("kernels agree")


def test_images_and_gradients_equal_the_definition():
    interpreted("""
parameters = scene(24, 2)
parameters[3][:5] = 8.0  # above the limit of alpha
assert_agree(gpu, parameters, view("opencv", 18, 17))
assert_agree(gpu, [x[:0] for x in parameters], view("pinhole", 5, 4))  # nothing to draw

parameters = scene(50)
parameters[0] *= torch.tensor([0.05, 0.05, 1.0])
parameters[1] += 1.3
parameters[3][:] = torch.linspace(2.0, 6.0, 50)
seen = view("pinhole", 16, 16)
assert_agree(gpu, parameters, seen)
drawn = reference.project(Gaussians(*parameters), seen, 1, 0.01, 0.3)
assert drawn.opacities[:10].min() > 0.5  # ten of them end a pixel, and 16 are composited between two checks
""")


@pytest.mark.parametrize("model", ["pinhole", "fisheye"])
def test_a_tile_lists_all_gaussians_that_its_pixels_see_nearest_first(model):
    seen = view(model, 50, 37)
    parameters = scene(80, seed=3)
    parameters[1][:3] = 1.5  # larger than the image
    drawn = reference.project(Gaussians(*parameters), seen, 1, 0.01, 0.3)
    found, across = listed(drawn, 50, 37), 4
    assert len(found.starts) == 4 * 3 + 1 and found.starts[-1] == len(found.ids) == found.counts.sum()
    n_listed = torch.zeros(len(drawn.ids), dtype=torch.int64)
    for tile in range(12):
        ids = found.ids[found.starts[tile] : found.starts[tile + 1]].tolist()
        assert ids == sorted(set(ids))  # the drawn Gaussians are sorted by distance
        n_listed[ids] += 1
        for i in range(len(drawn.ids)):
            if i not in ids:
                xs = torch.arange(tile % across * TILE, min(50, tile % across * TILE + TILE))
                ys = torch.arange(tile // across * TILE, min(37, tile // across * TILE + TILE))
                pixels = torch.stack(torch.meshgrid(xs, ys, indexing="xy"), -1).reshape(-1, 2)
                one = reference.Projected(*(x[i : i + 1] for x in drawn))
                assert not reference.composite(one, pixels.float())[2].any(), (tile, i)
    assert n_listed.equal(found.counts)
    by_gaussian = torch.empty_like(found.ids)
    by_gaussian[found.places.long()] = found.ids
    assert by_gaussian.equal(torch.repeat_interleave(torch.arange(len(drawn.ids)), found.counts).int())


def test_a_backend_with_wrong_results_does_not_pass_the_self_test():
    def wrong(*arguments):
        image = reference.rasterize(*arguments)
        return image._replace(depth=1.01 * image.depth)

    check(reference.rasterize, "cpu")
    with pytest.raises(RuntimeError, match="depth of three Gaussians differ"):
        check(wrong, "cpu")


def rasterize_to_pixels(means2d, conics, colors, opacities, width, height, tile_size, isect_offsets, flatten_ids):
    """Stand-in with the arguments of gsplat's function, as its documentation describes them; a loop over tiles."""
    assert means2d.shape[0] == conics.shape[0] == colors.shape[0] == opacities.shape[0] == 1 and tile_size == 16
    assert isect_offsets.dtype == flatten_ids.dtype == torch.int32
    image, alphas = torch.zeros(height, width, colors.shape[-1]), torch.zeros(height, width, 1)
    ends = [*isect_offsets.flatten().tolist()[1:], len(flatten_ids)]
    for tile, (start, end) in enumerate(zip(isect_offsets.flatten().tolist(), ends, strict=True)):
        top, left = tile // isect_offsets.shape[2] * 16, tile % isect_offsets.shape[2] * 16
        ys, xs = torch.meshgrid(
            torch.arange(top, min(height, top + 16)), torch.arange(left, min(width, left + 16)), indexing="ij"
        )
        light, value = torch.ones(xs.shape), torch.zeros(*xs.shape, colors.shape[-1])
        for i in flatten_ids[start:end].tolist():
            dx, dy = means2d[0, i, 0] - (xs + 0.5), means2d[0, i, 1] - (ys + 0.5)
            a, b, c = conics[0, i]
            alpha = (opacities[0, i] * (-0.5 * (a * dx * dx + c * dy * dy) - b * dx * dy).exp()).clamp_max(0.999)
            behind = light * (1 - alpha)
            counts = (alpha >= 1 / 255) & (behind > 1e-4)  # the scenes of these tests end no pixel
            value = value + torch.where(counts, alpha * light, 0.0)[..., None] * colors[0, i]
            light = torch.where(counts, behind, light)
        image[top : top + 16, left : left + 16] = value
        alphas[top : top + 16, left : left + 16, 0] = 1 - light
    return image[None], alphas[None]


@pytest.fixture
def gsplat(monkeypatch):
    stand_in = ModuleType("gsplat.cuda._wrapper")
    stand_in.rasterize_to_pixels = rasterize_to_pixels
    for name in ("gsplat", "gsplat.cuda"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, "gsplat.cuda._wrapper", stand_in)
    monkeypatch.delitem(sys.modules, "radfield_splat.gsplat_backend", raising=False)
    yield import_module("radfield_splat.gsplat_backend")
    sys.modules.pop("radfield_splat.gsplat_backend")


@pytest.mark.parametrize("model", ["pinhole", "opencv", "fisheye"])
def test_gsplat_gets_gaussians_as_it_documents_them(model, gsplat):
    parameters = scene(30)
    parameters[3].clamp_(max=4.0)  # gsplat has another limit of alpha
    assert_agree(gsplat, parameters, view(model), median=False)


def test_the_real_gsplat_equals_the_definition():
    pytest.importorskip("gsplat", reason="gsplat is not installed")
    if not torch.cuda.is_available():
        pytest.skip("gsplat needs a CUDA device")
    from radfield_splat import gsplat_backend

    gsplat_backend.warm_up()


def test_float64_is_drawn_by_the_definition(gsplat):
    double = Gaussians(*(x.double() for x in scene(9)))
    found, expected = (module.rasterize(double, view(), None, 1, 0.01, 0.3).rgb for module in (gsplat, reference))
    assert found.equal(expected)
